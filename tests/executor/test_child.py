"""The child's own parts, in this process: what it gathers, what it says of errors."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from evald.errors import EvaluationError, InvalidArgument
from evald.executor.backend import ChildDied
from evald.executor.child import first_of, told
from evald.executor.emitter import Emitter
from evald.executor.environment import scrubbed
from evald.executor.events import Done, Event, Log, Progress, Samples, Task, decode
from evald.executor.printed import LINE_LIMIT, OUTPUT_LIMIT, Printed
from evald.executor.process import ChildProcess
from evald.executor.run import Lines, death
from evald.flows.flow import SampleRecord


class Wire:
    """The two ends of a child's pipe."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        self.emitter = Emitter(writing, lambda text: text.replace("sesame", "******"), ["sesame"])
        self._writing = writing

    def events(self) -> list[Event]:
        """All that was said; ends the pipe."""
        self.emitter.close()
        os.close(self._writing)
        with os.fdopen(self.reading, "rb") as lines:
            return [decode(line) for line in lines]


@pytest.fixture
def wire() -> Wire:
    return Wire()


def sample(index: int, text: str = "") -> SampleRecord:
    return SampleRecord("qa", index, {"text": text}, None, {})


def test_progress_is_gathered_and_comes_after_its_samples(wire: Wire) -> None:
    for i in range(5):
        wire.emitter.sample(sample(i))
        wire.emitter.progress(i + 1, 5)
    wire.emitter.task("qa", "completed")
    batch, progress, task = wire.events()
    assert isinstance(batch, Samples)
    assert len(batch.batch) == 5
    assert progress == Progress(5, 5)
    assert task == Task("qa", "completed")


def test_a_lone_sample_goes_out_by_itself(wire: Wire) -> None:
    wire.emitter.sample(sample(0))
    started = time.monotonic()
    assert b"samples" in os.read(wire.reading, 1000)
    assert time.monotonic() - started < 2
    wire.events()


def test_nothing_is_said_after_the_last_event(wire: Wire) -> None:
    wire.emitter.close(Done({}))
    wire.emitter.sample(sample(0))
    wire.emitter.log("info", "late")
    wire.emitter.flush()
    wire.emitter.close(Done({}))
    assert wire.events() == [Done({})]


def test_threads_may_speak_at_once(wire: Wire) -> None:
    def speak() -> None:
        for i in range(200):
            wire.emitter.sample(sample(i, "x" * 10))

    said: list[Event] = []
    reader = Thread(target=lambda: said.extend(_read(wire.reading)))
    reader.start()
    speakers = [Thread(target=speak) for _ in range(4)]
    for thread in speakers:
        thread.start()
    for thread in speakers:
        thread.join()
    wire.emitter.close()
    os.close(wire._writing)
    reader.join()
    assert sum(len(e.batch) for e in said if isinstance(e, Samples)) == 800


def _read(fd: int) -> Iterator[Event]:
    with os.fdopen(fd, "rb") as lines:
        yield from map(decode, lines)


def test_secrets_are_masked_and_json_stays_json(wire: Wire) -> None:
    wire.emitter.sample(SampleRecord("qa", 0, {"sesame": ["a sesame", 1]}, {"n": None}, {}))
    wire.emitter.log("info", "open sesame")
    batch, line = wire.events()
    assert isinstance(batch, Samples)
    assert batch.batch[0].item == '{"******":["a ******",1]}'
    assert isinstance(line, Log)
    assert line.message == "open ******"


def test_the_first_evaluation_error_of_a_group_counts() -> None:
    error = EvaluationError("http", "HTTP 500", task="qa", sample=3)
    group = BaseExceptionGroup("g", [ValueError("x"), ExceptionGroup("h", [error])])
    assert first_of(group) is error
    assert isinstance(first_of(ExceptionGroup("g", [ValueError("x")])), ValueError)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (EvaluationError("http", "no", sample=0), {"kind": "http", "message": "no", "sample": 0}),
        (InvalidArgument("no"), {"kind": "flow", "message": "no"}),
        (KeyError("a"), {"kind": "flow", "message": "KeyError: 'a'"}),
        (ValueError(), {"kind": "flow", "message": "ValueError"}),
    ],
)
def test_an_error_is_told(error: Exception, expected: dict[str, object]) -> None:
    assert told(error) == expected


