"""Custom evaluation: rows with answers, models asked, and what is in the way."""

from __future__ import annotations

import math
from typing import Any

import pytest

from evald import registry
from evald.errors import EvaluationError, InvalidArgument
from evald.flows.flow import Kept

MODEL = {"type": "model", "model": {"api_endpoint": {"url": "http://m", "model_id": "m"}}}
EQUAL = {
    "type": "string-check",
    "params": {"check": ["{{ sample.output_text }}", "==", "{{ item.a }}"]},
}


def chat(
    template: Any = "{{ item.q }}", params: dict[str, Any] | None = None, **task: Any
) -> dict[str, Any]:
    return {
        "type": "custom",
        "params": params or {},
        "tasks": {
            "qa": {
                "type": "chat-completion",
                "dataset": {"files_url": "rows"},
                "params": {"template": template},
                "metrics": {"match": EQUAL},
                **task,
            }
        },
    }


def data(metrics: Any, params: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "custom",
        "params": params or {},
        "tasks": {"t": {"type": "data", "metrics": metrics}},
    }


def rows_of(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rows", "rows": list(rows)}


SAME = {"m": {"type": "string-check", "params": {"check": ["{{ a }}", "equals", "{{ item.b }}"]}}}


def test_rows_are_scored_in_the_documented_shape(world: Any) -> None:
    result = world.run(data(SAME), rows_of({"a": 1, "b": 1}, {"a": 1, "b": 2}))
    stats = {"count": 2, "sum": 1.0, "mean": 0.5, "min": 0.0, "max": 1.0, "sum_squared": 1.0,
             "variance": 0.25, "stddev": 0.5, "stderr": 0.5, "nan_count": 0}  # fmt: skip
    interval = {"low": pytest.approx(0.0945312), "high": pytest.approx(0.9054688), "level": 0.95,
                "method": "wilson"}  # fmt: skip
    score = {"value": 0.5, "stats": stats, "interval": interval}
    assert result == {
        "tasks": {"t": {"metrics": {"m": {"scores": {"string-check": score}}}}},
        "groups": {},
    }
    assert world.emit.tasks == [("t", "running"), ("t", "completed")]
    assert world.emit.steps == [(1, 2), (2, 2)]
    first = world.emit.samples[0]
    assert (first.task, first.index, first.item, first.sample) == ("t", 0, {"a": 1, "b": 1}, None)
    assert first.scores == {"m": {"string-check": 1.0}}
    assert first.error is None


def test_a_dataset_target_and_both_limits(world: Any) -> None:
    world.sets["d"] = [{"a": i, "b": i % 2} for i in range(10)]
    for limit, samples, left in [
        (None, None, 10),
        (4, None, 4),
        (None, 3, 3),
        (4, 3, 3),
        (2, 3, 2),
    ]:
        world.emit.samples.clear()
        dataset = {"files_url": "d"} | ({"limit": limit} if limit else {})
        params = {"limit_samples": samples} if samples else {}
        world.run(data(SAME, params), {"type": "dataset", "dataset": dataset})
        assert [s.index for s in world.emit.samples] == list(range(left))
    world.emit.samples.clear()
    world.run(data(SAME, {"limit_samples": 1}), rows_of({"a": 1, "b": 1}, {"a": 1, "b": 2}))
    assert len(world.emit.samples) == 1


def test_a_model_is_asked_and_its_answers_scored(world: Any) -> None:
    world.sets["rows"] = [{"q": "x", "a": "x"}, {"q": "y", "a": "z"}]
    result = world.run(chat(), MODEL)
    scores = result["tasks"]["qa"]["metrics"]["match"]["scores"]
    assert scores["string-check"]["value"] == 0.5
    assert world.model.requests[0] == {"messages": [{"role": "user", "content": "x"}]}
    assert world.model.closed == 1
    sample = world.emit.samples[0].sample
    assert sample["output_text"] == "x"
    assert sample["response"]["choices"][0]["message"]["content"] == "x"


def test_what_a_task_took_of_its_model(world: Any) -> None:
    """Also of the samples that an earlier attempt has asked for."""
    world.sets["rows"] = [{"q": "x", "a": "x"}] * 3
    first = world.run(chat(), MODEL)["tasks"]["qa"]["data"]["usage"]
    assert (first["samples"], first["latency"]["p50"]) == (3, 0.5)
    world.kept = [Kept(s.index, s.scores, s.parts, s.error) for s in world.emit.samples[:2]]
    assert world.run(chat(), MODEL)["tasks"]["qa"]["data"]["usage"] == first


def test_a_model_may_be_named_by_a_text(world: Any) -> None:
    world.sets["rows"] = [{"q": "x", "a": "x"}]
    world.run(chat(), {"type": "model", "model": "ns/llama"})
    assert world.model.opened[0][0] == "ns/llama"


def test_template_goes_before_params_before_inference_params(world: Any) -> None:
    world.sets["rows"] = [{"q": "x", "a": "x"}]
    inference = {
        "temperature": 0.1,
        "top_p": 0.1,
        "top_k": 1,
        "max_tokens": 1,
        "stop": ["i"],
        "x": 1,
    }
    model = {"prompt": {"inference_params": inference, "reasoning_params": {"effort": "low"}}}
    extra = {"top_k": 2, "seed": 7, "num_fewshot": 8, "max_tokens": 3}
    params = {"temperature": 0.2, "top_p": 0.2, "stop": "p", "max_tokens": 2, "extra": extra}
    template = {"messages": [{"role": "user", "content": "{{ q }}"}], "temperature": 0.3, "n": 1}
    world.run(chat(template, params), {"type": "model", "model": model})
    request = dict(world.model.requests[0])
    del request["messages"]
    assert request == {
        "temperature": 0.3, "top_p": 0.2, "top_k": 2, "max_tokens": 2, "stop": ["p"], "seed": 7,
        "n": 1, "reasoning_effort": "low",
    }  # fmt: skip
    assert world.model.opened[0][1] == {"parallelism": 16, "max_retries": 5, "request_timeout": 60}


def test_a_system_prompt_stands_first_unless_the_template_has_one(world: Any) -> None:
    world.sets["rows"] = [{"q": "x", "a": "x"}]
    target = {"type": "model", "model": {"prompt": {"system_prompt": "Be brief."}}}
    world.run(chat(), target)
    own = [{"role": "system", "content": "Mine."}, {"role": "user", "content": "{{ q }}"}]
    world.run(chat({"messages": own}), target)
    first, second = (r["messages"] for r in world.model.requests)
    assert first == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "x"}]
    assert [m["content"] for m in second] == ["Mine.", "x"]


