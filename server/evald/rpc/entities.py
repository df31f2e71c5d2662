"""TargetService and ConfigService."""

from __future__ import annotations

from typing import Any

from evald.domain.entities import Entities
from evald.rpc.plain import mask_keys, to_document, to_message
from evald.rpc.reply import deleted, listing
from evald.rpc.size import Sizes
from evaluation.v1 import (
    config_pb2,
    config_service_pb2,
    config_service_pb2_grpc,
    page_pb2,
    target_pb2,
    target_service_pb2,
    target_service_pb2_grpc,
)


class TargetServicer(target_service_pb2_grpc.TargetServiceServicer):
    """Keeps targets."""

    def __init__(self, targets: Entities, sizes: Sizes) -> None:
        self._targets = targets
        self._sizes = sizes

    def CreateTarget(self, request: Any, context: Any) -> target_pb2.Target:
        created = self._targets.create(
            to_document(request.target),
            request_id=request.request_id,
            validate_only=request.validate_only,
        )
        return to_message(created, target_pb2.Target)

    def GetTarget(self, request: Any, context: Any) -> target_pb2.Target:
        return to_message(self._targets.get(request.namespace, request.name), target_pb2.Target)

    def ListTargets(self, request: Any, context: Any) -> target_service_pb2.ListTargetsResponse:
        asked = to_document(request)
        return listing(asked, *self._targets.page(asked), target_service_pb2.ListTargetsResponse)

    def UpdateTarget(self, request: Any, context: Any) -> target_pb2.Target:
        changes = to_document(request.target)
        keys = mask_keys(request.update_mask, target_pb2.Target)
        stored = self._targets.get(request.namespace, request.name)
        self._sizes.check_change(stored, changes, keys, target_pb2.Target)
        changed = self._targets.update(request.namespace, request.name, changes, keys)
        return to_message(changed, target_pb2.Target)

    def DeleteTarget(self, request: Any, context: Any) -> page_pb2.DeleteResponse:
        return deleted(self._targets.delete(request.namespace, request.name))


class ConfigServicer(config_service_pb2_grpc.ConfigServiceServicer):
    """Keeps configs."""

    def __init__(self, configs: Entities, sizes: Sizes) -> None:
        self._configs = configs
        self._sizes = sizes

    def CreateConfig(self, request: Any, context: Any) -> config_pb2.Config:
        created = self._configs.create(
            to_document(request.config),
            request_id=request.request_id,
            validate_only=request.validate_only,
        )
        return to_message(created, config_pb2.Config)

    def GetConfig(self, request: Any, context: Any) -> config_pb2.Config:
        return to_message(self._configs.get(request.namespace, request.name), config_pb2.Config)

    def ListConfigs(self, request: Any, context: Any) -> config_service_pb2.ListConfigsResponse:
        asked = to_document(request)
        return listing(asked, *self._configs.page(asked), config_service_pb2.ListConfigsResponse)

    def UpdateConfig(self, request: Any, context: Any) -> config_pb2.Config:
        changes = to_document(request.config)
        keys = mask_keys(request.update_mask, config_pb2.Config)
        stored = self._configs.get(request.namespace, request.name)
        self._sizes.check_change(stored, changes, keys, config_pb2.Config)
        changed = self._configs.update(request.namespace, request.name, changes, keys)
        return to_message(changed, config_pb2.Config)

    def DeleteConfig(self, request: Any, context: Any) -> page_pb2.DeleteResponse:
        return deleted(self._configs.delete(request.namespace, request.name))
