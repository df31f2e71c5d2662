import datetime

from evaluation.v1 import config_pb2 as _config_pb2
from evaluation.v1 import ownership_pb2 as _ownership_pb2
from evaluation.v1 import rest_pb2 as _rest_pb2
from evaluation.v1 import target_pb2 as _target_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATUS_UNSPECIFIED: _ClassVar[JobStatus]
    JOB_STATUS_CREATED: _ClassVar[JobStatus]
    JOB_STATUS_PENDING: _ClassVar[JobStatus]
    JOB_STATUS_RUNNING: _ClassVar[JobStatus]
    JOB_STATUS_CANCELLING: _ClassVar[JobStatus]
    JOB_STATUS_CANCELLED: _ClassVar[JobStatus]
    JOB_STATUS_FAILED: _ClassVar[JobStatus]
    JOB_STATUS_COMPLETED: _ClassVar[JobStatus]
    JOB_STATUS_READY: _ClassVar[JobStatus]
    JOB_STATUS_UNKNOWN: _ClassVar[JobStatus]

class TaskStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_STATUS_UNSPECIFIED: _ClassVar[TaskStatus]
    TASK_STATUS_PENDING: _ClassVar[TaskStatus]
    TASK_STATUS_RUNNING: _ClassVar[TaskStatus]
    TASK_STATUS_COMPLETED: _ClassVar[TaskStatus]
    TASK_STATUS_FAILED: _ClassVar[TaskStatus]

class JobEventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_EVENT_TYPE_UNSPECIFIED: _ClassVar[JobEventType]
    JOB_EVENT_TYPE_SNAPSHOT: _ClassVar[JobEventType]
    JOB_EVENT_TYPE_STATE: _ClassVar[JobEventType]
    JOB_EVENT_TYPE_PROGRESS: _ClassVar[JobEventType]
    JOB_EVENT_TYPE_HEARTBEAT: _ClassVar[JobEventType]
JOB_STATUS_UNSPECIFIED: JobStatus
JOB_STATUS_CREATED: JobStatus
JOB_STATUS_PENDING: JobStatus
JOB_STATUS_RUNNING: JobStatus
JOB_STATUS_CANCELLING: JobStatus
JOB_STATUS_CANCELLED: JobStatus
JOB_STATUS_FAILED: JobStatus
JOB_STATUS_COMPLETED: JobStatus
JOB_STATUS_READY: JobStatus
JOB_STATUS_UNKNOWN: JobStatus
TASK_STATUS_UNSPECIFIED: TaskStatus
TASK_STATUS_PENDING: TaskStatus
TASK_STATUS_RUNNING: TaskStatus
TASK_STATUS_COMPLETED: TaskStatus
TASK_STATUS_FAILED: TaskStatus
JOB_EVENT_TYPE_UNSPECIFIED: JobEventType
JOB_EVENT_TYPE_SNAPSHOT: JobEventType
JOB_EVENT_TYPE_STATE: JobEventType
JOB_EVENT_TYPE_PROGRESS: JobEventType
JOB_EVENT_TYPE_HEARTBEAT: JobEventType

class Job(_message.Message):
    __slots__ = ("id", "namespace", "description", "project", "created_at", "updated_at", "custom_fields", "ownership", "target", "inline_target", "config", "inline_config", "result", "output_files_url", "status", "status_details", "error", "state_history", "attempts", "max_runtime", "priority")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELDS_FIELD_NUMBER: _ClassVar[int]
    OWNERSHIP_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    INLINE_TARGET_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    INLINE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FILES_URL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_DETAILS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    STATE_HISTORY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    MAX_RUNTIME_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    id: str
    namespace: str
    description: str
    project: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    custom_fields: _struct_pb2.Struct
    ownership: _ownership_pb2.Ownership
    target: str
    inline_target: _target_pb2.Target
    config: str
    inline_config: _config_pb2.Config
    result: str
    output_files_url: str
    status: JobStatus
    status_details: JobStatusDetails
    error: JobError
    state_history: _containers.RepeatedCompositeFieldContainer[StateChange]
    attempts: int
    max_runtime: int
    priority: int
    def __init__(self, id: _Optional[str] = ..., namespace: _Optional[str] = ..., description: _Optional[str] = ..., project: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., custom_fields: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., ownership: _Optional[_Union[_ownership_pb2.Ownership, _Mapping]] = ..., target: _Optional[str] = ..., inline_target: _Optional[_Union[_target_pb2.Target, _Mapping]] = ..., config: _Optional[str] = ..., inline_config: _Optional[_Union[_config_pb2.Config, _Mapping]] = ..., result: _Optional[str] = ..., output_files_url: _Optional[str] = ..., status: _Optional[_Union[JobStatus, str]] = ..., status_details: _Optional[_Union[JobStatusDetails, _Mapping]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ..., state_history: _Optional[_Iterable[_Union[StateChange, _Mapping]]] = ..., attempts: _Optional[int] = ..., max_runtime: _Optional[int] = ..., priority: _Optional[int] = ...) -> None: ...

class JobStatusDetails(_message.Message):
    __slots__ = ("message", "task_status", "progress", "samples_processed", "status", "error")
    class TaskStatusEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TaskStatus
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TaskStatus, str]] = ...) -> None: ...
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TASK_STATUS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_PROCESSED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    message: str
    task_status: _containers.ScalarMap[str, TaskStatus]
    progress: float
    samples_processed: int
    status: JobStatus
    error: JobError
    def __init__(self, message: _Optional[str] = ..., task_status: _Optional[_Mapping[str, TaskStatus]] = ..., progress: _Optional[float] = ..., samples_processed: _Optional[int] = ..., status: _Optional[_Union[JobStatus, str]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ...) -> None: ...

class JobError(_message.Message):
    __slots__ = ("kind", "message", "task", "sample")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    message: str
    task: str
    sample: int
    def __init__(self, kind: _Optional[str] = ..., message: _Optional[str] = ..., task: _Optional[str] = ..., sample: _Optional[int] = ...) -> None: ...

class StateChange(_message.Message):
    __slots__ = ("status", "at", "attempt")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    status: JobStatus
    at: _timestamp_pb2.Timestamp
    attempt: int
    def __init__(self, status: _Optional[_Union[JobStatus, str]] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempt: _Optional[int] = ...) -> None: ...

class JobEvent(_message.Message):
    __slots__ = ("revision", "at", "status", "status_details", "type", "attempt", "error")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_DETAILS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    revision: int
    at: _timestamp_pb2.Timestamp
    status: JobStatus
    status_details: JobStatusDetails
    type: JobEventType
    attempt: int
    error: JobError
    def __init__(self, revision: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[_Union[JobStatus, str]] = ..., status_details: _Optional[_Union[JobStatusDetails, _Mapping]] = ..., type: _Optional[_Union[JobEventType, str]] = ..., attempt: _Optional[int] = ..., error: _Optional[_Union[JobError, _Mapping]] = ...) -> None: ...

class Sample(_message.Message):
    __slots__ = ("task", "index", "item", "sample", "metrics", "error")
    TASK_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    task: str
    index: int
    item: _struct_pb2.Struct
    sample: _struct_pb2.Struct
    metrics: _struct_pb2.Struct
    error: JobError
    def __init__(self, task: _Optional[str] = ..., index: _Optional[int] = ..., item: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., sample: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., metrics: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ...) -> None: ...
