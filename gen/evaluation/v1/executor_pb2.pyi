import datetime

from evaluation.v1 import rest_pb2 as _rest_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Executor(_message.Message):
    __slots__ = ("servers", "devices", "leases", "queue", "queue_size")
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_SIZE_FIELD_NUMBER: _ClassVar[int]
    servers: _containers.RepeatedCompositeFieldContainer[Server]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    leases: _containers.RepeatedCompositeFieldContainer[Lease]
    queue: _containers.RepeatedCompositeFieldContainer[QueuedJob]
    queue_size: int
    def __init__(self, servers: _Optional[_Iterable[_Union[Server, _Mapping]]] = ..., devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ..., leases: _Optional[_Iterable[_Union[Lease, _Mapping]]] = ..., queue: _Optional[_Iterable[_Union[QueuedJob, _Mapping]]] = ..., queue_size: _Optional[int] = ...) -> None: ...

class Server(_message.Message):
    __slots__ = ("id", "host", "slots", "running", "gpu_sharing", "started_at", "seen_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    GPU_SHARING_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    SEEN_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    host: str
    slots: int
    running: int
    gpu_sharing: bool
    started_at: _timestamp_pb2.Timestamp
    seen_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., host: _Optional[str] = ..., slots: _Optional[int] = ..., running: _Optional[int] = ..., gpu_sharing: _Optional[bool] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., seen_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("server", "index", "id", "name", "memory", "free_memory", "idle", "simulated")
    SERVER_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    FREE_MEMORY_FIELD_NUMBER: _ClassVar[int]
    IDLE_FIELD_NUMBER: _ClassVar[int]
    SIMULATED_FIELD_NUMBER: _ClassVar[int]
    server: str
    index: int
    id: str
    name: str
    memory: float
    free_memory: float
    idle: bool
    simulated: bool
    def __init__(self, server: _Optional[str] = ..., index: _Optional[int] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., memory: _Optional[float] = ..., free_memory: _Optional[float] = ..., idle: _Optional[bool] = ..., simulated: _Optional[bool] = ...) -> None: ...

class Lease(_message.Message):
    __slots__ = ("job", "namespace", "server", "attempt", "devices", "gpus", "gpu_memory")
    JOB_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    GPU_MEMORY_FIELD_NUMBER: _ClassVar[int]
    job: str
    namespace: str
    server: str
    attempt: int
    devices: _containers.RepeatedScalarFieldContainer[str]
    gpus: int
    gpu_memory: float
    def __init__(self, job: _Optional[str] = ..., namespace: _Optional[str] = ..., server: _Optional[str] = ..., attempt: _Optional[int] = ..., devices: _Optional[_Iterable[str]] = ..., gpus: _Optional[int] = ..., gpu_memory: _Optional[float] = ...) -> None: ...

class QueuedJob(_message.Message):
    __slots__ = ("position", "job", "namespace", "priority", "created_at", "gpus", "gpu_memory", "reason")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    GPU_MEMORY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    position: int
    job: str
    namespace: str
    priority: int
    created_at: _timestamp_pb2.Timestamp
    gpus: int
    gpu_memory: float
    reason: str
    def __init__(self, position: _Optional[int] = ..., job: _Optional[str] = ..., namespace: _Optional[str] = ..., priority: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., gpus: _Optional[int] = ..., gpu_memory: _Optional[float] = ..., reason: _Optional[str] = ...) -> None: ...