def test_memory_is_an_error_of_its_own() -> None:
    assert told(MemoryError())["kind"] == "memory"


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"a\nb", b"c\n"], ["a", "bc"]),
        ([b"10%\r", b"20%\r", b"30%", b"\n"], ["30%"]),
        ([b"a\r\nb\r\n"], ["a", "b"]),
        ([b"\n\n  \n"], []),
        ([b"\xff\n"], ["\ufffd"]),
        ([b"x" * LINE_LIMIT, b"yz\n"], ["x" * LINE_LIMIT + " …"]),
    ],
)
def test_printed_pieces_become_lines(pieces: list[bytes], lines: list[str]) -> None:
    printed = Printed()
    said = [line for piece in pieces for line in printed.feed(piece)]
    assert [line.message for line in [*said, *printed.close()]] == lines


@pytest.mark.parametrize("piece", [b"x" * 2**16, b"\n" * 2**16, b"y\n" * 2**15, b"\r" * 2**16])
def test_printed_output_is_bounded(piece: bytes) -> None:
    printed = Printed()
    said = [line for _ in range(100) for line in printed.feed(piece)]
    said += printed.close()
    assert len(said) < 20_000
    assert sum(len(line.message) for line in said) < OUTPUT_LIMIT + 2 * LINE_LIMIT


def test_lines_are_put_together_and_bounded() -> None:
    lines = Lines(limit=10)
    assert list(lines.feed(b"ab")) == []
    assert list(lines.feed(b"c\nd\n\ne")) == [b"abc", b"d", b""]
    with pytest.raises(ChildDied, match="10 bytes"):
        list(lines.feed(b"x" * 10))


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "status 0"), (-11, "SIGSEGV"), (-9, "memory"), (-200, "signal 200")],
)
def test_a_death_is_described(status: int, words: str) -> None:
    assert words in str(death(status, stopped=False, alive=False))


def test_only_harmless_variables_are_handed_on() -> None:
    given = {
        **{"PATH": "/bin", "LC_ALL": "C", "PYTHONPATH": "p", "SSL_CERT_FILE": "f"},
        **{"HF_HOME": "h", "HF_TOKEN": "t", "TOKENIZERS_PARALLELISM": "1"},
        **{"AWS_REGION": "r", "AWS_ACCESS_KEY_ID": "k", "EVALD_DATA_DIR": "d"},
        **{"OPENAI_API_KEY": "o", "GITHUB_TOKEN": "g", "AWS_LOGIN_SECRET": "l"},
        **{"DATABASE_URL": "u", "http_proxy": "p", "HF_ENDPOINT": "http://u:p@h"},
        **{"CUDA_VISIBLE_DEVICES": "7", "CUDA_HOME": "c"},
    }
    assert scrubbed(given, marker="m", devices=("1", "2")) == {
        **{"PATH": "/bin", "LC_ALL": "C", "PYTHONPATH": "p", "SSL_CERT_FILE": "f"},
        **{"HF_HOME": "h", "TOKENIZERS_PARALLELISM": "1", "AWS_REGION": "r", "CUDA_HOME": "c"},
        **{"HF_TOKEN": "t", "AWS_ACCESS_KEY_ID": "k"},  # what data is read by
        **{"CUDA_VISIBLE_DEVICES": "1,2", "EVALD_CHILD": "m"},
    }
    assert scrubbed({}, marker="m", devices=())["CUDA_VISIBLE_DEVICES"] == ""


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="it has no /proc")


@LINUX
def test_a_child_that_is_killed_leaves_no_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    child = ChildProcess()
    [folder] = tmp_path.iterdir()
    while not (environment := Path(f"/proc/{child.pid}/environ").read_bytes()):
        time.sleep(0.01)  # it is just beginning
    assert f"TMPDIR={folder}".encode() in environment
    (folder / "left").write_text("x")
    child.end()
    assert list(tmp_path.iterdir()) == []


@LINUX
@pytest.mark.parametrize(("part", "nth"), [("pipe", 1), ("pipe", 2), ("mkdtemp", 1), ("Popen", 1)])
def test_a_child_that_cannot_be_started_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, nth: int
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    whole = {"pipe": os, "mkdtemp": tempfile, "Popen": subprocess}[part]
    works, calls = getattr(whole, part), itertools.count(1)

    def fail(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == nth:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return works(*args, **kwargs)

    monkeypatch.setattr(whole, part, fail)
    before = sorted(Path("/proc/self/fd").iterdir())
    with pytest.raises(OSError, match="open files"):
        ChildProcess()
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    assert list(tmp_path.iterdir()) == []
