"""The retriever flow: what is embedded, searched for and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import pytest
from pytrec_eval import RelevanceEvaluator, compute_aggregated_measure

from evald.errors import EvaluationError, InvalidArgument
from evald.flows import searching
from evald.flows.flow import Kept
from evald.flows.retriever import Retriever
from evald.model import TextKind
from tests.endpoint import bags_of_words
from tests.exact import ExactIndexes
from tests.flows.conftest import Emit

COLORS = ("red", "green", "blue", "white", "black")
THINGS = ("boat", "tree", "lamp", "door", "bird", "stone")
DOCUMENTS = [
    {"_id": f"{color}-{thing}", "title": color.title(), "text": f"a {thing} in {color}"}
    for color in COLORS
    for thing in THINGS
]
QUERIES = [{"_id": f"q{i}", "text": f"{color} {color} {color}"} for i, color in enumerate(COLORS)]
QRELS = [
    {"query-id": f"q{i}", "corpus-id": f"{color}-{thing}", "score": str(1 + (thing == "boat"))}
    for i, color in enumerate(COLORS)
    for thing in THINGS[:2]
]
SETS = {
    "set://c/corpus.jsonl": DOCUMENTS,
    "set://c/queries.jsonl": [*QUERIES, {"_id": "unjudged", "text": "what"}],
    "set://c/qrels/test.tsv": QRELS,
}
COLLECTION = {"files_url": "set://c"}
MEASURES = ("recall_5", "ndcg_cut_10", "map", "recip_rank", "P_1", "set_F", "gm_map", "num_rel_ret")


def at(name: str) -> dict[str, Any]:
    return {"api_endpoint": {"url": f"http://{name}/v1", "model_id": name}}


def target(**more: Any) -> dict[str, Any]:
    models = {"query_embedding_model": at("queries"), "index_embedding_model": at("documents")}
    return {"type": "retriever", "retriever": {"pipeline": {**models, **more}}}


def config(*metrics: str, task: Mapping[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    kinds = {name: {"type": name} for name in metrics or ("recall_5",)}
    given = {"type": "beir", "dataset": COLLECTION, "metrics": kinds, **(task or {})}
    return {"type": "retriever", "params": params, "tasks": {"find": given}}


class Embeddings:
    """Counts words, and says what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, TextKind | None, list[str]]] = []
        self.fail_after = 10**9
        self.closed = 0

    def embedder(self, model: Any, params: Any) -> Client:
        return Client(self, model["api_endpoint"]["model_id"])

    def reranker(self, model: Any, params: Any) -> Client:
        return Client(self, model["api_endpoint"]["model_id"])


class Client:
    parallelism = 4

    def __init__(self, all_asked: Embeddings, name: str) -> None:
        self._all = all_asked
        self._name = name

    async def embed(
        self, texts: Sequence[str], kind: TextKind | None = None
    ) -> list[Sequence[float]]:
        if len(self._all.asked) >= self._all.fail_after:
            raise EvaluationError("http", "500: no more")
        self._all.asked.append((self._name, kind, list(texts)))
        return [one["embedding"] for one in bags_of_words({"input": texts})["data"]]

    async def rank(self, query: str, passages: Sequence[str]) -> list[float]:
        self._all.asked.append((self._name, None, [query, *passages]))
        return [float("tree" in passage) for passage in passages]

    async def close(self) -> None:
        self._all.closed += 1


@pytest.fixture
def found(world_of: Any) -> Any:
    return world_of(sets=SETS, model=Embeddings())


def scores(result: Mapping[str, Any], task: str = "find") -> dict[str, Any]:
    metrics = result["tasks"][task]["metrics"]
    return {name: {k: s["value"] for k, s in m["scores"].items()} for name, m in metrics.items()}


def test_a_number_of_queries_is_sure(found: Any) -> None:
    metrics = found.run(config("num_q", "num_rel_ret"), target(top_k=5))["tasks"]["find"]["metrics"]
    queries = metrics["retriever.num_q"]["scores"]["num_q"]
    assert (queries["value"], queries["stats"]["stderr"]) == (len(QUERIES), 0.0)
    assert (queries["interval"]["low"], queries["interval"]["high"]) == (queries["value"],) * 2


