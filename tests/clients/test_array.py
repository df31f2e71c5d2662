"""Objects of a JSON array, read one at a time."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evald.clients import array
from evald.clients.array import Array, Malformed
from evald.clients.depth import MAX_DEPTH, is_too_deep

LIMIT = 2**20

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def objects(text: str | bytes, limit: int = LIMIT) -> list[dict[str, Any]]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(Array(io.BytesIO(data), limit).objects())


@given(
    rows=st.lists(st.dictionaries(st.text(), values, max_size=3), max_size=5),
    indent=st.none() | st.integers(0, 2),
    size=st.integers(1, 9),
    ascii_only=st.booleans(),
)
def test_arrays_are_read_whole_whatever_is_read_at_once(
    rows: list[dict[str, Any]], indent: int | None, size: int, ascii_only: bool
) -> None:
    text = json.dumps(rows, indent=indent, ensure_ascii=ascii_only)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(array, "READ_BYTES", size)
        assert objects(text) == rows


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", "line 1", "the end of the file"),
        ("{}", "line 1", "'[' is expected"),
        ("[{}", "line 1", "',' or ']'"),
        ("[{},]", "line 1", "what begins with ']'"),
        ("[{},\n\n [1]]", "line 3", "not an array"),
        ('[\n{"a":\n oops}]', "line 3", "it is not JSON"),
        ('[{"a": "no end]', "line 1", "it is not JSON"),
        ("[{}] x", "line 1", "more after the end"),
        ('[{"a": 1e', "line 1", "it is not JSON"),
        (b'[{},\n{"a": "\xff"}]', "line 2", "0xff is not UTF-8"),
    ],
)
def test_what_is_no_array_of_objects_says_where(text: str | bytes, place: str, reason: str) -> None:
    with pytest.raises(Malformed) as e:
        objects(text)
    assert e.value.place == place
    assert reason in str(e.value)


def test_numbers_that_json_knows_and_python_writes() -> None:
    assert objects('[{"a": 123456789012345678901234567890, "b": -Infinity}]') == [
        {"a": 123456789012345678901234567890, "b": float("-inf")}
    ]


@pytest.mark.parametrize(
    ("value", "reason"),
    [("[" * 200_000 + "]" * 200_000, "nested too deeply"), ("1" * 5000, "it cannot be read")],
)
def test_hostile_values_end_at_once(value: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        objects(f'[{{"a": {value}}}]')


def test_row_without_end_is_bounded() -> None:
    with pytest.raises(Malformed, match="more than 1 MiB"):
        objects('[{"a": "' + "x" * 4 * LIMIT + '"}]')


@pytest.mark.parametrize(("depth", "deep"), [(MAX_DEPTH, False), (MAX_DEPTH + 1, True)])
def test_depth(depth: int, deep: bool) -> None:
    text = "[" * depth + "]" * depth
    assert is_too_deep(json.loads(text)) is deep
    assert is_too_deep(json.loads(text), text.encode()) is deep
