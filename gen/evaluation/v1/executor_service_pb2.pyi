from evaluation.v1 import executor_pb2 as _executor_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class GetExecutorRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