def test_values_are_those_of_pytrec_eval(found: Any) -> None:
    result = found.run(config(*MEASURES), target(top_k=10))
    runs = {
        s.item["query_id"]: {r["id"]: r["score"] for r in s.sample["retrieved"]}
        for s in found.emit.samples
    }
    judged: dict[str, dict[str, int]] = {}
    for row in QRELS:
        judged.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    assert {len(run) for run in runs.values()} == {10}
    theirs = RelevanceEvaluator(judged, set(MEASURES)).evaluate(runs)
    for measure in MEASURES:
        wanted = compute_aggregated_measure(measure, [v[measure] for v in theirs.values()])
        assert scores(result)[f"retriever.{measure}"][measure] == pytest.approx(wanted, abs=1e-9)
        in_group = result["groups"]["evaluation"]["metrics"]["evaluation"]["scores"][measure]
        assert in_group["value"] == scores(result)[f"retriever.{measure}"][measure]
    for sample in found.emit.samples:
        own = sample.scores["retriever.recall_5"]["recall_5"]
        assert own == theirs[sample.item["query_id"]]["recall_5"]
    stats = result["tasks"]["find"]["metrics"]["retriever.map"]["scores"]["map"]["stats"]
    assert stats["count"] == 5
    assert stats["mean"] == pytest.approx(fmean(v["map"] for v in theirs.values()))


def test_what_is_embedded(found: Any) -> None:
    found.run(config(extra={"batch_size": 8, "max_characters": 12}, parallelism=2), target())
    asked = found.model.asked
    assert {(name, kind) for name, kind, _ in asked} == {
        ("documents", "passage"), ("queries", "query"),
    }  # fmt: skip
    texts = [text for name, _, batch in asked if name == "documents" for text in batch]
    assert texts == [f"{d['title']} {d['text']}"[:12] for d in DOCUMENTS]
    assert found.indexes.made["0"].added == [8, 8, 8, 6]
    assert [s.item["query"] for s in found.emit.samples] == [q["text"] for q in QUERIES]
    assert found.emit.steps[-1] == (len(DOCUMENTS) + len(QUERIES),) * 2
    assert [done for done, _ in found.emit.steps] == sorted(done for done, _ in found.emit.steps)
    assert found.model.closed == 2
    assert not found.indexes.made["0"].is_open


def test_a_reranker_puts_in_order(found: Any) -> None:
    given = target(reranker_model=at("ranker"), top_k=6)
    result = found.run(config("recip_rank"), given)
    first = [s.sample["retrieved"][0]["id"] for s in found.emit.samples]
    assert first == [f"{color}-tree" for color in COLORS]
    assert scores(result)["retriever.recip_rank"]["recip_rank"] == 1.0
    [query, *passages] = next(t for n, _, t in found.model.asked if n == "ranker")
    assert query == "red red red"
    assert len(passages) == 6


def test_documents_that_are_there_are_not_embedded_again(found: Any) -> None:
    found.model.fail_after = 2
    with pytest.raises(EvaluationError, match="500: no more") as e:
        found.run(config(extra={"batch_size": 7}, parallelism=1), target())
    assert (e.value.kind, e.value.task) == ("http", "find")
    assert found.indexes.made["0"].added == [7, 7]
    again = type(found)(sets=SETS, model=Embeddings(), indexes=found.indexes)
    again.run(config(extra={"batch_size": 7}), target())
    assert again.indexes.made["0"].added == [7, 7, 7, 7, 2]
    assert again.emit.steps[0] == (14, 35)
    whole = type(found)(sets=SETS, model=Embeddings(), indexes=ExactIndexes())
    whole.run(config(), target())
    assert [s.sample for s in again.emit.samples] == [s.sample for s in whole.emit.samples]


