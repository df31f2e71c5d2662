"""Replies as endpoints send them."""

from __future__ import annotations

import math

import orjson
import pytest

from evald.clients.reply import parse
from evald.errors import EvaluationError


def body(extra: str = "0") -> bytes:
    return f'{{"choices": [{{"message": {{"content": "hi"}}}}], "extra": {extra}}}'.encode()


def test_text_of_a_chat() -> None:
    assert parse(body()).text == "hi"


def test_log_probability_that_is_not_a_number() -> None:
    reply = parse(body("NaN"))
    assert reply.text == "hi"
    assert math.isnan(reply.response["extra"])


@pytest.mark.parametrize("depth", [101, 400, 5000])
def test_reply_that_nobody_could_write_again_is_refused(depth: int) -> None:
    with pytest.raises(EvaluationError, match="answer cannot be used") as e:
        parse(body("[" * depth + "]" * depth))
    assert e.value.kind == "bad_json"


def test_reply_as_deep_as_allowed_can_be_written() -> None:
    reply = parse(body("[" * 98 + "]" * 98))
    assert orjson.dumps(dict(reply.response))
