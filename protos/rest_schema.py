"""Turns descriptors into the Lua table that drives the gateway's REST dialect."""

import re
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

SCALARS = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "string",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_FLOAT: "double",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_SINT32: "int32",
    FieldDescriptor.TYPE_SFIXED32: "int32",
    FieldDescriptor.TYPE_STRING: "string",
}
# Messages that proto3 writes in JSON as something else than an object of their fields.
WELL_KNOWN = {
    "google.protobuf.FieldMask": "string",
    "google.protobuf.ListValue": "list",
    "google.protobuf.Struct": "struct",
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Value": "value",
}
STREAMED_BODY = "google.api.HttpBody"


class Options:
    """Reads custom options, which the pool's own classes know and the default ones do not."""

    def __init__(self, pool: DescriptorPool) -> None:
        self.pool = pool

    def read(self, descriptor: Any, kind: str, extension: str) -> Any:
        """The extension's value on a message, field or method."""
        options = GetMessageClass(self.pool.FindMessageTypeByName(f"google.protobuf.{kind}"))
        known = options.FromString(descriptor.GetOptions().SerializeToString())
        return known.Extensions[self.pool.FindExtensionByName(extension)]


class Schema:
    """Collects methods and every message and enum that they reach."""

    def __init__(self, pool: DescriptorPool, package: str) -> None:
        self.options = Options(pool)
        self.package = package
        self.methods: list[dict[str, Any]] = []
        self.messages: dict[str, dict[str, Any]] = {}
        self.enums: dict[str, list[list[str]]] = {}

    def add_method(self, method: MethodDescriptor) -> None:
        """Add a method that has a REST path."""
        rule = self.options.read(method, "MethodOptions", "google.api.http")
        verb = rule.WhichOneof("pattern")
        if verb is None:
            return
        path = getattr(rule, verb)
        self.message(method.input_type)
        self.message(method.output_type)
        self.methods.append(
            {
                "name": method.full_name,
                "verb": verb.upper(),
                "path": [segment for segment in path.split("/") if segment],
                "bound": re.findall(r"{(\w+)", path),
                "request": method.input_type.full_name,
                "body": rule.body,
                "response": method.output_type.full_name,
                "stream": method.server_streaming or method.output_type.full_name == STREAMED_BODY,
                "creates": verb == "post" and method.name.startswith("Create"),
            }
        )

    def message(self, message: Descriptor) -> None:
        """Add a message and what its fields refer to."""
        if message.full_name in self.messages or message.full_name in WELL_KNOWN:
            return
        ours = message.full_name.startswith(self.package + ".")
        options = self.options.read(message, "MessageOptions", f"{self.package}.rest_message")
        entry = {"nulls": ours and options.nulls, "fields": []}
        self.messages[message.full_name] = entry
        if ours:
            entry["fields"] = [self.field(field) for field in message.fields]

    def field(self, field: FieldDescriptor) -> dict[str, Any]:
        """One field, with the REST key that it shares with its oneof sibling, if any."""
        entry: dict[str, Any] = {"name": field.name, "rest": rest_key(field)}
        if entry["rest"] == field.name:
            del entry["rest"]
        oneof = field.containing_oneof
        entry["oneof"] = oneof.name if oneof is not None and len(oneof.fields) > 1 else ""
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        value = field.message_type.fields_by_name["value"] if is_map else field
        entry |= self.value(value)
        entry["map"] = is_map
        entry["repeated"] = field.is_repeated and not is_map
        entry["presence"] = field.has_presence
        rest = self.options.read(field, "FieldOptions", f"{self.package}.rest_field")
        names = self.options.pool.FindEnumTypeByName(f"{self.package}.RestUnset").values_by_number
        unset = names[rest.unset].name.removeprefix("REST_UNSET_").lower()
        entry["unset"] = "" if unset == "unspecified" else unset
        entry["empty_is_unset"] = rest.empty_is_unset
        entry["pairs"] = rest.pairs
        entry["grpc_only"] = rest.grpc_only
        if rest.members_of:
            entry |= {"rest": rest.members_of, "members": True}
        return entry

    def value(self, field: FieldDescriptor) -> dict[str, Any]:
        """What one value of the field is."""
        if field.type == FieldDescriptor.TYPE_ENUM:
            self.enum(field.enum_type)
            return {"kind": "enum", "type": field.enum_type.full_name}
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            if kind := WELL_KNOWN.get(field.message_type.full_name):
                return {"kind": kind}
            self.message(field.message_type)
            return {"kind": "message", "type": field.message_type.full_name}
        if field.type not in SCALARS:
            raise SystemExit(f"{field.full_name}: the REST dialect has no rule for its type")
        return {"kind": SCALARS[field.type]}

    def enum(self, enum: EnumDescriptor) -> None:
        """Names of an enum's values, as in the proto and as on REST: lower case, no prefix."""
        prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper() + "_"
        pairs = [[value.name, value.name.removeprefix(prefix).lower()] for value in enum.values]
        self.enums[enum.full_name] = pairs


def rest_key(field: FieldDescriptor) -> str:
    """A oneof of one string and one message is one REST key, named like the string."""
    oneof = field.containing_oneof
    if oneof is None or len(oneof.fields) != 2:
        return field.name
    strings = [other for other in oneof.fields if other.type == FieldDescriptor.TYPE_STRING]
    messages = [other for other in oneof.fields if other.type == FieldDescriptor.TYPE_MESSAGE]
    return strings[0].name if strings and messages else field.name


def lua_key(key: str) -> str:
    """Write a table's key."""
    return key if key.isidentifier() else f'["{key}"]'


def lua(value: Any, indent: str = "") -> str:
    """Write a value as a Lua expression. What is false or empty is left out of tables."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    deeper = indent + "  "
    if isinstance(value, dict):
        entries = {key: item for key, item in value.items() if item}
        lines = [f"{lua_key(key)} = {lua(item, deeper)}" for key, item in entries.items()]
    else:
        lines = [lua(item, deeper) for item in value]
    flat = "{" + ", ".join(lines) + "}"
    if "\n" not in flat and len(indent) + len(flat) <= 120:
        return flat
    return "{\n" + "".join(f"{deeper}{line},\n" for line in lines) + indent + "}"


def read_schema(files: FileDescriptorSet, package: str) -> Schema:
    """The REST surface of a package. Literal path segments come before variables."""
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
    schema = Schema(pool, package)
    for file in files.file:
        if file.package == package:
            services = pool.FindFileByName(file.name).services_by_name.values()
            for method in (method for service in services for method in service.methods):
                schema.add_method(method)
    # Literal segments win over variables, so that `jobs:compare` is not a job called so.
    schema.methods.sort(key=lambda method: [segment[0] == "{" for segment in method["path"]])
    return schema


def rest_schema(files: FileDescriptorSet, package: str) -> str:
    """The Lua module that describes the REST surface of a package."""
    schema = read_schema(files, package)
    for message in schema.messages.values():
        for field in message["fields"]:
            del field["oneof"]  # only a document for people tells of it
    body = lua({"methods": schema.methods, "messages": schema.messages, "enums": schema.enums})
    return f"-- Generated from protos/ by protos/generate.py; not edited.\nreturn {body}\n"
