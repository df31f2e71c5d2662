"""What can be evaluated here, and `evald flows`."""

from __future__ import annotations

import json

import pytest

from evald import catalog, cli, registry
from evald.flows.code import Code
from evald.flows.lm_harness import LmHarness


def flow_of(name: str) -> dict[str, object]:
    return next(flow for flow in catalog.describe()["data"] if flow["name"] == name)


def test_every_flow_and_metric_says_what_it_is() -> None:
    found = catalog.describe()
    assert {kind for flow in found["data"] for kind in flow["types"]} == {*registry.flows().names()}
    assert [metric["type"] for metric in found["metrics"]] == registry.metrics().names()
    for described in (*found["data"], *found["metrics"]):
        assert len(described["description"]) > 20, described
        assert described["params"]["type"] == "object"
    assert all(task["targets"] for flow in found["data"] for task in flow["tasks"])


def test_a_flow_says_what_it_takes() -> None:
    custom, similarity = flow_of("custom"), flow_of("similarity_metrics")
    assert custom["tasks"] == [
        {"type": "data", "targets": ["rows", "dataset"]},
        {"type": "completion", "targets": ["model"]},
        {"type": "chat-completion", "targets": ["model"]},
        {"type": "prompt-optimization", "targets": ["model"]},
    ]
    assert custom["metrics"] == registry.metrics().names()
    assert similarity["metrics"] == ["accuracy", "bleu", "em", "f1", "rouge"]
    extra = catalog.params_schema(Code)["properties"]["extra"]
    assert extra["properties"]["n_samples"]["maximum"] == 1000


def test_a_flow_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "missing" not in flow_of("lm_harness")
    monkeypatch.setattr("evald.flows.lm_harness.root", lambda: None)
    monkeypatch.setattr(LmHarness, "more_types", lambda: ())
    assert "pip install 'evald[harness]'" in str(flow_of("lm_harness")["missing"])


def test_flows_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as e:
        cli.main(["flows"])
    assert e.value.code == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split("  ")[0] == "flow"
    assert [line.split()[0] for line in shown[1:]] == [
        f["name"] for f in catalog.describe()["data"]
    ]
    assert any("more" in line and "lm_harness" in line for line in shown)


def test_a_flow_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["flows", "mt_bench"])
    shown = capsys.readouterr().out
    for line in (
        "config types: mtbench, mtbench-cor1", "targets: model",
        "  parallelism: integer (default: 16)", "  extra: object",
        "    judge: object", "      model: string | object",
    ):  # fmt: skip
        assert f"{line}\n" in shown
    with pytest.raises(SystemExit):
        cli.main(["flows", "mt_bench", "--json"])
    assert json.loads(capsys.readouterr().out) == flow_of("mt_bench")


def test_a_flow_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as e:
        cli.main(["flows", "mt_bensch"])
    assert e.value.code == 2
    assert "did you mean 'mt_bench'?" in capsys.readouterr().err
