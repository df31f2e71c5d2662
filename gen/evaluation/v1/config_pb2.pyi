import datetime

from evaluation.v1 import dataset_pb2 as _dataset_pb2
from evaluation.v1 import ownership_pb2 as _ownership_pb2
from evaluation.v1 import rest_pb2 as _rest_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Config(_message.Message):
    __slots__ = ("id", "name", "namespace", "description", "project", "created_at", "updated_at", "custom_fields", "ownership", "schema_version", "type_prefix", "type", "params", "tasks", "groups")
    class TasksEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TaskConfig
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TaskConfig, _Mapping]] = ...) -> None: ...
    class GroupsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: GroupConfig
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[GroupConfig, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELDS_FIELD_NUMBER: _ClassVar[int]
    OWNERSHIP_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    TYPE_PREFIX_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    namespace: str
    description: str
    project: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    custom_fields: _struct_pb2.Struct
    ownership: _ownership_pb2.Ownership
    schema_version: str
    type_prefix: str
    type: str
    params: EvaluationParams
    tasks: _containers.MessageMap[str, TaskConfig]
    groups: _containers.MessageMap[str, GroupConfig]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., namespace: _Optional[str] = ..., description: _Optional[str] = ..., project: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., custom_fields: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., ownership: _Optional[_Union[_ownership_pb2.Ownership, _Mapping]] = ..., schema_version: _Optional[str] = ..., type_prefix: _Optional[str] = ..., type: _Optional[str] = ..., params: _Optional[_Union[EvaluationParams, _Mapping]] = ..., tasks: _Optional[_Mapping[str, TaskConfig]] = ..., groups: _Optional[_Mapping[str, GroupConfig]] = ...) -> None: ...

class EvaluationParams(_message.Message):
    __slots__ = ("limit_samples", "parallelism", "max_retries", "request_timeout", "max_tokens", "temperature", "top_p", "stop", "extra", "gpus", "gpu_memory")
    LIMIT_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    MAX_RETRIES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    GPU_MEMORY_FIELD_NUMBER: _ClassVar[int]
    limit_samples: int
    parallelism: int
    max_retries: int
    request_timeout: int
    max_tokens: int
    temperature: float
    top_p: float
    stop: _containers.RepeatedScalarFieldContainer[str]
    extra: _struct_pb2.Struct
    gpus: int
    gpu_memory: float
    def __init__(self, limit_samples: _Optional[int] = ..., parallelism: _Optional[int] = ..., max_retries: _Optional[int] = ..., request_timeout: _Optional[int] = ..., max_tokens: _Optional[int] = ..., temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., stop: _Optional[_Iterable[str]] = ..., extra: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., gpus: _Optional[int] = ..., gpu_memory: _Optional[float] = ...) -> None: ...

class TaskConfig(_message.Message):
    __slots__ = ("type", "params", "dataset", "inline_dataset", "metrics")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: MetricConfig
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[MetricConfig, _Mapping]] = ...) -> None: ...
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    INLINE_DATASET_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    type: str
    params: _struct_pb2.Struct
    dataset: str
    inline_dataset: _dataset_pb2.Dataset
    metrics: _containers.MessageMap[str, MetricConfig]
    def __init__(self, type: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., dataset: _Optional[str] = ..., inline_dataset: _Optional[_Union[_dataset_pb2.Dataset, _Mapping]] = ..., metrics: _Optional[_Mapping[str, MetricConfig]] = ...) -> None: ...

class MetricConfig(_message.Message):
    __slots__ = ("type", "params")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    type: str
    params: _struct_pb2.Struct
    def __init__(self, type: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class GroupConfig(_message.Message):
    __slots__ = ("tasks", "groups", "metrics")
    class GroupsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Struct
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: MetricConfig
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[MetricConfig, _Mapping]] = ...) -> None: ...
    TASKS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedScalarFieldContainer[str]
    groups: _containers.MessageMap[str, _struct_pb2.Struct]
    metrics: _containers.MessageMap[str, MetricConfig]
    def __init__(self, tasks: _Optional[_Iterable[str]] = ..., groups: _Optional[_Mapping[str, _struct_pb2.Struct]] = ..., metrics: _Optional[_Mapping[str, MetricConfig]] = ...) -> None: ...
