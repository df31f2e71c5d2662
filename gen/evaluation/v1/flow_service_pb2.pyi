from evaluation.v1 import flow_pb2 as _flow_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListFlowsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListFlowsResponse(_message.Message):
    __slots__ = ("object", "data", "metrics")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    object: str
    data: _containers.RepeatedCompositeFieldContainer[_flow_pb2.Flow]
    metrics: _containers.RepeatedCompositeFieldContainer[_flow_pb2.Metric]
    def __init__(self, object: _Optional[str] = ..., data: _Optional[_Iterable[_Union[_flow_pb2.Flow, _Mapping]]] = ..., metrics: _Optional[_Iterable[_Union[_flow_pb2.Metric, _Mapping]]] = ...) -> None: ...