def test_queries_that_are_kept_are_not_searched_for_again(found: Any) -> None:
    kept = {"retriever.recall_5": {"recall_5": 0.25}}
    found.kept = [Kept(index, kept) for index in range(4)]
    result = found.run(config(), target())
    [sample] = found.emit.samples
    assert sample.item["query_id"] == "q4"
    mine = sample.scores["retriever.recall_5"]["recall_5"]
    assert scores(result)["retriever.recall_5"]["recall_5"] == pytest.approx((1 + mine) / 5)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("recall_5", {"type": "recall_5"}),
        ("retriever_recall_5", {"type": "retriever_recall_5"}),
        ("retriever_recall_5", {"type": "pytrec_eval", "params": {"metric": "recall_5"}}),
        ("recall_5", {"type": "pytrec_eval"}),
    ],
)
def test_names_of_a_metric(found: Any, name: str, metric: Any) -> None:
    result = found.run(config(task={"metrics": {name: metric}}), target())
    assert list(scores(result)) == ["retriever.recall_5"]
    assert list(result["groups"]["evaluation"]["metrics"]["evaluation"]["scores"]) == ["recall_5"]


def test_a_metric_of_several_numbers(found: Any) -> None:
    result = found.run(config("success"), target())
    names = {"success_1", "success_5", "success_10"}
    assert scores(result)["retriever.success"].keys() == names
    assert result["groups"]["evaluation"]["metrics"]["evaluation"]["scores"].keys() == names


def test_limits(found: Any) -> None:
    task = {"dataset": {**COLLECTION, "limit": 8}}
    found.run(config(task=task), target())
    assert len(found.indexes.made["0"].passages) == 8
    assert [s.item["query_id"] for s in found.emit.samples] == ["q0", "q1"]
    other = type(found)(sets=SETS, model=Embeddings())
    other.run(config(limit_samples=3), target())
    assert len(other.indexes.made["0"].passages) == len(DOCUMENTS)
    assert len(other.emit.samples) == 3


