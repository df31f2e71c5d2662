"""Strategies of messages, made from their descriptors."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from google.protobuf import field_mask_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import EncodeError, Message
from hypothesis import assume
from hypothesis import strategies as st

from tests.fuzz.known import Known
from tests.fuzz.methods import Method
from tests.fuzz.seeds import seeds

Draw = Callable[[st.SearchStrategy[Any]], Any]

DEPTH = 6
"""Messages inside one another that are made, besides those that nest on purpose."""

ANY_NUMBER = st.integers(0, 2**16)
"""Chooses among what is known, which must not decide what is drawn next."""

OFTEN = st.integers(0, 3).map(bool)
SELDOM = st.integers(0, 15).map(lambda n: n == 0)

TEMPLATES = (
    "{{ item.a }}", "{{ a }}", "{{", "{% for x in y %}", "{{ 9 ** 9 ** 9 }}", "{{ 'a' * 10 ** 9 }}",
    "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}", "{% raw %}",
    "{{ ''.__class__.__mro__ }}", "{{ a|attr('x') }}", "{% include 'x' %}", "{{ " + "(" * 300,
    "{{ " + "[" * 90 + "]" * 90, "{{ a is divisibleby 0 }}", "{{ 1 // 0 }}", "{% set x = 1 %}",
    "{#",
)  # fmt: skip
NAMES = ("default", "fuzz", "rows", "data", "qa", "a", ".", "..", "a/b", "/", " ", "%", "_", "é")
WORDS = (
    "", "\0", "a\0b", "\n", "\ufeff", "\U0010ffff", "\u202e", "'", '"', "\\", "%s", "%_\\", "';--",
    "null", "-1", "1e999", "NaN", "true", "k=v", "=", "a=b=c", '"=1', "******", "env:NO_SUCH",
    "env:PATH", "file:/etc/passwd", "x" * 256, "é" * 255, "custom", "similarity_metrics", "data",
    "chat-completion", "completion", "string-check", "number-check", "bleu", "rouge", "f1", "em",
    "accuracy", "tool-calling", "created_at", "-created_at", "updated_at", "name", "-name", "*",
    "2020-01-01", "2020-01-01T00:00:00+00:00", "9999-12-31T23:59:59", "0000-00-00", "eval-1",
    "2020-01-01T00:00:00+99:99", "0001-01-01T00:00:00+23:00",
)  # fmt: skip
URLS = (
    "hf://datasets/fuzz/rows", "hf://datasets/../..", "hf://datasets/a", "hf://", "file://squad/",
    "file:///etc/passwd", "/etc/passwd", "../x", "http://127.0.0.1:9/v1", "http://[::1", "http://",
    "http://127.0.0.1:99999", "https://u:p@127.0.0.1:9", "ftp://x", "//", "http://169.254.169.254/",
)  # fmt: skip

TEXTS = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(WORDS),
    st.sampled_from(TEMPLATES),
    st.sampled_from(URLS),
    st.text(max_size=20),
    st.integers(1, 5).map(lambda n: "long " * 10**n),
)
PLAUSIBLE = {
    "name": st.sampled_from(NAMES),
    "namespace": st.sampled_from(NAMES),
    "files_url": st.sampled_from(URLS),
    "url": st.sampled_from(URLS),
}
NUMBERS = st.one_of(
    st.sampled_from((0, 1, -1, 2, 10, 100, 1000, 1001, 2**31 - 1, -(2**31))),
    st.integers(-(2**31), 2**31 - 1),
)
DOUBLES = st.one_of(st.sampled_from((0.0, -0.0, 0.5, 1.0, 2.0, 2.0**53 + 2, 1e308)), st.floats())
SECONDS = st.one_of(
    st.sampled_from((0, -62135596801, 253402300800, 2**63 - 1, -(2**63))),
    st.integers(-(2**63), 2**63 - 1),
)


def requests(methods: Sequence[Method], known: Known) -> st.SearchStrategy[tuple[Method, Message]]:
    """Requests of some methods, a method with each: right ones that were altered, and ones that are
    drawn from their descriptor alone."""
    chosen = st.sampled_from(list(methods))
    right = {method: st.sampled_from(seeds(method)) for method in methods}
    alterations = st.sampled_from((0, 0, 1, 1, 2, 3))

    @st.composite
    def drawn(draw: Draw) -> tuple[Method, Message]:
        method = draw(chosen)
        request = method.request()
        if draw(OFTEN):
            request.CopyFrom(draw(right[method]))
            address(draw, method, request, known)
            for _ in range(draw(alterations)):
                alter(draw, request)
        else:
            fill(draw, request)
            if draw(OFTEN):
                address(draw, method, request, known)
        assume(can_be_sent(request))
        return method, request

    return drawn()


def can_be_sent(message: Message) -> bool:
    """Whether a message is no deeper than clients can write."""
    try:
        message.SerializeToString()
    except EncodeError:
        return False
    return True


def address(draw: Draw, method: Method, request: Message, known: Known) -> None:
    """Points a request, and the job and result in it, at entities that exist."""
    of_kind = method.takes.full_name.rpartition(".")[2].removesuffix("Request")
    for field in method.takes.fields:
        name, number = field.name, draw(ANY_NUMBER)
        if name.endswith("job_id") and (job := known.pick("Job", number)):
            setattr(request, name, job.id)
        elif name == "result_id" and (result := known.pick("Result", number)):
            request.result_id = result.id
        elif name == "name" and (named := known.pick(of_kind[-6:], number)):
            request.namespace, request.name = named.namespace, named.name
        elif name == "result" and (job := known.pick("Job", number)):
            request.result.job = job.id
        elif name == "page_token" and draw(OFTEN) and (page := known.page(method, number)):
            request.CopyFrom(page)
        elif name == "job" and draw(SELDOM):
            for kind, part in (("Target", "target"), ("Config", "config")):
                if named := known.pick(kind, number):
                    setattr(request.job, part, f"{named.namespace}/{named.name}")


def alter(draw: Draw, message: Message, depth: int = 0) -> None:
    """Changes one field of a message, or of one inside it."""
    if not message.DESCRIPTOR.fields:
        return
    field = draw(fields(message.DESCRIPTOR))
    inner = value_of(field).message_type
    if inner is None or not is_ours(inner) or depth == DEPTH or not draw(OFTEN):
        put(draw, message, field, depth)
    else:
        alter(draw, inside(draw, message, field), depth + 1)


def fill(draw: Draw, message: Message, depth: int = 0) -> None:
    """Sets some fields of a message."""
    match message:
        case struct_pb2.Struct():
            for key, value in draw(OBJECTS).items():
                write(value, message.fields[key])
        case struct_pb2.Value():
            write(draw(VALUES), message)
        case timestamp_pb2.Timestamp():
            message.seconds, message.nanos = draw(SECONDS), draw(NUMBERS)
        case field_mask_pb2.FieldMask():
            message.paths.extend(draw(PATHS))
        case _:
            for field in draw(several_fields(message.DESCRIPTOR, max(1, DEPTH - depth))):
                put(draw, message, field, depth)


def put(draw: Draw, message: Message, field: FieldDescriptor, depth: int) -> None:
    """Sets one field to anything that its type allows, or takes it away."""
    of = value_of(field)
    if of.message_type is not None:
        if depth < DEPTH:
            fill(draw, inside(draw, message, field), depth + 1)
    elif is_map(field):
        getattr(message, field.name)[draw(TEXTS)] = draw(scalars(of))
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(several_scalars(field)))
    elif draw(SELDOM):
        message.ClearField(field.name)
    else:
        setattr(message, field.name, draw(scalars(field)))


def inside(draw: Draw, message: Message, field: FieldDescriptor) -> Message:
    """The message in a field; of a map one that is there or a new one, of a list a new one."""
    if is_map(field):
        return getattr(message, field.name)[draw(MAP_KEYS)]
    if field.is_repeated:
        return getattr(message, field.name).add()
    getattr(message, field.name).SetInParent()
    return getattr(message, field.name)


@cache
def fields(message: Descriptor) -> st.SearchStrategy[FieldDescriptor]:
    """Fields of a message."""
    return st.sampled_from(list(message.fields))


@cache
def several_fields(message: Descriptor, most: int) -> st.SearchStrategy[list[FieldDescriptor]]:
    return st.lists(fields(message), max_size=most) if message.fields else st.just([])


@cache
def several_scalars(field: FieldDescriptor) -> st.SearchStrategy[list[Any]]:
    return st.lists(scalars(field), max_size=3)


@cache
def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Values of a field that holds no message."""
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return PLAUSIBLE.get(field.name, TEXTS) | TEXTS
        case FieldDescriptor.CPPTYPE_BOOL:
            return st.booleans()
        case FieldDescriptor.CPPTYPE_DOUBLE:
            return DOUBLES
        case FieldDescriptor.CPPTYPE_ENUM:
            return st.sampled_from(sorted(field.enum_type.values_by_number)) | NUMBERS
    return NUMBERS


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_ours(message: Descriptor) -> bool:
    return message.full_name.startswith("evaluation.")


