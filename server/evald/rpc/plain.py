"""Messages to documents and back: the one mapping between the contract and its plain form.

A document is what REST shows, as Python values: enum names in lower case without their prefix,
times as naive UTC with microseconds, unset fields left out, and a oneof of a string and a message
under one key, the string's. Everything is read off the descriptors; no resource is named here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from math import isfinite
from typing import Any, TypeVar

from google.protobuf import struct_pb2, timestamp_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from evald.domain.documents import EXACT
from evald.errors import InvalidArgument

M = TypeVar("M", bound=Message)

MAX_DEPTH = 28
"""Of free-form JSON, as in the gateway: readers of messages take little more."""


def to_document(message: Message) -> dict[str, Any]:
    """The document of a message. Empty lists and maps, and empty plain strings, are left out.

    Raises InvalidArgument when an enum holds a number that has no name, a text holds a NUL, or a
    number is not finite.
    """
    document: dict[str, Any] = {}
    for field, value in message.ListFields():
        key = _keys(message.DESCRIPTOR)[field.name]
        if _is_map(field):
            of = _values(field)
            document[key] = {_storable(k, key): _to_plain(of, v) for k, v in value.items()}
        elif field.is_repeated:
            document[key] = [_to_plain(field, v) for v in value]
        else:
            document[key] = _to_plain(field, value)
    return document


def check_texts(message: Message) -> None:
    """Raises InvalidArgument when a text of the message itself holds a NUL; those of messages in it
    are for `to_document`."""
    for field, value in message.ListFields():
        if isinstance(value, str):
            _storable(value, field.name)


def to_message(document: Mapping[str, Any], kind: type[M]) -> M:
    """The message of a document; keys that the message lacks are left out."""
    message = kind()
    _fill(message, document)
    return message


def mask_keys(mask: FieldMask, kind: type[Message]) -> frozenset[str] | None:
    """The document keys of a mask of top-level fields; None when it is empty, `*` is all of them.

    Raises InvalidArgument.
    """
    keys = _keys(kind.DESCRIPTOR)
    if "*" in mask.paths:
        return frozenset(keys.values())
    for path in mask.paths:
        if path not in keys:
            message = f"{path!r} is no field of {kind.DESCRIPTOR.name}"
            if path.partition(".")[0] in keys:
                message = f"{path!r} lies inside a field; name fields of the top"
            raise InvalidArgument.of("update_mask", message)
    return frozenset(keys[path] for path in mask.paths) or None


def _fill(message: Message, document: Mapping[str, Any]) -> None:
    fields = _fields(message.DESCRIPTOR)
    for key, value in document.items():
        if value is None or key not in fields:
            continue
        text, whole = fields[key]
        field = text if whole is None or (text is not None and isinstance(value, str)) else whole
        if field is None:
            continue
        if _is_map(field):
            of = _values(field)
            for name, entry in value.items():
                _put(message, field, of, entry, key=name)
        elif field.is_repeated:
            for entry in value:
                _put(message, field, field, entry, append=True)
        else:
            _put(message, field, field, value)


def _put(
    message: Message,
    field: FieldDescriptor,
    of: FieldDescriptor,
    value: Any,
    *,
    key: str | None = None,
    append: bool = False,
) -> None:
    """Sets one value of a field, or of its map under `key`, or at the end of its list."""
    holder: Any = getattr(message, field.name)
    if of.message_type is None:
        scalar = _enum_number(of.enum_type, value) if of.enum_type else value
        if key is not None:
            holder[key] = scalar
        elif append:
            holder.append(scalar)
        else:
            setattr(message, field.name, scalar)
        return
    into = holder[key] if key is not None else holder.add() if append else holder
    into.SetInParent()
    match into:
        case timestamp_pb2.Timestamp():
            moment = datetime.fromisoformat(value)
            into.FromDatetime(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)
        case struct_pb2.Struct():
            into.update(value)
        case struct_pb2.Value():
            into.CopyFrom(_value(value))
        case _:
            _fill(into, value)


def _to_plain(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None:
        return _enum_text(field.name, field.enum_type, value)
    match value:
        case timestamp_pb2.Timestamp():
            try:
                return value.ToDatetime().isoformat(timespec="microseconds")
            except ValueError as e:
                raise InvalidArgument.of(field.name, str(e)) from None
        case struct_pb2.Struct() | struct_pb2.Value() | struct_pb2.ListValue():
            return _plain_value(value, field.name)
        case Message():
            return to_document(value)
        case float():
            return _finite(value, field.name)
        case str():
            return _storable(value, field.name)
    return value


def _finite(number: float, field: str) -> float:
    """JSON has no other numbers, and databases that find one refuse the rows around it too."""
    if not isfinite(number):
        raise InvalidArgument.of(field, f"{number} is not a finite number")
    return number


def _storable(text: str, field: str) -> str:
    """Databases hold no NUL, and nobody means one."""
    if "\0" in text:
        raise InvalidArgument.of(field, "a text cannot hold the character U+0000")
    return text


def _plain_value(value: Any, field: str, depth: int = MAX_DEPTH) -> Any:
    """A Struct, Value or ListValue as Python values; whole numbers become ints again."""
    if depth < 0:
        raise InvalidArgument.of(field, f"it is nested more than {MAX_DEPTH} deep")
    match value:
        case struct_pb2.Struct():
            return {
                _storable(k, field): _plain_value(v, f"{field}.{k}", depth)
                for k, v in value.fields.items()
            }
        case struct_pb2.ListValue():
            return [_plain_value(v, field, depth) for v in value.values]
    kind = value.WhichOneof("kind")
    if kind in {"struct_value", "list_value"}:
        return _plain_value(getattr(value, kind), field, depth - 1)
    if kind == "number_value":
        number = _finite(value.number_value, field)
        return int(number) if number.is_integer() and abs(number) <= EXACT else number
    if kind == "string_value":
        return _storable(value.string_value, field)
    return None if kind in {"null_value", None} else getattr(value, kind)


def _value(plain: Any) -> struct_pb2.Value:
    holder = struct_pb2.ListValue()
    holder.extend([plain])
    return holder.values[0]


@cache
def _prefix(enum: EnumDescriptor) -> str:
    """`JOB_STATUS_` of the enum JobStatus: its zero value's name up to UNSPECIFIED."""
    return enum.values_by_number[0].name.removesuffix("UNSPECIFIED")


