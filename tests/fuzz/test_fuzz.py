"""A short run, always of the same messages. `make fuzz` is a long one."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from tests.fuzz import growth
from tests.fuzz.messages import requests
from tests.fuzz.methods import contract, health
from tests.fuzz.raw import PREFACE, SETTINGS_FRAME, altered, frame
from tests.fuzz.rest import Rest
from tests.fuzz.run import Run, target

SEED = 20

GOAWAY = 7
"""A frame with which a client of HTTP/2 takes its leave, and says why."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with target(tmp_path_factory.mktemp("fuzz") / "data") as service:
        yield Run(service)


def test_no_message_and_no_bytes_break_the_server(run: Run) -> None:
    for method in contract():
        run.play(requests([method], run.known), 8, SEED)
    run.play(altered([*contract(), *health()], run.known), 100, SEED)
    run.converse(10, SEED)
    Rest(run).play(100, SEED)
    last = run.settle()
    assert [str(finding) for finding in run.findings] == []
    assert growth.grown(run.first, last, last) == []
    assert {method.name for method in contract()} <= set(run.counts)
    assert sum(counts["OK"] for counts in run.counts.values()) > 50  # they go deep
    assert "Traceback" not in run.service.log.read_text(errors="replace")


def test_a_client_writes_nothing_into_the_log(run: Run) -> None:
    goodbye = frame(GOAWAY, 0, 0, b"\0\0\0\0" + b"\0\0\0\2" + b"one\n\x1b[31mtwo")
    for _ in range(3):
        run.say(PREFACE + SETTINGS_FRAME + goodbye)
    assert [str(finding) for finding in run.findings] == []
    assert "two" not in run.service.log.read_text(errors="replace")


def test_methods_that_do_not_exist(run: Run) -> None:
    with grpc.insecure_channel(run.service.grpc) as channel:
        for path in ("/evaluation.v1.JobService/No", "/no.Such/GetJob", "/x", "//", "/%00"):
            with pytest.raises(grpc.RpcError) as e:
                channel.unary_unary(path)(b"", timeout=10)
            assert e.value.code() is grpc.StatusCode.UNIMPLEMENTED
