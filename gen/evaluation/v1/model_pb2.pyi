import datetime

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

class ApiFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    API_FORMAT_UNSPECIFIED: _ClassVar[ApiFormat]
    API_FORMAT_NIM: _ClassVar[ApiFormat]
    API_FORMAT_OPENAI: _ClassVar[ApiFormat]
    API_FORMAT_LAMA_STACK: _ClassVar[ApiFormat]
API_FORMAT_UNSPECIFIED: ApiFormat
API_FORMAT_NIM: ApiFormat
API_FORMAT_OPENAI: ApiFormat
API_FORMAT_LAMA_STACK: ApiFormat

class Model(_message.Message):
    __slots__ = ("id", "name", "namespace", "description", "project", "created_at", "updated_at", "custom_fields", "ownership", "schema_version", "type_prefix", "api_endpoint", "prompt", "artifact", "base_model", "peft", "spec", "guardrails", "model_providers", "version_id", "version_tags")
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
    API_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    PEFT_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    GUARDRAILS_FIELD_NUMBER: _ClassVar[int]
    MODEL_PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_TAGS_FIELD_NUMBER: _ClassVar[int]
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
    api_endpoint: ApiEndpoint
    prompt: Prompt
    artifact: ModelArtifact
    base_model: _struct_pb2.Value
    peft: _struct_pb2.Struct
    spec: ModelSpec
    guardrails: _struct_pb2.Struct
    model_providers: _containers.RepeatedScalarFieldContainer[str]
    version_id: str
    version_tags: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Value]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., namespace: _Optional[str] = ..., description: _Optional[str] = ..., project: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., custom_fields: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., ownership: _Optional[_Union[_ownership_pb2.Ownership, _Mapping]] = ..., schema_version: _Optional[str] = ..., type_prefix: _Optional[str] = ..., api_endpoint: _Optional[_Union[ApiEndpoint, _Mapping]] = ..., prompt: _Optional[_Union[Prompt, _Mapping]] = ..., artifact: _Optional[_Union[ModelArtifact, _Mapping]] = ..., base_model: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., peft: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., spec: _Optional[_Union[ModelSpec, _Mapping]] = ..., guardrails: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., model_providers: _Optional[_Iterable[str]] = ..., version_id: _Optional[str] = ..., version_tags: _Optional[_Iterable[_Union[_struct_pb2.Value, _Mapping]]] = ...) -> None: ...

class ApiEndpoint(_message.Message):
    __slots__ = ("url", "model_id", "api_key", "format", "stream")
    URL_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    url: str
    model_id: str
    api_key: str
    format: ApiFormat
    stream: bool
    def __init__(self, url: _Optional[str] = ..., model_id: _Optional[str] = ..., api_key: _Optional[str] = ..., format: _Optional[_Union[ApiFormat, str]] = ..., stream: _Optional[bool] = ...) -> None: ...

class Prompt(_message.Message):
    __slots__ = ("system_prompt", "system_prompt_template", "icl_few_shot_examples", "inference_params", "reasoning_params")
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    ICL_FEW_SHOT_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_PARAMS_FIELD_NUMBER: _ClassVar[int]
    REASONING_PARAMS_FIELD_NUMBER: _ClassVar[int]
    system_prompt: str
    system_prompt_template: str
    icl_few_shot_examples: str
    inference_params: _struct_pb2.Struct
    reasoning_params: ReasoningParams
    def __init__(self, system_prompt: _Optional[str] = ..., system_prompt_template: _Optional[str] = ..., icl_few_shot_examples: _Optional[str] = ..., inference_params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., reasoning_params: _Optional[_Union[ReasoningParams, _Mapping]] = ...) -> None: ...

class ReasoningParams(_message.Message):
    __slots__ = ("effort", "end_token", "include_if_not_finished")
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    END_TOKEN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_IF_NOT_FINISHED_FIELD_NUMBER: _ClassVar[int]
    effort: str
    end_token: str
    include_if_not_finished: bool
    def __init__(self, effort: _Optional[str] = ..., end_token: _Optional[str] = ..., include_if_not_finished: _Optional[bool] = ...) -> None: ...

class ModelArtifact(_message.Message):
    __slots__ = ("files_url", "status", "backend_engine", "gpu_arch", "precision", "tensor_parallelism")
    FILES_URL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_ENGINE_FIELD_NUMBER: _ClassVar[int]
    GPU_ARCH_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    TENSOR_PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    files_url: str
    status: str
    backend_engine: str
    gpu_arch: str
    precision: str
    tensor_parallelism: int
    def __init__(self, files_url: _Optional[str] = ..., status: _Optional[str] = ..., backend_engine: _Optional[str] = ..., gpu_arch: _Optional[str] = ..., precision: _Optional[str] = ..., tensor_parallelism: _Optional[int] = ...) -> None: ...

class ModelSpec(_message.Message):
    __slots__ = ("context_size", "is_chat", "num_parameters", "num_virtual_tokens")
    CONTEXT_SIZE_FIELD_NUMBER: _ClassVar[int]
    IS_CHAT_FIELD_NUMBER: _ClassVar[int]
    NUM_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    NUM_VIRTUAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    context_size: int
    is_chat: bool
    num_parameters: float
    num_virtual_tokens: int
    def __init__(self, context_size: _Optional[int] = ..., is_chat: _Optional[bool] = ..., num_parameters: _Optional[float] = ..., num_virtual_tokens: _Optional[int] = ...) -> None: ...
