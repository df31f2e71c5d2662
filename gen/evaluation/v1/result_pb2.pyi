import datetime

from evaluation.v1 import ownership_pb2 as _ownership_pb2
from evaluation.v1 import rest_pb2 as _rest_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Result(_message.Message):
    __slots__ = ("id", "job", "namespace", "description", "project", "created_at", "updated_at", "custom_fields", "ownership", "files_url", "tasks", "groups")
    class TasksEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TaskResult
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TaskResult, _Mapping]] = ...) -> None: ...
    class GroupsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: GroupResult
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[GroupResult, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELDS_FIELD_NUMBER: _ClassVar[int]
    OWNERSHIP_FIELD_NUMBER: _ClassVar[int]
    FILES_URL_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    id: str
    job: str
    namespace: str
    description: str
    project: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    custom_fields: _struct_pb2.Struct
    ownership: _ownership_pb2.Ownership
    files_url: str
    tasks: _containers.MessageMap[str, TaskResult]
    groups: _containers.MessageMap[str, GroupResult]
    def __init__(self, id: _Optional[str] = ..., job: _Optional[str] = ..., namespace: _Optional[str] = ..., description: _Optional[str] = ..., project: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., custom_fields: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., ownership: _Optional[_Union[_ownership_pb2.Ownership, _Mapping]] = ..., files_url: _Optional[str] = ..., tasks: _Optional[_Mapping[str, TaskResult]] = ..., groups: _Optional[_Mapping[str, GroupResult]] = ...) -> None: ...

class TaskResult(_message.Message):
    __slots__ = ("metrics", "data")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: MetricResult
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[MetricResult, _Mapping]] = ...) -> None: ...
    METRICS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.MessageMap[str, MetricResult]
    data: _struct_pb2.Struct
    def __init__(self, metrics: _Optional[_Mapping[str, MetricResult]] = ..., data: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class GroupResult(_message.Message):
    __slots__ = ("metrics", "groups")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: MetricResult
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[MetricResult, _Mapping]] = ...) -> None: ...
    class GroupsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Struct
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
    METRICS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.MessageMap[str, MetricResult]
    groups: _containers.MessageMap[str, _struct_pb2.Struct]
    def __init__(self, metrics: _Optional[_Mapping[str, MetricResult]] = ..., groups: _Optional[_Mapping[str, _struct_pb2.Struct]] = ...) -> None: ...

class MetricResult(_message.Message):
    __slots__ = ("scores",)
    class ScoresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Score
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Score, _Mapping]] = ...) -> None: ...
    SCORES_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.MessageMap[str, Score]
    def __init__(self, scores: _Optional[_Mapping[str, Score]] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("value", "stats", "interval")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    value: float
    stats: ScoreStats
    interval: ConfidenceInterval
    def __init__(self, value: _Optional[float] = ..., stats: _Optional[_Union[ScoreStats, _Mapping]] = ..., interval: _Optional[_Union[ConfidenceInterval, _Mapping]] = ...) -> None: ...

class ConfidenceInterval(_message.Message):
    __slots__ = ("low", "high", "level", "method")
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    low: float
    high: float
    level: float
    method: str
    def __init__(self, low: _Optional[float] = ..., high: _Optional[float] = ..., level: _Optional[float] = ..., method: _Optional[str] = ...) -> None: ...

class ScoreStats(_message.Message):
    __slots__ = ("count", "sum", "mean", "min", "max", "sum_squared", "variance", "stddev", "stderr", "nan_count")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SUM_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    SUM_SQUARED_FIELD_NUMBER: _ClassVar[int]
    VARIANCE_FIELD_NUMBER: _ClassVar[int]
    STDDEV_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    NAN_COUNT_FIELD_NUMBER: _ClassVar[int]
    count: int
    sum: float
    mean: float
    min: float
    max: float
    sum_squared: float
    variance: float
    stddev: float
    stderr: float
    nan_count: int
    def __init__(self, count: _Optional[int] = ..., sum: _Optional[float] = ..., mean: _Optional[float] = ..., min: _Optional[float] = ..., max: _Optional[float] = ..., sum_squared: _Optional[float] = ..., variance: _Optional[float] = ..., stddev: _Optional[float] = ..., stderr: _Optional[float] = ..., nan_count: _Optional[int] = ...) -> None: ...
