"""What can be evaluated here, and `evald flows`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evald import catalog, cli, registry
from evald.flows.code import Code
from evald.flows.lm_harness import LmHarness


def flow_of(name: str) -> dict[str, Any]:
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
    assert [(task["type"], task["targets"]) for task in custom["tasks"]] == [
        ("data", ["rows", "dataset"]),
        ("completion", ["model"]),
        ("chat-completion", ["model"]),
        ("prompt-optimization", ["model"]),
    ]
    params = {task["type"]: task["params"] for task in custom["tasks"]}
    assert [*params["data"]["properties"]] == ["cluster"]
    assert [*params["completion"]["properties"]] == ["cluster", "template"]
    optimizer = params["prompt-optimization"]["properties"]["optimizer"]["$ref"]
    assert optimizer == "#/$defs/OptimizerParams"
    assert "signature" in params["prompt-optimization"]["$defs"]["OptimizerParams"]["properties"]
    [task] = flow_of("lm_harness")["tasks"]
    assert [*task["params"]["properties"]] == ["cluster", "num_fewshot"]
    assert custom["metrics"] == registry.metrics().names()
    assert similarity["metrics"] == ["accuracy", "bleu", "em", "f1", "rouge"]
    extra = catalog.params_schema(Code)["properties"]["extra"]
    assert extra["properties"]["n_samples"]["maximum"] == 1000


def test_a_flow_says_what_its_scores_are() -> None:
    assert flow_of("code")["scores"] == ["pass@k"]
    assert flow_of("mt_bench")["scores"][:4] == ["turn_1", "turn_2", "average", "writing"]
    assert {"micro", "macro", "pass@k", "f1"} <= {*flow_of("simple_evals")["scores"]}
    assert {"parallel", "live_ast", "overall"} <= {*flow_of("bfcl")["scores"]}
    assert flow_of("safety")["scores"] == ["safety_rate"]
    assert flow_of("custom")["scores"] == ["baseline", "optimized"]
    assert flow_of("similarity_metrics")["scores"] == []


def test_what_may_be_left_away_is_shown_as_what_it_is() -> None:
    shown = flow_of("simple_evals")["params"]
    extra = shown["properties"]["extra"]["properties"]
    for name, member in (("judge", "model"), ("custom_config", "extraction")):
        definition = extra[name]["$ref"].removeprefix("#/$defs/")
        assert member in shown["$defs"][definition]["properties"]


def test_a_flow_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "missing" not in flow_of("lm_harness")
    extras = {name: flow_of(name).get("extra") for name in ("code", "lm_harness", "custom")}
    assert extras == {"code": "evald[code]", "lm_harness": "evald[harness]", "custom": None}
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


def test_a_flow_shows_its_scores_and_what_its_tasks_take(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["flows", "rag"])
    shown = capsys.readouterr().out
    assert "extra: evald[retrieval]\n" in shown
    assert "params of beir tasks:\n" in shown
    assert "  judge_timeout: " in shown
    assert "tool_call_accuracy" in flow_of("agentic")["scores"]


def test_a_flow_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as e:
        cli.main(["flows", "mt_bensch"])
    assert e.value.code == 2
    assert "did you mean 'mt_bench'?" in capsys.readouterr().err