class Warned(Emit):
    """Keeps warnings."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def log(self, level: str, message: str) -> None:
        if level == "warning":
            self.warnings.append(message)


def judged(*rows: tuple[str, str, int]) -> dict[str, Any]:
    """The collection with these judgments."""
    names = ("query-id", "corpus-id", "score")
    return {**SETS, "set://c/qrels/test.tsv": [dict(zip(names, row, strict=True)) for row in rows]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("q0", "9", 1), ("q1", "red-boat", 0), ("q1", "8", 2)],
            "all 2 relevant ones are of documents that the corpus has no text of, such as '9'",
        ),
        ([("q0", "red-boat", 0), ("q0", "9", 0)], "none is above 0"),
        (
            [("who", "red-boat", 1), ("q0", "red-boat", 0)],
            "1 are of queries that are not there, such as 'who', and of the others none",
        ),
    ],
)
def test_judgments_of_which_none_could_count(found: Any, rows: Any, message: str) -> None:
    found.sets = judged(*rows)
    with pytest.raises(EvaluationError, match=message) as e:
        found.run(config(), target())
    assert (e.value.kind, e.value.task) == ("dataset", "find")
    assert found.model.asked == []


def test_judgments_of_what_is_not_there_are_told(found: Any) -> None:
    found.emit = Warned()
    rows = [("q0", "red-boat", 1), ("q1", "9", 1), ("q1", "8", 0), ("who", "9", 1), ("who", "8", 1)]
    found.sets = judged(*rows)
    result = found.run(config("recall_5"), target())
    assert scores(result)["retriever.recall_5"]["recall_5"] == 0.5, "as pytrec_eval has it"
    assert found.emit.warnings == [
        "task find: 1 of 2 relevant judgments are of documents that the corpus has no text of, "
        "such as '9'; none of these can be found",
        "task find: 2 judgments are of queries that are not there, such as 'who'",
    ]


def test_under_a_limit_nothing_is_said_of_documents_beyond_it(found: Any) -> None:
    found.emit = Warned()
    found.run(config(task={"dataset": {**COLLECTION, "limit": 8}}), target())
    assert found.emit.warnings == []
    found.sets = judged(("q4", "black-boat", 1))
    with pytest.raises(EvaluationError, match="answers which is among the first 8"):
        found.run(config(task={"dataset": {**COLLECTION, "limit": 8}}), target())


def test_what_was_found_earlier(found: Any) -> None:
    rows = [
        {"query": "a", "retrieved": [{"id": "x", "score": 1}, {"id": "y", "score": 2}],
         "relevant": {"y": 1}},
        {"query": "b", "retrieved": ["x", "y"], "relevant": ["y"]},
    ]  # fmt: skip
    found.sets = {"set://run": rows}
    given = {"type": "retriever", "retriever": {"cached_outputs": {"files_url": "set://run"}}}
    result = found.run(config("recip_rank", task={"dataset": None}), given)
    assert [s.scores["retriever.recip_rank"]["recip_rank"] for s in found.emit.samples] == [1, 0.5]
    assert scores(result)["retriever.recip_rank"]["recip_rank"] == 0.75


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"relevant": ["y"]}], "line 1: the row has no list 'retrieved'"),
        ([{"retrieved": ["x", "y", "x"], "relevant": ["y"]}], "line 1: retrieved: 'x' is there tw"),
        ([{"retrieved": [{"score": 1}], "relevant": ["y"]}], "line 1: retrieved: it must be"),
        ([{"retrieved": ["y"], "relevant": {"y": "1"}}], "line 1: relevant: it must have"),
    ],
)
def test_what_was_found_earlier_and_is_wrong(found: Any, rows: Any, message: str) -> None:
    found.sets = {"set://run": rows}
    given = {"type": "retriever", "retriever": {"cached_outputs": {"files_url": "set://run"}}}
    with pytest.raises(EvaluationError, match=message):
        found.run(config(), given)


def test_a_query_that_fails_is_a_sample_that_failed(found: Any) -> None:
    found.model.fail_after = 1 + 4
    result = found.run(config(parallelism=1), target())
    stats = result["tasks"]["find"]["metrics"]["retriever.recall_5"]["scores"]["recall_5"]["stats"]
    assert (stats["count"], stats["nan_count"]) == (4, 1)
    assert result["tasks"]["find"]["data"]["errors"] == {"http": 1}


@pytest.mark.parametrize(
    ("metric", "field", "message"),
    [
        ({"type": "recal_5"}, "type", "did you mean 'recall_5'"),
        ({"type": "pytrec_eval", "params": {"metric": "mapp"}}, "params.metric", "mean 'map'"),
        ({"type": "recall_0"}, "type", "from 1 to 10000"),
        ({"type": "map_5"}, "type", "'map_cut_5'"),
        ({"type": "runid"}, "type", "is not known"),
        ({"type": "map", "params": {"relevance_level": 0}}, "params.relevance_level", "greater"),
    ],
)
def test_metrics_that_are_refused(metric: Any, field: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as e:
        Retriever().check(config(task={"metrics": {"m": metric}}))
    [violation] = e.value.violations
    assert violation.field == f"tasks.find.metrics.m.{field}"
    assert message in violation.message


def test_metrics_that_results_would_have_twice() -> None:
    metrics = {name: {"type": "recall_5"} for name in ("recall_5", "retriever_recall_5")}
    with pytest.raises(InvalidArgument, match="two metrics would be 'recall_5'") as e:
        Retriever().check(config(task={"metrics": metrics}))
    assert [v.field for v in e.value.violations] == ["tasks.find.metrics"]


@pytest.mark.parametrize(
    ("given", "task", "field"),
    [
        ({"retriever": {"dataset": COLLECTION}}, {}, "target.retriever"),
        (target(top_k=0), {}, "target.retriever.pipeline.top_k"),
        (target(top_k=20_000), {}, "target.retriever.pipeline.top_k"),
        (
            target(reranker_model={"artifact": {"files_url": "hf://ns/tiny"}}),
            {},
            "target.retriever.pipeline.reranker_model",
        ),
        (target(), {"dataset": None}, "config.tasks.find.dataset"),
    ],
)
def test_jobs_that_are_refused(given: Any, task: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as e:
        Retriever().check_job(given, config(task=task))
    assert [v.field for v in e.value.violations] == [field]


def test_params_that_are_refused() -> None:
    with pytest.raises(InvalidArgument) as e:
        Retriever().check(config("nothing", extra={"batch_size": 0}))
    assert [v.field for v in e.value.violations] == [
        "tasks.find.metrics.nothing.type", "params.extra.batch_size",
    ]  # fmt: skip


def test_packages_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Retriever.missing() is None
    monkeypatch.setattr(searching, "find_spec", lambda name: None)
    assert "pip install 'evald[retrieval]'" in str(Retriever.missing())
