from evaluation.v1 import page_pb2 as _page_pb2
from evaluation.v1 import rest_pb2 as _rest_pb2
from evaluation.v1 import target_pb2 as _target_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateTargetRequest(_message.Message):
    __slots__ = ("target", "request_id", "validate_only")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    target: _target_pb2.Target
    request_id: str
    validate_only: bool
    def __init__(self, target: _Optional[_Union[_target_pb2.Target, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ListTargetsRequest(_message.Message):
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
    filter: TargetFilter
    search: TargetSearch
    page_token: str
    def __init__(self, page: _Optional[int] = ..., page_size: _Optional[int] = ..., sort: _Optional[str] = ..., filter: _Optional[_Union[TargetFilter, _Mapping]] = ..., search: _Optional[_Union[TargetSearch, _Mapping]] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTargetsResponse(_message.Message):
    __slots__ = ("object", "data", "pagination", "sort", "filter", "search", "next_page_token")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PAGINATION_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    object: str
    data: _containers.RepeatedCompositeFieldContainer[_target_pb2.Target]
    pagination: _page_pb2.Pagination
    sort: str
    filter: TargetFilter
    search: TargetSearch
    next_page_token: str
    def __init__(self, object: _Optional[str] = ..., data: _Optional[_Iterable[_Union[_target_pb2.Target, _Mapping]]] = ..., pagination: _Optional[_Union[_page_pb2.Pagination, _Mapping]] = ..., sort: _Optional[str] = ..., filter: _Optional[_Union[TargetFilter, _Mapping]] = ..., search: _Optional[_Union[TargetSearch, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class TargetFilter(_message.Message):
    __slots__ = ("namespace", "name", "project", "type", "model", "created_at", "inline_created_at", "custom_fields")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    INLINE_CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELDS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    project: str
    type: _target_pb2.TargetType
    model: str
    created_at: str
    inline_created_at: _page_pb2.DateTimeFilter
    custom_fields: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., project: _Optional[str] = ..., type: _Optional[_Union[_target_pb2.TargetType, str]] = ..., model: _Optional[str] = ..., created_at: _Optional[str] = ..., inline_created_at: _Optional[_Union[_page_pb2.DateTimeFilter, _Mapping]] = ..., custom_fields: _Optional[_Iterable[str]] = ...) -> None: ...

class TargetSearch(_message.Message):
    __slots__ = ("id", "name", "namespace", "type", "model", "dataset", "description", "project", "rows", "rag", "retriever", "cached_outputs", "custom_fields", "ownership", "created_at", "updated_at", "rag_members", "retriever_members", "cached_outputs_members", "ownership_members")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    RAG_FIELD_NUMBER: _ClassVar[int]
    RETRIEVER_FIELD_NUMBER: _ClassVar[int]
    CACHED_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELDS_FIELD_NUMBER: _ClassVar[int]
    OWNERSHIP_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    RAG_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    RETRIEVER_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    CACHED_OUTPUTS_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    OWNERSHIP_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    id: _containers.RepeatedScalarFieldContainer[str]
    name: _containers.RepeatedScalarFieldContainer[str]
    namespace: _containers.RepeatedScalarFieldContainer[str]
    type: _containers.RepeatedScalarFieldContainer[str]
    model: _containers.RepeatedScalarFieldContainer[str]
    dataset: _containers.RepeatedScalarFieldContainer[str]
    description: _containers.RepeatedScalarFieldContainer[str]
    project: _containers.RepeatedScalarFieldContainer[str]
    rows: _containers.RepeatedScalarFieldContainer[str]
    rag: _containers.RepeatedScalarFieldContainer[str]
    retriever: _containers.RepeatedScalarFieldContainer[str]
    cached_outputs: _containers.RepeatedScalarFieldContainer[str]
    custom_fields: _containers.RepeatedScalarFieldContainer[str]
    ownership: _containers.RepeatedScalarFieldContainer[str]
    created_at: _page_pb2.DateRange
    updated_at: _page_pb2.DateRange
    rag_members: _containers.RepeatedScalarFieldContainer[str]
    retriever_members: _containers.RepeatedScalarFieldContainer[str]
    cached_outputs_members: _containers.RepeatedScalarFieldContainer[str]
    ownership_members: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[_Iterable[str]] = ..., name: _Optional[_Iterable[str]] = ..., namespace: _Optional[_Iterable[str]] = ..., type: _Optional[_Iterable[str]] = ..., model: _Optional[_Iterable[str]] = ..., dataset: _Optional[_Iterable[str]] = ..., description: _Optional[_Iterable[str]] = ..., project: _Optional[_Iterable[str]] = ..., rows: _Optional[_Iterable[str]] = ..., rag: _Optional[_Iterable[str]] = ..., retriever: _Optional[_Iterable[str]] = ..., cached_outputs: _Optional[_Iterable[str]] = ..., custom_fields: _Optional[_Iterable[str]] = ..., ownership: _Optional[_Iterable[str]] = ..., created_at: _Optional[_Union[_page_pb2.DateRange, _Mapping]] = ..., updated_at: _Optional[_Union[_page_pb2.DateRange, _Mapping]] = ..., rag_members: _Optional[_Iterable[str]] = ..., retriever_members: _Optional[_Iterable[str]] = ..., cached_outputs_members: _Optional[_Iterable[str]] = ..., ownership_members: _Optional[_Iterable[str]] = ...) -> None: ...

class GetTargetRequest(_message.Message):
    __slots__ = ("namespace", "name")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class UpdateTargetRequest(_message.Message):
    __slots__ = ("namespace", "name", "target", "update_mask")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    target: _target_pb2.Target
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., target: _Optional[_Union[_target_pb2.Target, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class DeleteTargetRequest(_message.Message):
    __slots__ = ("namespace", "name")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...