def _enum_text(field: str, enum: EnumDescriptor, number: int) -> str:
    if number not in enum.values_by_number:
        raise InvalidArgument.of(field, f"{number} is no {enum.name}")
    return enum.values_by_number[number].name.removeprefix(_prefix(enum)).lower()


def _enum_number(enum: EnumDescriptor, text: str) -> int:
    return enum.values_by_name[f"{_prefix(enum)}{text.upper()}"].number


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _values(field: FieldDescriptor) -> FieldDescriptor:
    """What a map field maps to."""
    assert field.message_type is not None
    return field.message_type.fields_by_name["value"]


def _pairs(descriptor: Descriptor) -> Iterable[tuple[FieldDescriptor, FieldDescriptor]]:
    """The oneofs of exactly a string and a message, in that order."""
    for oneof in descriptor.oneofs:
        members = sorted(oneof.fields, key=lambda f: f.message_type is not None)
        if len(members) == 2 and [m.message_type is None for m in members] == [True, False]:
            yield members[0], members[1]


@cache
def _keys(descriptor: Descriptor) -> dict[str, str]:
    """The document key of each field."""
    keys = {field.name: field.name for field in descriptor.fields}
    keys.update((whole.name, text.name) for text, whole in _pairs(descriptor))
    return keys


@cache
def _fields(
    descriptor: Descriptor,
) -> dict[str, tuple[FieldDescriptor | None, FieldDescriptor | None]]:
    """The fields behind each document key: the one for a string, and the one for anything else."""
    fields: dict[str, tuple[FieldDescriptor | None, FieldDescriptor | None]] = {
        field.name: (field, None) for field in descriptor.fields
    }
    for text, whole in _pairs(descriptor):
        del fields[whole.name]
        fields[text.name] = (text, whole)
    return fields