@pytest.mark.parametrize(
    ("reasoning", "text", "answer"),
    [
        ({}, "<t>a</t> b", "<t>a</t> b"),
        ({"end_token": "</t>"}, "<t>a</t> b ", "b"),
        ({"end_token": "</t>"}, "<t>a</t>b</t>c", "c"),
        ({"end_token": "</t>", "include_if_not_finished": True}, "<t>a", "<t>a"),
    ],
)
def test_thoughts_are_left_out(
    world_of: Any, model_of: Any, reasoning: dict[str, Any], text: str, answer: str
) -> None:
    world = world_of(sets={"rows": [{"q": "x", "a": "x"}]}, model=model_of(lambda r: text))
    model = {"prompt": {"reasoning_params": reasoning}}
    world.run(chat(), {"type": "model", "model": model})
    assert world.emit.samples[0].sample["output_text"] == answer


def test_answer_that_never_came_is_no_score(world_of: Any, model_of: Any) -> None:
    world = world_of(sets={"rows": [{"q": "x", "a": "x"}]}, model=model_of(lambda r: "<t>a"))
    model = {"prompt": {"reasoning_params": {"end_token": "</t>"}}}
    with pytest.raises(EvaluationError, match="the reply ended before '</t>'"):
        world.run(chat(), {"type": "model", "model": model})


