"""Every method that the server answers, read off the descriptors."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2

import evaluation.v1


@dataclass(frozen=True)
class Method:
    """One method: its path, what it takes and what it answers."""

    path: str
    takes: Descriptor
    answers: Descriptor
    streams: bool

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def is_ours(self) -> bool:
        """Whether it is evald's own, whose errors have evald's form."""
        return self.path.startswith("/evaluation.")

    def request(self, **fields: Any) -> Message:
        """A new request."""
        return GetMessageClass(self.takes)(**fields)

    def answer(self, data: bytes) -> Message:
        """The answer in some bytes."""
        return GetMessageClass(self.answers).FromString(data)


def contract() -> list[Method]:
    """The methods of evald's own services."""
    modules = pkgutil.iter_modules(evaluation.v1.__path__)
    names = sorted(module.name for module in modules if module.name.endswith("_service_pb2"))
    files = [import_module(f"evaluation.v1.{name}").DESCRIPTOR for name in names]
    return [method for file in files for method in of_file(file)]


def health() -> list[Method]:
    """The method of the standard health service that answers at once."""
    return [method for method in of_file(health_pb2.DESCRIPTOR) if method.name == "Check"]


def of_file(file: FileDescriptor) -> Iterator[Method]:
    for service in file.services_by_name.values():
        for method in service.methods:
            path = f"/{service.full_name}/{method.name}"
            yield Method(path, method.input_type, method.output_type, method.server_streaming)