def value_of(field: FieldDescriptor) -> FieldDescriptor:
    """A field itself, or what a map maps to."""
    return field.message_type.fields_by_name["value"] if is_map(field) else field


def write(value: Any, into: struct_pb2.Value) -> None:
    """Makes a Value hold plain data; `...` is one that holds nothing."""
    match value:
        case types.EllipsisType():
            into.Clear()
        case None:
            into.null_value = struct_pb2.NULL_VALUE
        case bool():
            into.bool_value = value
        case float():
            into.number_value = value
        case str():
            into.string_value = value
        case list():
            into.list_value.SetInParent()
            for entry in value:
                write(entry, into.list_value.values.add())
        case dict():
            into.struct_value.SetInParent()
            for key, entry in value.items():
                write(entry, into.struct_value.fields[key])


def nested(depth: int) -> Any:
    """A list in an object in a list, and so on."""
    value: Any = 1.0
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


MAP_KEYS = st.sampled_from(("qa", "check", "f1")) | TEXTS
KEYS = st.sampled_from(("a", "n", "k", "check", "params", "template", "api_key", "extra")) | TEXTS
PLAIN = st.recursive(
    st.none() | st.booleans() | DOUBLES | TEXTS | st.just(...),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
# Messages may be 100 deep, and each level of data is two or three of that.
DEEP = st.integers(1, 40).map(nested)
VALUES = PLAIN | PLAIN | PLAIN | DEEP
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
PATHS = st.lists(
    st.sampled_from(("description", "name", "namespace", "tasks", "rows", "type", "params", "job"))
    | st.sampled_from(("*", "", "id", "custom_fields", "custom_fields.a", "no_such", "tasks.qa"))
    | TEXTS,
    max_size=3,
)
