from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RestUnset(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REST_UNSET_UNSPECIFIED: _ClassVar[RestUnset]
    REST_UNSET_OMIT: _ClassVar[RestUnset]
    REST_UNSET_NULL: _ClassVar[RestUnset]
REST_UNSET_UNSPECIFIED: RestUnset
REST_UNSET_OMIT: RestUnset
REST_UNSET_NULL: RestUnset
REST_MESSAGE_FIELD_NUMBER: _ClassVar[int]
rest_message: _descriptor.FieldDescriptor
REST_FIELD_FIELD_NUMBER: _ClassVar[int]
rest_field: _descriptor.FieldDescriptor

class RestMessage(_message.Message):
    __slots__ = ("nulls",)
    NULLS_FIELD_NUMBER: _ClassVar[int]
    nulls: bool
    def __init__(self, nulls: _Optional[bool] = ...) -> None: ...

class RestField(_message.Message):
    __slots__ = ("unset", "empty_is_unset", "pairs", "grpc_only", "members_of")
    UNSET_FIELD_NUMBER: _ClassVar[int]
    EMPTY_IS_UNSET_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    GRPC_ONLY_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_OF_FIELD_NUMBER: _ClassVar[int]
    unset: RestUnset
    empty_is_unset: bool
    pairs: bool
    grpc_only: bool
    members_of: str
    def __init__(self, unset: _Optional[_Union[RestUnset, str]] = ..., empty_is_unset: _Optional[bool] = ..., pairs: _Optional[bool] = ..., grpc_only: _Optional[bool] = ..., members_of: _Optional[str] = ...) -> None: ...
