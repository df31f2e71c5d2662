"""Turns the REST schema and the comments of the protos into an OpenAPI 3.1 document."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from rest_schema import Schema, read_schema

INT32 = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
KINDS: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": INT32,
    "double": {"type": "number", "format": "double"},
    "timestamp": {"type": "string", "description": "ISO 8601 in UTC, written without a zone."},
    "struct": {"type": "object", "additionalProperties": True},
    "list": {"type": "array", "items": {}},
    "value": {},
}

ERRORS = {
    "400": "The request contradicts itself, or is no HTTP.",
    "401": "A token is missing, unknown, revoked or expired.",
    "403": "The token's role or namespaces are not enough.",
    "404": "There is no such entity.",
    "405": "The path has other methods.",
    "409": "The name is taken, or something else stands in the way.",
    "413": "The body is too large.",
    "415": "The body is not said to be JSON.",
    "422": "The request is wrong: `detail` names the fields.",
    "429": "Too much at once; try again after `Retry-After` seconds.",
    "503": "The server cannot do it now; try again later.",
    "504": "It took too long.",
}

PROBLEM = {
    "type": "object",
    "properties": {
        "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
        "msg": {"type": "string"},
        "type": {"type": "string"},
    },
    "required": ["loc", "msg", "type"],
}
ERROR = {
    "type": "object",
    "description": "What went wrong.",
    "properties": {
        "detail": {"oneOf": [{"type": "string"}, {"type": "array", "items": PROBLEM}]},
        "code": {"type": "integer", "description": "The gRPC status code."},
        "message": {"type": "string"},
        "details": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["detail"],
}

FILE_ANSWER = "google.api.HttpBody"
EMPTY_ANSWER = "google.protobuf.Empty"

Document = dict[str, Any]


class OpenApi:
    """Makes the document. `comments` are by full name."""

    def __init__(self, schema: Schema, comments: dict[str, str]) -> None:
        self.schema = schema
        self.comments = comments
        self.schemas: dict[str, Document] = {"Error": ERROR}

    def document(self, title: str, description: str) -> Document:
        """The whole document."""
        paths: dict[str, Document] = {}
        for method in self.schema.methods:
            path = "/" + "/".join(method["path"])
            paths.setdefault(path, {})[method["verb"].lower()] = self.operation(method)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": title,
                "description": description,
                "version": "1",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "security": [{}, {"token": []}],
            "tags": [
                {"name": tag, "description": self.comments[full_name]}
                for tag, full_name in self.services()
            ],
            "paths": dict(sorted(paths.items())),
            "components": {
                "schemas": dict(sorted(self.schemas.items())),
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
        }

    def services(self) -> list[tuple[str, str]]:
        """Each service's tag and full name."""
        names = {method["name"].rpartition(".")[0] for method in self.schema.methods}
        return sorted((name.rpartition(".")[2].removesuffix("Service"), name) for name in names)

    def operation(self, method: Document) -> Document:
        """One method."""
        service, _, name = method["name"].rpartition(".")
        comment = self.comments[method["name"]]
        operation: Document = {
            "operationId": name,
            "summary": comment.partition(". ")[0].rstrip("."),
            "description": comment,
            "tags": [service.rpartition(".")[2].removesuffix("Service")],
            "parameters": list(self.parameters(method)),
        }
        if method["body"]:
            operation["requestBody"] = self.body(method)
        operation["responses"] = self.responses(method)
        return operation

    def parameters(self, method: Document) -> Iterator[Document]:
        """What the path, the query and the headers hold."""
        for field in self.fields(method["request"]):
            name = field["name"]
            described = self.described(field)
            if name in method["bound"]:
                schema = {"type": "string", "minLength": 1}
                yield {"name": name, "in": "path", "required": True, "schema": schema, **described}
            elif method["body"] not in ("*", name):
                yield from self.query(field, field["name"])
                if name == "request_id":
                    header = {"name": "Idempotency-Key", "in": "header", **described}
                    yield {**header, "schema": {"type": "string", "maxLength": 255}}

    def query(self, field: Document, path: str) -> Iterator[Document]:
        """The parameters of a field: itself, or those of the message that it holds, in brackets."""
        parameter = {"name": path, "in": "query", **self.described(field)}
        if field.get("members"):
            pass  # its names are the user's own, and OpenAPI has one parameter of a name
        elif field["pairs"]:
            pairs = {"type": "object", "additionalProperties": {"type": "string"}}
            yield {**parameter, "style": "deepObject", "explode": True, "schema": pairs}
        elif field["repeated"]:
            items = {"type": "array", "items": self.value(field)}
            yield {**parameter, "style": "form", "explode": False, "schema": items}
        elif field["kind"] != "message":
            yield {**parameter, "schema": {**self.value(field), **bounds(parameter)}}
        else:
            for inner in self.fields(field["type"]):
                yield from self.query(inner, f"{path}[{inner.get('rest', inner['name'])}]")

    def body(self, method: Document) -> Document:
        """The request body. An update's has nothing that must be given."""
        if method["body"] == "*":
            inline = self.message(method["request"], without=method["bound"])
            return {"content": {"application/json": {"schema": inline}}}
        field = next(f for f in self.fields(method["request"]) if f["name"] == method["body"])
        update = method["verb"] == "PATCH"
        schema = self.reference(field["type"], update=update)
        return {"required": True, "content": {"application/json": {"schema": schema}}}

    def responses(self, method: Document) -> Document:
        """The answer and the errors of a method."""
        if method["response"] == FILE_ANSWER:
            content = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
        elif method["response"] == EMPTY_ANSWER:
            content = {"application/json": {"schema": {"type": "object"}}}
        else:
            kind = "application/x-ndjson" if method["stream"] else "application/json"
            content = {kind: {"schema": self.reference(method["response"])}}
        success = "201" if method["creates"] else "200"
        error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        return {
            success: {"description": "Done.", "content": content},
            **{code: {"description": said, "content": error} for code, said in ERRORS.items()},
        }

    def fields(self, message: str) -> list[Document]:
        """The fields of a message that REST knows, with the message's name."""
        fields = self.schema.messages[message]["fields"]
        return [{**field, "of": message} for field in fields if not field["grpc_only"]]

    def reference(self, message: str, *, update: bool = False) -> Document:
        """A reference to a message's schema, which is made if it is not there yet."""
        name = message.rpartition(".")[2] + ("Update" if update else "")
        if name not in self.schemas:
            self.schemas[name] = {}
            self.schemas[name] = self.message(message, update=update)
        return {"$ref": f"#/components/schemas/{name}"}

    def message(
        self, message: str, *, update: bool = False, without: Iterable[str] = ()
    ) -> Document:
        """The schema of a message."""
        properties: dict[str, Document] = {}
        required = []
        for field in self.fields(message):
            key = field.get("rest", field["name"])
            if field["name"] in without:
                continue
            comment = self.comments.get(f"{message}.{field['name']}", "")
            either = self.comments.get(f"{message}.{field['oneof']}", "")
            if not update and "Required." in (comment[:9], either[:9]):
                required.append(key)
            schema = self.property(field)
            if key in properties:  # a text or texts, or an object
                schema = {"oneOf": [properties[key].pop("oneOf")[0], schema.pop("oneOf")[0]]}
                schema["oneOf"].append({"type": "null"})
                comment = either or comment
            properties[key] = {**schema, **described(comment)}
        found: Document = {"type": "object", **described(self.comments.get(message, ""))}
        found |= {"properties": properties, "additionalProperties": False}
        return found | ({"required": sorted(set(required))} if required else {})

    def property(self, field: Document) -> Document:
        """The schema of a field's value; null stands for unset."""
        one = self.value(field)
        if field.get("members"):
            one = {"type": "object", "additionalProperties": True}
        elif field["pairs"]:
            one = {"type": "object", "additionalProperties": {"type": "string"}}
        elif field["repeated"]:
            one = {"type": "array", "items": one}
        elif field["map"]:
            one = {"type": "object", "additionalProperties": one}
        else:
            one = {**one, **bounds(self.described(field))}
        return {"oneOf": [one, {"type": "null"}]} if one else {}

    def value(self, field: Document) -> Document:
        """The schema of one value."""
        if field["kind"] == "enum":
            _, *names = self.schema.enums[field["type"]]
            return {"type": "string", "enum": [rest for _, rest in names]}
        if field["kind"] == "message":
            return self.reference(field["type"])
        return dict(KINDS[field["kind"]])

    def described(self, field: Document) -> Document:
        """What the comment of a field says."""
        return described(self.comments.get(f"{field['of']}.{field['name']}", ""))


