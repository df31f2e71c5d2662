"""Any message that an answer shows is what the server gets when the answer is sent back."""

import json
import math
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation.v1 import config_pb2, job_pb2, target_pb2

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
# JSON's -0 is an integer, and so is 0.
DOUBLES = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)
NUMBERS = DOUBLES | st.integers(-(2**53), 2**53)
FREE = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def value(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    """Values of a field, as assignments take them."""
    kind = field.message_type.full_name if field.message_type else None
    if kind == "google.protobuf.Timestamp":
        # REST has microseconds.
        return st.integers(-62135596800 * 10**6, 253402300799 * 10**6)
    if kind == "google.protobuf.Struct":
        return st.dictionaries(TEXT, FREE, max_size=3)
    if kind == "google.protobuf.Value":
        return FREE.filter(lambda free: free is not None)
    if kind:
        return content(field.message_type, depth - 1)
    if field.type == FieldDescriptor.TYPE_ENUM:
        # The first value says unset.
        return st.sampled_from([known.number for known in field.enum_type.values[1:]])
    if field.type == FieldDescriptor.TYPE_INT32:
        return st.integers(-(2**31), 2**31 - 1)
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return DOUBLES
    return st.booleans() if field.type == FieldDescriptor.TYPE_BOOL else TEXT


def content(message: Descriptor, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """Some fields of a message, at most one of each oneof."""

    def one_of_each(names: list[str]) -> list[FieldDescriptor]:
        chosen = [message.fields_by_name[name] for name in names]
        taken = {field.containing_oneof or field: field for field in chosen}
        return sorted(taken.values(), key=lambda field: field.number)

    def fill(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        strategies = {}
        for field in one_of_each(names):
            entry = field.message_type if is_map(field) else None
            if entry:
                of = value(entry.fields_by_name["value"], depth)
                strategies[field.name] = st.dictionaries(TEXT, of, min_size=1, max_size=2)
            elif field.is_repeated:
                strategies[field.name] = st.lists(value(field, depth), min_size=1, max_size=2)
            else:
                strategies[field.name] = value(field, depth)
        return st.fixed_dictionaries(strategies)

    names = [field.name for field in message.fields if depth > 0 or not field.message_type]
    return st.lists(st.sampled_from(names), max_size=4, unique=True).flatmap(fill)


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def assign(message: Message, fields: dict[str, Any]) -> Message:
    """Set the fields of a message from what `content` made."""
    for name, data in fields.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if is_map(field):
            inner = field.message_type.fields_by_name["value"]
            for key, item in data.items():
                if inner.message_type:
                    put(getattr(message, name)[key], item)
                else:
                    getattr(message, name)[key] = item
        elif field.is_repeated and field.message_type:
            for item in data:
                put(getattr(message, name).add(), item)
        elif field.is_repeated:
            getattr(message, name).extend(data)
        elif field.message_type:
            put(getattr(message, name), data)
        else:
            setattr(message, name, data)
    return message


def put(message: Message, data: Any) -> None:
    """Set a message field, which is then there even when it holds nothing."""
    message.SetInParent()
    kind = message.DESCRIPTOR.full_name
    if kind == "google.protobuf.Timestamp":
        message.FromMicroseconds(data)
    elif kind == "google.protobuf.Struct":
        message.update(data)
    elif kind == "google.protobuf.Value":
        holder = GetMessageClass(message.DESCRIPTOR.fields_by_name["list_value"].message_type)()
        holder.append(data)
        message.CopyFrom(holder.values[0])
    else:
        assign(message, data)


FUZZ = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def check(gateway: Any, method: str, path: str, kind: str, message: Message) -> None:
    """Read a message over REST, send what was read, and compare what arrives."""
    gateway.stub.answers[method] = message
    answer = gateway.get(f"{path}/x" if kind == "job" else f"{path}/x/y")
    assert answer.status_code == 200, answer.text
    arrived = getattr(gateway.received(path, answer.content), kind)
    assert arrived == message, answer.text


@FUZZ
@given(fields=content(target_pb2.Target.DESCRIPTOR, 4))
def test_targets(gateway, fields):
    check(gateway, "GetTarget", "/targets", "target", assign(target_pb2.Target(), fields))


@FUZZ
@given(fields=content(config_pb2.Config.DESCRIPTOR, 4))
def test_configs(gateway, fields):
    check(gateway, "GetConfig", "/configs", "config", assign(config_pb2.Config(), fields))


@FUZZ
@given(fields=content(job_pb2.Job.DESCRIPTOR, 5))
def test_jobs(gateway, fields):
    check(gateway, "GetJob", "/jobs", "job", assign(job_pb2.Job(), fields))


@FUZZ
@given(data=FREE, cut=st.floats(0, 1), noise=st.binary(max_size=3))
def test_any_bytes_are_taken_or_refused_with_a_reason(gateway, data, cut, noise):
    text = json.dumps({"rows": [{"a": data}], "custom_fields": {"b": data}}).encode()
    middle = math.floor(cut * len(text))
    answer = gateway.post("/targets", text[:middle] + noise + text[middle:])
    assert answer.status_code in (201, 400, 422), answer.text
    assert answer.status_code == 201 or answer.json()["detail"]
