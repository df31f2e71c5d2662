"""ExecutorService."""

from __future__ import annotations

from typing import Any

from evald.domain.fleet import Fleet
from evald.rpc.plain import to_message
from evaluation.v1 import executor_pb2, executor_service_pb2_grpc


class ExecutorServicer(executor_service_pb2_grpc.ExecutorServiceServicer):
    """Shows what runs jobs."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def GetExecutor(self, request: Any, context: Any) -> executor_pb2.Executor:
        return to_message(self._fleet.describe(), executor_pb2.Executor)