def test_the_template_says_whether_it_is_a_chat(world_of: Any, model_of: Any) -> None:
    rows = [{"q": "x", "a": "x", "msgs": [{"role": "user", "content": "hi"}]}]
    hi = {"messages": [{"role": "user", "content": "hi"}]}
    cases = [
        ("completion", "{{ q }}", {"prompt": "x"}),
        ("chat-completion", "{{ q }}", {"messages": [{"role": "user", "content": "x"}]}),
        ("completion", {"messages": "{{ item.msgs | tojson }}"}, hi),
        ("completion", "{{ item.msgs | tojson }}", hi),
        ("chat-completion", {"prompt": "{{ q }}", "echo": True}, {"prompt": "x", "echo": True}),
    ]
    for kind, template, request in cases:
        world = world_of(sets={"rows": rows}, model=model_of(lambda r: "x"))
        world.run(chat(template, type=kind), MODEL)
        assert world.model.requests == [request]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (
            {"messages": "{{ item.q }}"},
            "tasks.qa.params.template gives 'messages' that are no list",
        ),
        ({"messages": []}, "gives neither 'messages' nor 'prompt'"),
        ("{{ 5 | tojson }}", "gives neither 'messages' nor 'prompt'"),
        (
            {"messages": [{"content": "{{ item.nope }}"}]},
            "tasks.qa.params.template.messages.0.content: ",
        ),
    ],
)
def test_a_row_that_cannot_be_asked(world: Any, template: Any, words: str) -> None:
    world.sets["rows"] = [{"q": "x", "a": "x"}]
    with pytest.raises(EvaluationError) as e:
        world.run(chat(template), MODEL)
    assert (e.value.kind, e.value.task) == ("template", "qa")
    assert words in e.value.message
    assert world.emit.samples[0].error["kind"] == "template"


def test_an_error_of_a_metrics_template_names_its_place(world: Any) -> None:
    world.run(data(SAME), rows_of({"a": 1, "b": 1}, {"a": 1}))
    assert world.emit.samples[1].error["message"].startswith("tasks.t.metrics.m.params.check.2: ")


def test_failed_samples_are_no_scores(world_of: Any, model_of: Any) -> None:
    def answer(request: Any) -> str:
        content: str = request["messages"][0]["content"]
        if content == "bad":
            raise EvaluationError("http", "500")
        return content

    rows = [{"q": "x", "a": "x"}, {"q": "bad", "a": "x"}, {"q": "x"}]
    world = world_of(sets={"rows": rows}, model=model_of(answer))
    result = world.run(chat(), MODEL)["tasks"]["qa"]
    assert result["data"]["errors"] == {"http": 1, "template": 1}
    score = result["metrics"]["match"]["scores"]["string-check"]
    assert (score["value"], score["stats"]["count"], score["stats"]["nan_count"]) == (1.0, 1, 2)
    by_index = {s.index: s for s in world.emit.samples}
    assert by_index[1].sample is None
    assert by_index[1].scores == {}
    assert by_index[2].sample["output_text"] == "x"


def test_a_bug_costs_its_sample_and_not_the_job(world_of: Any, model_of: Any) -> None:
    def answer(request: Any) -> str:
        content: str = request["messages"][0]["content"]
        return str(1 / len(content)) and content

    world = world_of(
        sets={"rows": [{"q": text, "a": "x"} for text in ("x", "", "")]}, model=model_of(answer)
    )
    result = world.run(chat(), MODEL)["tasks"]["qa"]
    assert result["data"]["errors"] == {"flow": 2}
    stats = result["metrics"]["match"]["scores"]["string-check"]["stats"]
    assert (stats["count"], stats["nan_count"]) == (1, 2)
    assert world.emit.samples[1].error == {
        "kind": "flow", "message": "ZeroDivisionError: division by zero",
    }  # fmt: skip
    assert [text for _, text in world.emit.logs].count("ZeroDivisionError: division by zero") == 1


def test_when_all_failed_the_most_common_cause_is_told(world_of: Any, model_of: Any) -> None:
    def answer(request: Any) -> str:
        n = int(request["messages"][0]["content"])
        raise EvaluationError("http" if n else "timeout", "404 no model" if n != 1 else "500 once")

    rows = [{"q": i, "a": ""} for i in range(6)]
    world = world_of(sets={"rows": rows}, model=model_of(answer))
    with pytest.raises(EvaluationError) as e:
        world.run(chat(params={"parallelism": 1}), MODEL)
    assert e.value.kind == "http"
    assert e.value.message == "404 no model (5 of 6 samples failed so)"
    assert world.emit.tasks[-1] == ("qa", "failed")
    assert world.model.closed == 1


