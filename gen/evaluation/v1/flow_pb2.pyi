from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Flow(_message.Message):
    __slots__ = ("name", "description", "types", "more_types", "tasks", "metrics", "params", "missing", "scores", "extra")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    MORE_TYPES_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    types: _containers.RepeatedScalarFieldContainer[str]
    more_types: int
    tasks: _containers.RepeatedCompositeFieldContainer[FlowTask]
    metrics: _containers.RepeatedScalarFieldContainer[str]
    params: _struct_pb2.Struct
    missing: str
    scores: _containers.RepeatedScalarFieldContainer[str]
    extra: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., types: _Optional[_Iterable[str]] = ..., more_types: _Optional[int] = ..., tasks: _Optional[_Iterable[_Union[FlowTask, _Mapping]]] = ..., metrics: _Optional[_Iterable[str]] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., missing: _Optional[str] = ..., scores: _Optional[_Iterable[str]] = ..., extra: _Optional[str] = ...) -> None: ...

class FlowTask(_message.Message):
    __slots__ = ("type", "targets", "params")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    type: str
    targets: _containers.RepeatedScalarFieldContainer[str]
    params: _struct_pb2.Struct
    def __init__(self, type: _Optional[str] = ..., targets: _Optional[_Iterable[str]] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Metric(_message.Message):
    __slots__ = ("type", "description", "params")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    type: str
    description: str
    params: _struct_pb2.Struct
    def __init__(self, type: _Optional[str] = ..., description: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
