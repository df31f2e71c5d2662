"""What tests call the services with, and how they read the answers."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_status import rpc_status

from evaluation.v1 import (
    config_pb2,
    config_service_pb2_grpc,
    executor_service_pb2_grpc,
    flow_service_pb2_grpc,
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
    result_service_pb2_grpc,
    target_pb2,
    target_service_pb2_grpc,
)


class Stubs:
    """A stub of each service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.targets = target_service_pb2_grpc.TargetServiceStub(channel)
        self.configs = config_service_pb2_grpc.ConfigServiceStub(channel)
        self.jobs = job_service_pb2_grpc.JobServiceStub(channel)
        self.executor = executor_service_pb2_grpc.ExecutorServiceStub(channel)
        self.flows = flow_service_pb2_grpc.FlowServiceStub(channel)
        self.results = result_service_pb2_grpc.ResultServiceStub(channel)


def rows_target(**fields: Any) -> target_pb2.Target:
    target = target_pb2.Target(type=target_pb2.TARGET_TYPE_ROWS, **fields)
    target.rows.add().update({"a": 1})
    return target


def custom_config(**fields: Any) -> config_pb2.Config:
    return config_pb2.Config(type="custom", **fields)


def new_job(**fields: Any) -> job_service_pb2.CreateJobRequest:
    job = job_pb2.Job(inline_target=rows_target(), inline_config=custom_config(), **fields)
    return job_service_pb2.CreateJobRequest(job=job)


def error_of(call: Any, request: Any) -> Any:
    """The rich status that a call ends with."""

    def answer() -> None:
        given = call(request, timeout=10)
        if hasattr(given, "cancel"):
            list(given)

    with pytest.raises(grpc.RpcError) as e:
        answer()
    return e.value, rpc_status.from_call(e.value)


def detail(status: Any, kind: Any) -> Any:
    """The detail of one kind in a rich status."""
    found = kind()
    assert any(packed.Unpack(found) for packed in status.details)
    return found