@pytest.mark.parametrize("kind", ["connection", "tls", "timeout"])
@pytest.mark.parametrize(("parallelism", "tried"), [(1, 8), (4, 8), (16, 16)])
def test_an_endpoint_that_nobody_reaches_is_given_up(
    world_of: Any, model_of: Any, parallelism: int, tried: int, kind: str
) -> None:
    def answer(request: Any) -> str:
        raise EvaluationError(kind, "connection refused")

    rows = [{"q": i, "a": ""} for i in range(200)]
    world = world_of(sets={"rows": rows}, model=model_of(answer, wait=0.001))
    with pytest.raises(EvaluationError, match="connection refused") as e:
        world.run(chat(params={"parallelism": parallelism}), MODEL)
    assert e.value.kind == kind
    assert tried <= len(world.emit.samples) < 2 * tried


def test_the_end_of_a_jobs_time_ends_it(world_of: Any, model_of: Any) -> None:
    def answer(request: Any) -> str:
        if int(request["messages"][0]["content"]) < 10:
            return "x"
        raise EvaluationError("deadline", "the time of the job is over")

    rows = [{"q": i, "a": "x"} for i in range(50)]
    world = world_of(sets={"rows": rows}, model=model_of(answer, wait=0.001))
    with pytest.raises(EvaluationError, match="time of the job") as e:
        world.run(chat(params={"parallelism": 4}), MODEL)
    assert (e.value.kind, e.value.task) == ("deadline", "qa")
    assert sorted(s.index for s in world.emit.samples) == list(range(10))
    assert len(world.model.requests) <= 14


def test_an_endpoint_that_was_reached_once_is_not_given_up(world_of: Any, model_of: Any) -> None:
    def answer(request: Any) -> str:
        if request["messages"][0]["content"] == "0":
            return "x"
        raise EvaluationError("connection", "connection refused")

    rows = [{"q": i, "a": "x"} for i in range(50)]
    world = world_of(sets={"rows": rows}, model=model_of(answer))
    result = world.run(chat(params={"parallelism": 1}), MODEL)
    assert result["tasks"]["qa"]["data"]["errors"] == {"connection": 49}


@pytest.mark.parametrize("parallelism", [1, 3, 16])
def test_no_more_requests_at_once_than_parallelism(
    world_of: Any, model_of: Any, parallelism: int
) -> None:
    rows = [{"q": i, "a": str(i)} for i in range(60)]
    world = world_of(sets={"rows": rows}, model=model_of(lambda r: "x", wait=0.001))
    world.run(chat(params={"parallelism": parallelism}), MODEL)
    assert world.model.most_in_flight == parallelism
    assert sorted(s.index for s in world.emit.samples) == list(range(60))


def test_a_data_set_without_rows(world: Any) -> None:
    world.sets["rows"] = []
    with pytest.raises(EvaluationError, match="no rows") as e:
        world.run(chat(), MODEL)
    assert (e.value.kind, e.value.task) == ("dataset", "qa")


def test_a_data_set_that_breaks_off_fails_the_job(world: Any) -> None:
    calls = []

    def broken() -> Any:
        yield {"q": "x", "a": "x"}
        calls.append(1)
        if len(calls) > 1:
            raise EvaluationError("dataset", "line 2 is no JSON")

    world.sets["rows"] = broken
    with pytest.raises(EvaluationError, match="line 2 is no JSON"):
        world.run(chat(), MODEL)
    assert world.model.closed == 1


def test_kept_samples_are_neither_asked_again_nor_counted_twice(world: Any) -> None:
    world.sets["rows"] = [{"q": "x", "a": "x"}, {"q": "y", "a": "x"}, {"q": "z", "a": "x"}]
    ones = Kept(0, {"match": {"string-check": 1.0}})
    failed = Kept(2, {}, error={"kind": "http", "message": "500"})
    world.kept = [ones, failed, ones]
    result = world.run(chat(), MODEL)["tasks"]["qa"]
    stats = result["metrics"]["match"]["scores"]["string-check"]["stats"]
    assert (stats["count"], stats["sum"], stats["nan_count"]) == (2, 1.0, 1)
    assert result["data"]["errors"] == {"http": 1}
    assert len(world.model.requests) == 1
    assert world.emit.steps == [(1, 3), (2, 3), (3, 3)]


