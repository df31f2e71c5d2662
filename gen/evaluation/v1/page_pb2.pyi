import datetime

from evaluation.v1 import rest_pb2 as _rest_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Pagination(_message.Message):
    __slots__ = ("page", "page_size", "current_page_size", "total_pages", "total_results")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_PAGES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_RESULTS_FIELD_NUMBER: _ClassVar[int]
    page: int
    page_size: int
    current_page_size: int
    total_pages: int
    total_results: int
    def __init__(self, page: _Optional[int] = ..., page_size: _Optional[int] = ..., current_page_size: _Optional[int] = ..., total_pages: _Optional[int] = ..., total_results: _Optional[int] = ...) -> None: ...

class DateTimeFilter(_message.Message):
    __slots__ = ("eq", "neq", "gt", "gte", "lt", "lte")
    EQ_FIELD_NUMBER: _ClassVar[int]
    NEQ_FIELD_NUMBER: _ClassVar[int]
    GT_FIELD_NUMBER: _ClassVar[int]
    GTE_FIELD_NUMBER: _ClassVar[int]
    LT_FIELD_NUMBER: _ClassVar[int]
    LTE_FIELD_NUMBER: _ClassVar[int]
    eq: str
    neq: str
    gt: str
    gte: str
    lt: str
    lte: str
    def __init__(self, eq: _Optional[str] = ..., neq: _Optional[str] = ..., gt: _Optional[str] = ..., gte: _Optional[str] = ..., lt: _Optional[str] = ..., lte: _Optional[str] = ...) -> None: ...

class DateRange(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: str
    end: str
    def __init__(self, start: _Optional[str] = ..., end: _Optional[str] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("message", "id", "deleted_at")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    DELETED_AT_FIELD_NUMBER: _ClassVar[int]
    message: str
    id: str
    deleted_at: _timestamp_pb2.Timestamp
    def __init__(self, message: _Optional[str] = ..., id: _Optional[str] = ..., deleted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
