import datetime

from evaluation.v1 import dataset_pb2 as _dataset_pb2
from evaluation.v1 import model_pb2 as _model_pb2
from evaluation.v1 import ownership_pb2 as _ownership_pb2
from evaluation.v1 import rest_pb2 as _rest_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TargetType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TARGET_TYPE_UNSPECIFIED: _ClassVar[TargetType]
    TARGET_TYPE_MODEL: _ClassVar[TargetType]
    TARGET_TYPE_CACHED_OUTPUTS: _ClassVar[TargetType]
    TARGET_TYPE_RETRIEVER: _ClassVar[TargetType]
    TARGET_TYPE_RAG: _ClassVar[TargetType]
    TARGET_TYPE_ROWS: _ClassVar[TargetType]
    TARGET_TYPE_DATASET: _ClassVar[TargetType]
TARGET_TYPE_UNSPECIFIED: TargetType
TARGET_TYPE_MODEL: TargetType
TARGET_TYPE_CACHED_OUTPUTS: TargetType
TARGET_TYPE_RETRIEVER: TargetType
TARGET_TYPE_RAG: TargetType
TARGET_TYPE_ROWS: TargetType
TARGET_TYPE_DATASET: TargetType

class Target(_message.Message):
    __slots__ = ("id", "name", "namespace", "description", "project", "created_at", "updated_at", "custom_fields", "ownership", "schema_version", "type_prefix", "type", "model", "inline_model", "cached_outputs", "retriever", "rag", "rows", "dataset", "inline_dataset", "row_count")
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
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INLINE_MODEL_FIELD_NUMBER: _ClassVar[int]
    CACHED_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    RETRIEVER_FIELD_NUMBER: _ClassVar[int]
    RAG_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    INLINE_DATASET_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
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
    type: TargetType
    model: str
    inline_model: _model_pb2.Model
    cached_outputs: CachedOutputs
    retriever: Retriever
    rag: Rag
    rows: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    dataset: str
    inline_dataset: _dataset_pb2.Dataset
    row_count: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., namespace: _Optional[str] = ..., description: _Optional[str] = ..., project: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., custom_fields: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., ownership: _Optional[_Union[_ownership_pb2.Ownership, _Mapping]] = ..., schema_version: _Optional[str] = ..., type_prefix: _Optional[str] = ..., type: _Optional[_Union[TargetType, str]] = ..., model: _Optional[str] = ..., inline_model: _Optional[_Union[_model_pb2.Model, _Mapping]] = ..., cached_outputs: _Optional[_Union[CachedOutputs, _Mapping]] = ..., retriever: _Optional[_Union[Retriever, _Mapping]] = ..., rag: _Optional[_Union[Rag, _Mapping]] = ..., rows: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ..., dataset: _Optional[str] = ..., inline_dataset: _Optional[_Union[_dataset_pb2.Dataset, _Mapping]] = ..., row_count: _Optional[int] = ...) -> None: ...

class CachedOutputs(_message.Message):
    __slots__ = ("files_url",)
    FILES_URL_FIELD_NUMBER: _ClassVar[int]
    files_url: str
    def __init__(self, files_url: _Optional[str] = ...) -> None: ...

class Retriever(_message.Message):
    __slots__ = ("pipeline", "dataset", "inline_dataset", "cached_outputs")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    INLINE_DATASET_FIELD_NUMBER: _ClassVar[int]
    CACHED_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    pipeline: RetrieverPipeline
    dataset: str
    inline_dataset: _dataset_pb2.Dataset
    cached_outputs: CachedOutputs
    def __init__(self, pipeline: _Optional[_Union[RetrieverPipeline, _Mapping]] = ..., dataset: _Optional[str] = ..., inline_dataset: _Optional[_Union[_dataset_pb2.Dataset, _Mapping]] = ..., cached_outputs: _Optional[_Union[CachedOutputs, _Mapping]] = ...) -> None: ...

class RetrieverPipeline(_message.Message):
    __slots__ = ("query_embedding_model", "inline_query_embedding_model", "index_embedding_model", "inline_index_embedding_model", "reranker_model", "inline_reranker_model", "top_k")
    QUERY_EMBEDDING_MODEL_FIELD_NUMBER: _ClassVar[int]
    INLINE_QUERY_EMBEDDING_MODEL_FIELD_NUMBER: _ClassVar[int]
    INDEX_EMBEDDING_MODEL_FIELD_NUMBER: _ClassVar[int]
    INLINE_INDEX_EMBEDDING_MODEL_FIELD_NUMBER: _ClassVar[int]
    RERANKER_MODEL_FIELD_NUMBER: _ClassVar[int]
    INLINE_RERANKER_MODEL_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    query_embedding_model: str
    inline_query_embedding_model: _model_pb2.Model
    index_embedding_model: str
    inline_index_embedding_model: _model_pb2.Model
    reranker_model: str
    inline_reranker_model: _model_pb2.Model
    top_k: int
    def __init__(self, query_embedding_model: _Optional[str] = ..., inline_query_embedding_model: _Optional[_Union[_model_pb2.Model, _Mapping]] = ..., index_embedding_model: _Optional[str] = ..., inline_index_embedding_model: _Optional[_Union[_model_pb2.Model, _Mapping]] = ..., reranker_model: _Optional[str] = ..., inline_reranker_model: _Optional[_Union[_model_pb2.Model, _Mapping]] = ..., top_k: _Optional[int] = ...) -> None: ...

class Rag(_message.Message):
    __slots__ = ("pipeline", "dataset", "inline_dataset", "cached_outputs")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    INLINE_DATASET_FIELD_NUMBER: _ClassVar[int]
    CACHED_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    pipeline: RagPipeline
    dataset: str
    inline_dataset: _dataset_pb2.Dataset
    cached_outputs: CachedOutputs
    def __init__(self, pipeline: _Optional[_Union[RagPipeline, _Mapping]] = ..., dataset: _Optional[str] = ..., inline_dataset: _Optional[_Union[_dataset_pb2.Dataset, _Mapping]] = ..., cached_outputs: _Optional[_Union[CachedOutputs, _Mapping]] = ...) -> None: ...

class RagPipeline(_message.Message):
    __slots__ = ("retriever", "model", "inline_model", "context_ordering")
    RETRIEVER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INLINE_MODEL_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_ORDERING_FIELD_NUMBER: _ClassVar[int]
    retriever: Retriever
    model: str
    inline_model: _model_pb2.Model
    context_ordering: str
    def __init__(self, retriever: _Optional[_Union[Retriever, _Mapping]] = ..., model: _Optional[str] = ..., inline_model: _Optional[_Union[_model_pb2.Model, _Mapping]] = ..., context_ordering: _Optional[str] = ...) -> None: ...