def described(comment: str) -> Document:
    """A comment as OpenAPI says it."""
    read_only = {"readOnly": True} if comment.startswith("Output only.") else {}
    return {"description": comment, **read_only} if comment else {}


def bounds(described: Document) -> Document:
    """The range that a description names, as in `1 to 1000` or `from 1`."""
    comment = described.get("description", "")
    if found := re.search(r"(-?\d+) to (-?\d+)\b", comment):
        return {"minimum": int(found[1]), "maximum": int(found[2])}
    if found := re.search(r"\bfrom (\d+)\b", comment):
        return {"minimum": int(found[1])}
    return {}


def read_comments(files: FileDescriptorSet) -> dict[str, str]:
    """The comment of everything that has one, by full name."""
    members = {
        4: ("message_type", {2: ("field", {}), 8: ("oneof_decl", {})}),
        6: ("service", {2: ("method", {})}),
    }
    comments = {}
    for file in files.file:
        for location in file.source_code_info.location:
            holder, names, known = file, [file.package], members
            for kind, index in zip(location.path[::2], location.path[1::2], strict=False):
                if kind not in known:
                    break
                member, known = known[kind]
                holder = getattr(holder, member)[index]
                names.append(holder.name)
            else:
                if len(location.path) % 2 == 0 and location.leading_comments:
                    text = " ".join(location.leading_comments.split())
                    comments[".".join(names)] = text
    return comments


def openapi(files: FileDescriptorSet, package: str) -> str:
    """The OpenAPI document of a package, from descriptors with source info."""
    document = OpenApi(read_schema(files, package), read_comments(files)).document(
        "evald",
        "A self-hosted evaluation service for models, retrievers, RAG pipelines and agents.",
    )
    return json.dumps(document, indent=1) + "\n"
