from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Ownership(_message.Message):
    __slots__ = ("created_by", "updated_by", "access_policies")
    class AccessPoliciesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    UPDATED_BY_FIELD_NUMBER: _ClassVar[int]
    ACCESS_POLICIES_FIELD_NUMBER: _ClassVar[int]
    created_by: str
    updated_by: str
    access_policies: _containers.ScalarMap[str, str]
    def __init__(self, created_by: _Optional[str] = ..., updated_by: _Optional[str] = ..., access_policies: _Optional[_Mapping[str, str]] = ...) -> None: ...
