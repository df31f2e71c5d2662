"""ListFlows over a real gRPC channel."""

from __future__ import annotations

from google.protobuf.json_format import MessageToDict

from evald import catalog
from evaluation.v1 import flow_service_pb2
from tests.rpc.calls import Stubs


def test_flows_and_metrics(stubs: Stubs) -> None:
    found = stubs.flows.ListFlows(flow_service_pb2.ListFlowsRequest(), timeout=30)
    described = catalog.describe()
    assert found.object == "list"
    assert [flow.name for flow in found.data] == [flow["name"] for flow in described["data"]]
    assert [metric.type for metric in found.metrics] == [m["type"] for m in described["metrics"]]
    custom = next(flow for flow in found.data if flow.name == "custom")
    assert {task.type: list(task.targets) for task in custom.tasks}["data"] == ["rows", "dataset"]
    assert not custom.HasField("missing")
    assert not custom.HasField("extra")
    code = next(flow for flow in found.data if flow.name == "code")
    assert (list(code.scores), code.extra) == (["pass@k"], "evald[code]")
    [task] = code.tasks
    assert "cluster" in MessageToDict(task.params)["properties"]
    parallelism = MessageToDict(custom.params)["properties"]["parallelism"]
    assert parallelism["maximum"] == 1024
