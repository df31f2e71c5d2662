"""RAG on contexts and answers that rows have, judged by a script."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from evald.clients.model import ModelClients
from evald.errors import EvaluationError, InvalidArgument
from evald.flows.rag import Rag
from evald.rag.similarity import cosine
from evald.settings import ClientSettings
from tests.endpoint import Endpoint, Hang, bags_of_words

JUDGE = {"api_endpoint": {"url": "http://judge/v1", "model_id": "judge"}}
EMBEDDER = {"api_endpoint": {"url": "http://embedder/v1", "model_id": "embedder"}}
MODEL = {"api_endpoint": {"url": "http://model/v1", "model_id": "model"}}
ANSWERED = {"type": "rag", "rag": {"cached_outputs": {"files_url": "rows.jsonl"}}}
RETRIEVED = {
    "type": "rag",
    "rag": {
        "pipeline": {
            "retriever": {"cached_outputs": {"files_url": "rows.jsonl"}},
            "model": MODEL,
        }
    },
}

ROW = {
    "question": "Where is the tower?",
    "contexts": ["The tower is in Paris.", "It is 330 m high."],
    "answer": "In Paris. It is blue.",
    "ground_truth": "Paris",
}
NEWER = {
    "user_input": ROW["question"],
    "retrieved_contexts": ROW["contexts"],
    "response": ROW["answer"],
    "reference": ROW["ground_truth"],
}
STATED = {"statements": ["The tower is in Paris.", "The tower is blue."]}
VERDICTS = {"verdicts": [{"reason": "", "follows": True}, {"reason": "", "follows": False}]}


def config(*metrics: str, **more: Any) -> dict[str, Any]:
    given = {"judge_llm": JUDGE, "judge_embeddings": EMBEDDER, **more}
    kinds = {metric: {"type": metric} for metric in metrics}
    return {"type": "rag", "tasks": {"t": {"type": "ragas", "metrics": kinds, "params": given}}}


def answer(request: Mapping[str, Any]) -> str:
    """As a judge what a test says, as a model what it was asked."""
    if "response_format" not in request:
        return f"from: {request['messages'][-1]['content']}"
    verdicts = {"statements": STATED, "supported": VERDICTS}
    return json.dumps(verdicts[request["response_format"]["json_schema"]["name"]])


@pytest.fixture
def run(world_of: Any, model_of: Any) -> Any:
    """Runs a config on rows: answers the world and the result."""

    def run(rows: Any, given: Any, target: Any = ANSWERED, reply: Any = answer) -> Any:
        world = world_of(sets={"rows.jsonl": rows}, model=model_of(reply))
        Rag().check_job(target, given)
        return world, world.run(given, target)

    return run


@pytest.mark.parametrize("row", [ROW, NEWER])
def test_answers_that_were_made_elsewhere(run: Any, row: Any) -> None:
    world, result = run([row], config("faithfulness", "answer_similarity"))
    metrics = result["tasks"]["t"]["metrics"]
    faithful = metrics["rag.faithfulness"]["scores"]["faithfulness"]
    assert (faithful["value"], faithful["stats"]["count"]) == (0.5, 1)
    one, other = bags_of_words({"input": [ROW["answer"], ROW["ground_truth"]]})["data"]
    near = cosine(one["embedding"], other["embedding"])
    similar = metrics["rag.answer_similarity"]["scores"]["answer_similarity"]
    assert similar["value"] == pytest.approx(near)
    both = result["groups"]["evaluation"]["metrics"]["evaluation"]["scores"]
    assert both["faithfulness"] == faithful
    assert both.keys() == {"faithfulness", "answer_similarity"}
    assert world.emit.steps == [(1, 1)]


def test_a_model_answers_from_contexts(run: Any) -> None:
    row = {**ROW, "answer": None}
    world, result = run([row], config("faithfulness"), RETRIEVED)
    assert result["tasks"]["t"]["metrics"]["rag.faithfulness"]["scores"]["faithfulness"]["value"]
    [sample] = world.emit.samples
    text = sample.sample["output_text"]
    assert text.index("in Paris") < text.index("330 m") < text.index("Where is the tower?")
    told = str(world.model.requests[1]["messages"])
    assert "from: Answer the question" in told, "the judge gets the model's answer"


def test_context_ordering(run: Any) -> None:
    pipeline = {**RETRIEVED["rag"]["pipeline"], "context_ordering": "asc"}  # type: ignore[index]
    world, _ = run([ROW], config("faithfulness"), {"type": "rag", "rag": {"pipeline": pipeline}})
    text = world.emit.samples[0].sample["output_text"]
    assert text.index("330 m") < text.index("in Paris")


def test_a_template_of_the_users_own(run: Any) -> None:
    template = {"messages": "{{ [{'role': 'user', 'content': contexts[1] ~ question}] | tojson }}"}
    world, _ = run([ROW], config("faithfulness", template=template), RETRIEVED)
    output = world.emit.samples[0].sample["output_text"]
    assert output == "from: It is 330 m high.Where is the tower?"


def test_columns_are_rows(run: Any) -> None:
    columns = {
        "question": ["a?", "b?"],
        "contexts": [["a"], ["b"]],
        "answer": ["a", "x"],
        "ground_truth": ["a", "b"],
    }
    world, result = run([columns], config("answer_similarity"))
    score = result["tasks"]["t"]["metrics"]["rag.answer_similarity"]["scores"]["answer_similarity"]
    assert (score["value"], score["stats"]["count"]) == (0.5, 2)
    assert [sample.item["question"] for sample in world.emit.samples] == ["a?", "b?"]


def test_a_limit_counts_the_rows_of_a_table(run: Any) -> None:
    columns = {"question": ["a?"] * 5, "answer": ["a"] * 5, "ground_truth": ["a"] * 5}
    given = {**config("answer_similarity"), "params": {"limit_samples": 3}}
    world, _ = run([columns], given)
    assert len(world.emit.samples) == 3
    assert world.emit.steps[-1] == (3, 3)


@pytest.mark.parametrize("reply", ["well", '{"statements": "none"}', '{"statements": []}'])
def test_a_judge_that_mumbles_is_no_zero(run: Any, reply: str) -> None:
    def mumbles(request: Mapping[str, Any]) -> str:
        return reply if "In Paris" in str(request) else answer(request)

    rows = [ROW, {**ROW, "answer": "Blue."}]
    world, result = run(rows, config("faithfulness"), reply=mumbles)
    score = result["tasks"]["t"]["metrics"]["rag.faithfulness"]["scores"]["faithfulness"]
    stats = score["stats"]
    assert (score["value"], stats["count"], stats["nan_count"]) == (0.5, 1, 1)
    assert result["tasks"]["t"]["data"]["failed"] == 1
    wrong = next(sample for sample in world.emit.samples if sample.error)
    assert wrong.error["kind"] in ("judge", "metric")


def test_a_judge_that_is_away_fails_the_sample(run: Any) -> None:
    def fails(request: Mapping[str, Any]) -> str:
        raise EvaluationError("server_error", "503")

    with pytest.raises(EvaluationError, match="503") as caught:
        run([ROW], config("faithfulness"), reply=fails)
    assert caught.value.kind == "server_error"


def test_a_judge_that_never_answers_does_not_hold_a_job_up(world_of: Any, tmp_path: Path) -> None:
    """Each of its questions ends with its time, and other metrics have their values."""
    given = config("faithfulness", "answer_similarity", judge_timeout=1, judge_max_retries=0)
    params = given["tasks"]["t"]["params"]
    with (
        Endpoint(always=Hang()) as judge,
        Endpoint() as embedder,
        ModelClients(ClientSettings(data_dir=tmp_path)) as models,
    ):
        for name, url in (("judge_llm", judge.url), ("judge_embeddings", embedder.url)):
            params[name] = {"api_endpoint": {"url": url, "model_id": "m"}}
        world = world_of(sets={"rows.jsonl": [ROW] * 3}, model=models)
        start = time.monotonic()
        result = world.run({**given, "params": {"parallelism": 3}}, ANSWERED)
        took = time.monotonic() - start
    assert len(judge.requests) == 3, "at once, and no more than once"
    assert 1 <= took < 10
    task = result["tasks"]["t"]
    metrics = task["metrics"]
    missing = metrics["rag.faithfulness"]["scores"]["faithfulness"]
    assert (missing["value"], missing["stats"]["nan_count"]) == (None, 3)
    there = metrics["rag.answer_similarity"]["scores"]["answer_similarity"]
    assert there["stats"]["count"] == 3
    assert (task["data"]["failed"], task["data"]["errors"]) == (3, {"timeout": 3})
    assert {sample.error["kind"] for sample in world.emit.samples} == {"timeout"}


def test_rows_are_read_before_anything_is_asked(world_of: Any, model_of: Any) -> None:
    rows = [ROW, {**ROW, "contexts": None}, {**ROW, "contexts": "a"}, {**ROW, "answer": 3}]
    world = world_of(sets={"rows.jsonl": rows}, model=model_of(answer))
    with pytest.raises(EvaluationError) as caught:
        world.run(config("faithfulness"), ANSWERED)
    assert caught.value.kind == "dataset"
    for told in ("rows.jsonl, line 2: ", "rows.jsonl, line 3: ", "rows.jsonl, line 4: "):
        assert told in caught.value.message
    assert world.model.requests == []


def test_the_judge_has_limits_of_its_own(run: Any) -> None:
    given = config("faithfulness", judge_timeout=7, judge_max_retries=2, judge_max_workers=3)
    world, _ = run([ROW], given)
    for opened in world.model.opened:
        params = {k: opened[1][k] for k in ("parallelism", "max_retries", "request_timeout")}
        assert params == {"parallelism": 3, "max_retries": 2, "request_timeout": 7}


@pytest.mark.parametrize(
    ("own", "task", "wanted"),
    [
        ({}, {}, (16, 5, 300)),
        ({"request_timeout": 20, "max_retries": 1}, {}, (16, 1, 20)),
        ({"request_timeout": 20, "max_retries": 1}, {"judge_timeout": 300}, (16, 1, 300)),
        ({"parallelism": 2, "request_timeout": None}, {"judge_max_retries": 5}, (2, 5, 300)),
    ],
)
def test_what_the_judge_says_of_itself_counts_before_defaults(
    run: Any, own: Any, task: Any, wanted: Any
) -> None:
    judge = {**JUDGE, "prompt": {"inference_params": own}}
    world, _ = run([ROW], config("faithfulness", judge_llm=judge, **task))
    params = next(params for model, params in world.model.opened if model != EMBEDDER)
    assert (params["parallelism"], params["max_retries"], params["request_timeout"]) == wanted


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ({"type": "rag_faithfulness"}, "m"),
        ({"type": "rag-faithfulness"}, "m"),
        ({"type": "ragas", "params": {"metric": "faithfulness"}}, "m"),
        ({"type": "ragas"}, "rag_faithfulness"),
    ],
)
def test_other_ways_to_name_a_metric(run: Any, metric: Any, name: str) -> None:
    given = config()
    given["tasks"]["t"]["metrics"] = {name: metric}
    _, result = run([ROW], given)
    [found] = result["tasks"]["t"]["metrics"]
    assert found == f"rag.{name.removeprefix('rag_')}"


def test_a_column_may_be_called_sample(run: Any) -> None:
    _, result = run([{**ROW, "sample": n} for n in (0, 1, {})], config("faithfulness"))
    metric = result["tasks"]["t"]["metrics"]["rag.faithfulness"]["scores"]["faithfulness"]
    assert (metric["value"], metric["stats"]["count"]) == (0.5, 3)


@pytest.mark.parametrize(
    ("task", "place", "words"),
    [
        (
            {"metrics": {n: {"type": "faithfulness"} for n in ("f", "rag_f")}},
            "metrics",
            "'f' in results",
        ),
        ({"metrics": {"m": {"type": "faithfullness"}}}, "metrics.m.type", "faithfulness"),
        (
            {"metrics": {"m": {"type": "faithfulness"}}, "params": {"judge_llm": None}},
            "params.judge_llm",
            "which model judges m",
        ),
        (
            {"metrics": {"m": {"type": "answer_relevancy"}}, "params": {"judge_llm": JUDGE}},
            "params.judge_embeddings",
            "embeddings for m",
        ),
        ({"params": {"judge_timeout": 0}}, "params.judge_timeout", "greater"),
        ({"params": {"judge_llm": 3}}, "params.judge_llm", "valid"),
        ({"params": {"template": "{{"}}, "params.template", ""),
    ],
)
def test_what_a_config_lacks(task: Any, place: str, words: str) -> None:
    given = {"metrics": {"m": {"type": "answer_similarity"}}, **task}
    params = {"judge_embeddings": EMBEDDER} if "params" not in task else {}
    given["params"] = {**params, **task.get("params", {})}
    with pytest.raises(InvalidArgument) as caught:
        Rag().check({"type": "rag", "tasks": {"t": {"type": "ragas", **given}}})
    assert any(place in v.field and words in v.message for v in caught.value.violations)


@pytest.mark.parametrize(
    ("rag", "place"),
    [
        ({}, "target.rag"),
        ({"pipeline": {"retriever": {}, "model": MODEL}}, "target.rag.pipeline.retriever"),
        (
            {"pipeline": {"retriever": {"dataset": {"files_url": "x"}}}},
            "target.rag.pipeline.model",
        ),
        (
            {
                "pipeline": {
                    "retriever": {"dataset": {"files_url": "x"}},
                    "model": MODEL,
                    "context_ordering": "best",
                }
            },
            "target.rag.pipeline.context_ordering",
        ),
    ],
)
def test_what_a_target_lacks(rag: Any, place: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Rag().check_job({"type": "rag", "rag": rag}, config("faithfulness"))
    assert [v.field for v in caught.value.violations] == [place]


def test_several_tasks_are_told_apart(run: Any) -> None:
    given = config("answer_similarity")
    given["tasks"]["u"] = given["tasks"]["t"]
    _, result = run([ROW], given)
    scores = result["groups"]["evaluation"]["metrics"]["evaluation"]["scores"]
    assert scores.keys() == {"t.answer_similarity", "u.answer_similarity"}


COLLECTION = {"files_url": "set://c", "format": "squad"}
PARAGRAPHS = [
    {"context": "The tower is in Paris.", "question": "Where is the tower?", "answers": ["Paris"]},
    {"context": "The bridge is in London.", "question": "Where is the bridge?", "answers": ["L"]},
    {"context": "The gate is in Berlin.", "question": "Where is the gate?", "answers": ["Berlin"]},
]


def retrieving(**more: Any) -> dict[str, Any]:
    pipeline = {"query_embedding_model": EMBEDDER, "index_embedding_model": EMBEDDER, **more}
    rag = {"retriever": {"pipeline": pipeline}, "model": MODEL}
    return {"type": "rag", "rag": {"pipeline": rag}}


def searched(*metrics: str, dataset: Any = COLLECTION) -> dict[str, Any]:
    given = config(*metrics)
    given["tasks"]["t"] |= {"type": "squad", "dataset": dataset}
    return given


@pytest.fixture
def search(world_of: Any, model_of: Any) -> Any:
    """Runs a config on a collection: answers the world and the result."""

    def run(given: Any, target: Any, rows: Any = PARAGRAPHS) -> Any:
        world = world_of(sets={"set://c": rows}, model=model_of(answer))
        Rag().check_job(target, given)
        return world, world.run(given, target)

    return run


def test_contexts_are_retrieved(search: Any) -> None:
    given = searched("faithfulness", "recall_1", "retriever_ndcg_cut_2")
    world, result = search(given, retrieving(top_k=2))
    metrics = result["tasks"]["t"]["metrics"]
    assert metrics["retriever.recall_1"]["scores"]["recall_1"]["value"] == 1.0
    assert metrics["retriever.ndcg_cut_2"]["scores"]["ndcg_cut_2"]["value"] == 1.0
    assert metrics["rag.faithfulness"]["scores"]["faithfulness"]["value"] == 0.5
    both = result["groups"]["evaluation"]["metrics"]["evaluation"]["scores"]
    assert both.keys() == {"faithfulness", "recall_1", "ndcg_cut_2"}
    assert len(world.emit.samples) == 3
    for sample, paragraph in zip(world.emit.samples, PARAGRAPHS, strict=True):
        contexts = sample.sample["contexts"]
        assert (len(contexts), contexts[0]) == (2, paragraph["context"])
        assert contexts[0] in sample.sample["output_text"], "the model is told"
        told = [str(r["messages"]) for r in world.model.requests if "response_format" in r]
        assert any(contexts[0] in text for text in told), "the judge is told"
    assert world.emit.steps[-1] == (6, 6)


def test_a_limit_is_one_of_questions(search: Any) -> None:
    given = {**searched("recall_1"), "params": {"limit_samples": 1}}
    world, _ = search(given, retrieving())
    [sample] = world.emit.samples
    assert len(sample.sample["contexts"]) == 3


def test_metrics_that_need_a_reference_which_the_questions_lack(search: Any) -> None:
    rows = [PARAGRAPHS[0], {**PARAGRAPHS[1], "answers": []}]
    with pytest.raises(EvaluationError, match="1 questions have no reference answer") as caught:
        search(searched("answer_similarity"), retrieving(), rows)
    assert (caught.value.kind, caught.value.task) == ("dataset", "t")


@pytest.mark.parametrize(
    ("target", "given", "place"),
    [
        (ANSWERED, config("faithfulness", "recall_5"), "config.tasks.t.metrics.recall_5"),
        (retrieving(), config("faithfulness"), "config.tasks.t.dataset"),
        (
            retrieving(top_k=0),
            searched("faithfulness"),
            "target.rag.pipeline.retriever.pipeline.top_k",
        ),
    ],
)
def test_what_does_not_fit(target: Any, given: Any, place: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Rag().check_job(target, given)
    assert [v.field for v in caught.value.violations] == [place]
