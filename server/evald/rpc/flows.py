"""FlowService."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evald.domain.documents import Document
from evald.rpc.plain import to_message
from evaluation.v1 import flow_service_pb2, flow_service_pb2_grpc


class FlowServicer(flow_service_pb2_grpc.FlowServiceServicer):
    """Shows what can be evaluated; `catalog` describes it."""

    def __init__(self, catalog: Callable[[], Document]) -> None:
        self._catalog = catalog

    def ListFlows(self, request: Any, context: Any) -> flow_service_pb2.ListFlowsResponse:
        return to_message(self._catalog(), flow_service_pb2.ListFlowsResponse)
