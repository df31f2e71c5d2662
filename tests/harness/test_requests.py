"""How probable a text is, as endpoints of several kinds tell it."""

from __future__ import annotations

from typing import Any

import pytest

from evald.errors import EvaluationError
from evald.harness.requests import Likelihood


def response(
    tokens: list[str], values: list[float | None], best: list[float] | None = None, **more: Any
) -> dict[str, Any]:
    tops = [{"x": b} for b in best] if best else [v and {"x": v} for v in values]
    said = {"tokens": tokens, "token_logprobs": values, "top_logprobs": tops, **more}
    return {"choices": [{"logprobs": said}]}


PLAIN = ["Two", " and", " two", " is", " four", "!"]
VALUES: list[float | None] = [None, -1.0, -2.0, -3.0, -4.0, -9.0]


@pytest.mark.parametrize(
    ("context", "continuation", "expected"),
    [
        ("Two and two is", " four", -4.0),
        ("Two and two ", "is four", -7.0),  # the blank belongs to the word after it
        ("Two and", " two is four", -9.0),
        ("", "Two and two is four", -10.0),  # nothing tells how probable the first token is
        ("Two and two is fo", "ur", -4.0),  # a token of both
    ],
)
def test_the_tokens_of_a_continuation(context: str, continuation: str, expected: float) -> None:
    likelihood = Likelihood(context, continuation, None)
    assert likelihood.request["prompt"] == "Two and two is four"
    assert likelihood.read(response(PLAIN, VALUES)) == (expected, True)


def test_a_token_before_the_text() -> None:
    """Some servers put one there, and count it into offsets."""
    tokens = ["<s>", "Two", " is", " two", "!"]
    found = Likelihood("Two is", " two", None).read(
        response(tokens, [None, -1.0, -2.0, -3.0, -4.0], text_offset=[0, 3, 6, 9, 13])
    )
    assert found == (-3.0, True)


def test_tokens_that_are_parts_of_letters() -> None:
    tokens = ["caf", "bytes:\\xc3", "bytes:\\xa9", " au", "!"]
    found = Likelihood("café", " au", None).read(
        response(tokens, [None, -1.0, -2.0, -3.0, -4.0], text_offset=[0, 3, 3, 4, 7])
    )
    assert found == (-3.0, True)
    with pytest.raises(EvaluationError, match=r"params\.extra\.tokenizer"):
        Likelihood("café", " au", None).read(response(tokens, [None, -1.0, -2.0, -3.0, -4.0]))


def test_what_the_model_would_not_write() -> None:
    best = [0.0, -1.0, -2.0, -0.5, -4.0, 0.0]
    likelihood = Likelihood("Two and", " two is four", None)
    assert likelihood.read(response(PLAIN, VALUES, best)) == (-9.0, False)


def test_a_tokenizer_of_the_users() -> None:
    class Letters:
        prefix = 0

        def encode(self, text: str) -> list[int]:
            return list(map(ord, text))

        def chat(self, messages: list[dict[str, str]], *, begin: bool) -> str:
            raise AssertionError

    likelihood = Likelihood("ab ", "cd", Letters())
    assert likelihood.request["prompt"] == [97, 98, 32, 99, 100]
    values = [None, -1.0, -2.0, -3.0, -4.0, -5.0]
    assert likelihood.read(response([""] * 6, values)) == (-9.0, True)
    assert Likelihood("", "cd", Letters()).request["prompt"] == [0, 99, 100]
    long = Likelihood("a" * 3000, "bc", Letters())
    assert len(long.request["prompt"]) == 2047
    assert long.read(response([""] * 2048, [0.0] * 2045 + [-1.0, -2.0, -4.0])) == (-3.0, True)


@pytest.mark.parametrize("logprobs", [None, {}, {"content": []}, {"token_logprobs": [-1.0]}])
def test_no_logprobs(logprobs: Any) -> None:
    with pytest.raises(EvaluationError, match="no logprobs of the prompt"):
        Likelihood("a", "b", None).read({"choices": [{"logprobs": logprobs}]})
