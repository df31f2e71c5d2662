"""Events as lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evald.domain.attempts import StoredSample
from evald.executor import events
from evald.executor.backend import JobSpec
from evald.executor.events import Done, Event, Failed, Log, Progress, Samples, Task
from evald.settings import ClientSettings

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
INDEX = st.integers(0, 2**53)
SAMPLE = st.builds(
    StoredSample, TEXT, INDEX, TEXT, st.none() | TEXT, TEXT, st.none() | TEXT, st.none() | TEXT
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)
EVENT: st.SearchStrategy[Event] = st.one_of(
    st.builds(Samples, st.lists(SAMPLE)),
    st.builds(Progress, INDEX, st.none() | INDEX),
    st.builds(Task, TEXT, TEXT),
    st.builds(Log, st.floats(0, 2e9), TEXT, TEXT),
    st.builds(Done, st.dictionaries(TEXT, JSON)),
    st.builds(Failed, st.dictionaries(TEXT, JSON)),
)


@given(EVENT)
def test_an_event_survives_its_line(event: Event) -> None:
    line = events.encode(event)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert events.decode(line) == event


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"text",
        b"[]",
        b"null",
        b"{}",
        b'{"kind":"surprise"}',
        b'{"kind":[]}',
        b'{"kind":"task","name":"qa"}',
        b'{"kind":"task","name":"qa","status":"running","more":1}',
        b'{"kind":"samples","batch":[{"task":"qa"}]}',
        b'{"kind":"samples","batch":"qa"}',
        b'{"kind":"samples","batch":3}',
        b'{"kind":"log","at":1,"level":"info","message":"\xff"}',
    ],
)
def test_what_is_not_an_event_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="not an event"):
        events.decode(line)


@given(st.binary(max_size=50))
def test_no_bytes_break_the_reader(line: bytes) -> None:
    with pytest.raises(ValueError, match="not an event"):
        events.decode(line)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        ({"a": "\ud800", "b": float("-inf")}, {"a": "?", "b": None}),
        ({1: (1, 2), None: {3}}, {"1": [1, 2], "null": [3]}),
        ([2**64 - 1, 2**64, -(2**63) - 1], [2**64 - 1, str(2**64), str(-(2**63) - 1)]),
        (Path("a"), "a"),
    ],
)
def test_anything_has_a_json(value: Any, expected: Any) -> None:
    assert orjson.loads(events.to_json(value)) == expected


def test_a_spec_survives_its_line() -> None:
    spec = JobSpec(
        job_id="eval-1",
        attempt=2,
        config={"type": "custom", "seed": 2**70, "text": "a\nb\ud800", "p": 0.1},
        target={"model": {"api_key": "sesame"}},
        clients=ClientSettings(data_dir=Path("/data"), egress=("10.0.0.0/8",)),
        devices=("GPU-1",),
        kept=Path("/data/kept.jsonl"),
    )
    line = spec.encode()
    assert line.count(b"\n") == 1
    assert JobSpec.decode(line) == spec
    assert "sesame" not in repr(spec)