def test_errors_are_reckoned_by_clusters(world_of: Any) -> None:
    """Also after a resume, for which the cluster of a sample is kept with it."""
    rows = [{"a": i in (0, 1, 2, 5), "b": True, "passage": f"p{i // 2}"} for i in range(6)]
    config = data(SAME)
    config["tasks"]["t"]["params"] = {"cluster": "passage"}
    whole = world_of()
    [found] = whole.run(config, rows_of(*rows))["tasks"]["t"]["metrics"]["m"]["scores"].values()
    # Sums of the clusters are 2, 1 and 1, where 4/3 are expected: deviations 2/3, -1/3 and -1/3.
    error = math.sqrt((4 + 1 + 1) / 9 * 3 / 2) / 6
    assert found["stats"]["stderr"] == pytest.approx(error)
    half = error * 4.302652729911275  # t of two degrees of freedom
    assert found["value"] - found["interval"]["low"] == pytest.approx(min(half, 2 / 3))
    assert found["interval"]["high"] == 1.0  # a share is no more
    assert found["interval"]["method"] == "clustered_t"

    kept = [Kept(s.index, s.scores, s.parts, s.error) for s in whole.emit.samples[1:5]]
    resumed = world_of(kept=kept)
    [again] = resumed.run(config, rows_of(*rows))["tasks"]["t"]["metrics"]["m"]["scores"].values()
    assert len(resumed.emit.samples) == 2
    assert again["stats"]["stderr"] == pytest.approx(error)


def test_a_cluster_that_a_row_lacks(world: Any) -> None:
    config = data(SAME)
    config["tasks"]["t"]["params"] = {"cluster": "passage"}
    result = world.run(config, rows_of({"a": 1, "b": 1, "passage": 1}, {"a": 1, "b": 1}))
    assert result["tasks"]["t"]["data"]["errors"] == {"dataset": 1}
    assert "no field 'passage' to cluster by" in world.emit.samples[1].error["message"]


def test_rows_are_not_held(world_of: Any, model_of: Any) -> None:
    """Of 50,000 rows, no more are alive than are in flight."""
    alive = most = 0

    class Text(str):
        __slots__ = ()

        def __new__(cls, text: str) -> Text:
            nonlocal alive, most
            alive += 1
            most = max(most, alive)
            return super().__new__(cls, text)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    class Silent:
        def __getattr__(self, name: str) -> Any:
            return lambda *args: None

    rows = {"rows": lambda: ({"q": "x", "a": Text(str(i))} for i in range(50_000))}
    world = world_of(sets=rows, model=model_of(lambda r: "x"), emit=Silent())
    world.model.requests = Silent()
    world.run(chat(params={"parallelism": 8}), MODEL)
    assert most < 32
    assert alive == 0


T = "tasks.qa"


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        ({"type": "custom"}, ["tasks"]),
        ({"type": "custom", "tasks": {}, "params": {"parallelism": 0}},
         ["params.parallelism", "tasks"]),
        (chat(params={"temperature": 9, "max_tokens": 0, "stop": 5}),
         ["params.max_tokens", "params.temperature", "params.stop"]),
        (chat(params={"limit_samples": 0, "extra": 1}), ["params.limit_samples", "params.extra"]),
        (chat(type="chat"), [f"{T}.type"]),
        (chat(type=None), [f"{T}.type"]),
        (chat(dataset=None), [f"{T}.dataset"]),
        (chat(metrics={}), [f"{T}.metrics"]),
        (chat(params={}, template=None), [f"{T}.params.template"]),
        (chat(template={"messages": [{"content": "{{"}], "prompt": "{% x %}"}),
         [f"{T}.params.template.messages.0.content"]),
        (chat(metrics={"a": {"type": "nope"}, "b": {}, "c": {"type": "em"}, "d": EQUAL}),
         [f"{T}.metrics.a.type", f"{T}.metrics.b.type", f"{T}.metrics.c.params.references"]),
        (chat("{{ (", {"top_p": 2}, dataset=None,
              metrics={"m": {"type": "string-check", "params": {"check": ["{{", "==", "x"]}}}),
         ["params.top_p", f"{T}.dataset", f"{T}.metrics.m.params.check.0", f"{T}.params.template"]),
        (data({"m": {"type": "bleu", "params": {"references": ["{{ x"]}}}),
         ["tasks.t.metrics.m.params.references.0"]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_is_told_at_once(config: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(InvalidArgument) as e:
        registry.flows()["custom"]().check(config)
    assert sorted(v.field for v in e.value.violations) == sorted(fields)
    assert all(field in e.value.message for field in fields)
