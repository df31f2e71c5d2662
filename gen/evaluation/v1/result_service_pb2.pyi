from evaluation.v1 import page_pb2 as _page_pb2
from evaluation.v1 import rest_pb2 as _rest_pb2
from evaluation.v1 import result_pb2 as _result_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateResultRequest(_message.Message):
    __slots__ = ("result", "request_id", "validate_only")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    result: _result_pb2.Result
    request_id: str
    validate_only: bool
    def __init__(self, result: _Optional[_Union[_result_pb2.Result, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ListResultsRequest(_message.Message):
    __slots__ = ("page", "page_size", "sort", "filter", "search", "page_token")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page: int
    page_size: int
    sort: str
    filter: ResultFilter
    search: ResultSearch
    page_token: str
    def __init__(self, page: _Optional[int] = ..., page_size: _Optional[int] = ..., sort: _Optional[str] = ..., filter: _Optional[_Union[ResultFilter, _Mapping]] = ..., search: _Optional[_Union[ResultSearch, _Mapping]] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListResultsResponse(_message.Message):
    __slots__ = ("object", "data", "pagination", "sort", "filter", "search", "next_page_token")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PAGINATION_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    object: str
    data: _containers.RepeatedCompositeFieldContainer[_result_pb2.Result]
    pagination: _page_pb2.Pagination
    sort: str
    filter: ResultFilter
    search: ResultSearch
    next_page_token: str
    def __init__(self, object: _Optional[str] = ..., data: _Optional[_Iterable[_Union[_result_pb2.Result, _Mapping]]] = ..., pagination: _Optional[_Union[_page_pb2.Pagination, _Mapping]] = ..., sort: _Optional[str] = ..., filter: _Optional[_Union[ResultFilter, _Mapping]] = ..., search: _Optional[_Union[ResultSearch, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ResultFilter(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class ResultSearch(_message.Message):
    __slots__ = ("id", "job", "tasks", "groups", "files_url", "description", "namespace", "project", "custom_fields", "ownership", "created_at", "updated_at", "tasks_members", "groups_members", "ownership_members")
    ID_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    FILES_URL_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELDS_FIELD_NUMBER: _ClassVar[int]
    OWNERSHIP_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    TASKS_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    OWNERSHIP_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    id: _containers.RepeatedScalarFieldContainer[str]
    job: _containers.RepeatedScalarFieldContainer[str]
    tasks: _containers.RepeatedScalarFieldContainer[str]
    groups: _containers.RepeatedScalarFieldContainer[str]
    files_url: _containers.RepeatedScalarFieldContainer[str]
    description: _containers.RepeatedScalarFieldContainer[str]
    namespace: _containers.RepeatedScalarFieldContainer[str]
    project: _containers.RepeatedScalarFieldContainer[str]
    custom_fields: _containers.RepeatedScalarFieldContainer[str]
    ownership: _containers.RepeatedScalarFieldContainer[str]
    created_at: _page_pb2.DateRange
    updated_at: _page_pb2.DateRange
    tasks_members: _containers.RepeatedScalarFieldContainer[str]
    groups_members: _containers.RepeatedScalarFieldContainer[str]
    ownership_members: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[_Iterable[str]] = ..., job: _Optional[_Iterable[str]] = ..., tasks: _Optional[_Iterable[str]] = ..., groups: _Optional[_Iterable[str]] = ..., files_url: _Optional[_Iterable[str]] = ..., description: _Optional[_Iterable[str]] = ..., namespace: _Optional[_Iterable[str]] = ..., project: _Optional[_Iterable[str]] = ..., custom_fields: _Optional[_Iterable[str]] = ..., ownership: _Optional[_Iterable[str]] = ..., created_at: _Optional[_Union[_page_pb2.DateRange, _Mapping]] = ..., updated_at: _Optional[_Union[_page_pb2.DateRange, _Mapping]] = ..., tasks_members: _Optional[_Iterable[str]] = ..., groups_members: _Optional[_Iterable[str]] = ..., ownership_members: _Optional[_Iterable[str]] = ...) -> None: ...

class GetResultRequest(_message.Message):
    __slots__ = ("result_id",)
    RESULT_ID_FIELD_NUMBER: _ClassVar[int]
    result_id: str
    def __init__(self, result_id: _Optional[str] = ...) -> None: ...

class UpdateResultRequest(_message.Message):
    __slots__ = ("result_id", "result", "update_mask")
    RESULT_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    result_id: str
    result: _result_pb2.Result
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, result_id: _Optional[str] = ..., result: _Optional[_Union[_result_pb2.Result, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class DeleteResultRequest(_message.Message):
    __slots__ = ("result_id",)
    RESULT_ID_FIELD_NUMBER: _ClassVar[int]
    result_id: str
    def __init__(self, result_id: _Optional[str] = ...) -> None: ...
