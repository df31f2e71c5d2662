"""Similarity metrics: scores from 0 to 1, of a model's answers and of answers made earlier."""

from __future__ import annotations

from typing import Any

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from evald import registry
from evald.app import fits
from evald.errors import EvaluationError, InvalidArgument
from evald.flows.flow import Kept

ROWS = [
    ("Name the capital of France.", "The capital of France is Paris.", "It is Paris, in France."),
    ("Say nothing.", "", ""),
    ("2 + 2?", "4", "4"),
    ("Who?", "Ada Lovelace", "The Ada  Lovelace!"),
    ("Translate: hello world", "你好, 世界", "你好 世界 ü"),
    ("Long", "one two three four five six", "one two three five six seven eight"),
]
METRICS = {k: {"type": k} for k in ("accuracy", "bleu", "em", "f1", "rouge")}
CACHED = {"type": "cached_outputs", "cached_outputs": {"files_url": "cached"}}


def config(**task: Any) -> dict[str, Any]:
    task = {"type": "default", "metrics": METRICS, **task}
    return {"type": "similarity_metrics", "tasks": {"t": task}}


def cached(rows: Any = ROWS) -> list[dict[str, Any]]:
    return [
        {
            "input": {"prompt": q, "ideal_response": a, "category": "c"},
            "response": r,
            "llm_name": "m",
        }
        for q, a, r in rows
    ]


def values(result: dict[str, Any]) -> dict[str, float]:
    metrics = result["tasks"]["t"]["metrics"]
    return {k: s["value"] for m in metrics.values() for k, s in m["scores"].items()}


def expected() -> dict[str, float]:
    """Means over the rows, by the libraries themselves."""
    answers, ideals = [r for _, _, r in ROWS], [a for _, a, _ in ROWS]
    n = len(ROWS)
    scorer = RougeScorer(["rouge1", "rouge2", "rouge3", "rougeL"], use_stemmer=True)
    rouge = [scorer.score(a, r) for a, r in zip(ideals, answers, strict=True)]
    pairs = list(zip(answers, ideals, strict=True))
    return {
        "accuracy": 2 / n,
        "bleu_score": sacrebleu.corpus_bleu(answers, [ideals]).score / 100,
        "sentence_bleu_score": sum(sacrebleu.sentence_bleu(a, [b]).score for a, b in pairs)
        / n
        / 100,
        # By hand, as evaluate-v1.1.py does: rows 1, 5, 6 share tokens, 2 is empty, 3 and 4 match.
        "em": 3 / n,
        "f1": (2 * (3 / 5) * (3 / 5) / (6 / 5) + 0 + 1 + 1 + 4 / 5 + 2 * 5 / 13) / n,
        **{f"rouge_{k[5:]}_score": sum(f[k].fmeasure for f in rouge) / n for k in rouge[0]},
    }


def test_scores_are_those_of_the_libraries(world: Any) -> None:
    world.sets["cached"] = cached()
    result = world.run(config(), CACHED)
    assert values(result) == pytest.approx(expected(), abs=1e-9)
    assert result["groups"] == {}
    assert set(result["tasks"]["t"]["metrics"]) == set(METRICS)
    corpus = result["tasks"]["t"]["metrics"]["bleu"]["scores"]["bleu_score"]
    assert 0 <= corpus["interval"]["low"] < corpus["value"] < corpus["interval"]["high"] <= 1
    assert corpus["interval"]["method"] == "bootstrap"


def test_a_model_gets_the_prompts(world_of: Any, model_of: Any) -> None:
    answers = {q: r for q, _, r in ROWS}
    rows = [{"prompt": q, "ideal_response": a} for q, a, _ in ROWS]
    for url, kind in [("http://m/v1", "messages"), ("http://m/v1/completions", "prompt")]:
        world = world_of(
            sets={"rows": rows},
            model=model_of(lambda r: answers[r.get("prompt") or r["messages"][0]["content"]]),
        )
        target = {"type": "model", "model": {"api_endpoint": {"url": url, "model_id": "m"}}}
        result = world.run(config(dataset={"files_url": "rows"}), target)
        assert values(result) == pytest.approx(expected(), abs=1e-9)
        assert all(kind in request for request in world.model.requests)


def test_cached_rows_may_be_flat_and_numbers(world: Any) -> None:
    world.sets["cached"] = [
        {"prompt": "x", "ideal_response": "4", "output_text": "4"},
        {"prompt": "x", "ideal_response": 4, "response": 4},
        {"prompt": "x", "ideal_response": ["five", "4"], "response": "4"},
    ]
    result = world.run(config(metrics={"em": {"type": "em"}}), CACHED)
    assert values(result) == {"em": 1.0}


@pytest.mark.parametrize(
    ("row", "kind", "words"),
    [
        ({"ideal_response": "x"}, "dataset", "no answer under 'response' or 'output_text'"),
        ({"ideal_response": "x", "response": None}, "dataset", "no answer"),
        ({"response": "x"}, "template", "'ideal_response'"),
        ({"response": "x", "ideal_response": None}, "metric", "gives null"),
    ],
)
def test_rows_that_lack_something(world: Any, row: dict[str, Any], kind: str, words: str) -> None:
    world.sets["cached"] = [row]
    with pytest.raises(EvaluationError, match=words) as e:
        world.run(config(), CACHED)
    assert e.value.kind == kind


@pytest.mark.parametrize("name", ["reference", "references", "ground_truth"])
def test_other_references_take_the_place_of_the_ideal_response(world: Any, name: str) -> None:
    world.sets["cached"] = [{"ideal_response": "x", "mine": "y", "response": "y"}]
    metrics = {"em": {"type": "em", "params": {name: "{{ item.mine }}"}}}
    assert values(world.run(config(metrics=metrics), CACHED)) == {"em": 1.0}


def test_limits(world: Any) -> None:
    world.sets["cached"] = cached()
    world.run(config() | {"params": {"limit_samples": 2}}, CACHED)
    assert [s.index for s in world.emit.samples] == [0, 1]


def test_a_model_needs_a_data_set() -> None:
    with pytest.raises(InvalidArgument, match="which rows to ask") as e:
        fits({"type": "model", "model": {}}, config())
    assert [v.field for v in e.value.violations] == ["config.tasks.t.dataset"]
    fits(CACHED, config())


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"type": "similarity_metrics"}, ["tasks"]),
        (config(metrics={}), ["tasks.t.metrics"]),
        (config(metrics={"a": {"type": "string-check"}, "b": {"type": "blue"}}),
         ["tasks.t.metrics.a.type", "tasks.t.metrics.b.type"]),
        (config(metrics={"a": {"type": "em", "params": {"references": "{{"}}},
                params={"template": "{{"}) | {"params": {"parallelism": 0}},
         ["params.parallelism", "tasks.t.metrics.a.params.references.0",
          "tasks.t.params.template"]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_is_told_at_once(given: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(InvalidArgument) as e:
        registry.flows()["similarity_metrics"]().check(given)
    assert sorted(v.field for v in e.value.violations) == sorted(fields)


def close(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    return bool(a == (b if isinstance(b, str) else pytest.approx(b, rel=1e-12, abs=1e-12)))


WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "mat", "dog."]), max_size=6).map(" ".join)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(WORDS, WORDS, st.booleans()), min_size=1, max_size=12).filter(
        lambda rows: any(kept_or_not for _, _, kept_or_not in rows)
    )
)
def test_a_resumed_task_gives_what_an_undisturbed_one_does(
    world_of: Any, rows: list[tuple[str, str, bool]]
) -> None:
    """Whatever was kept of an earlier attempt, the result is the same."""
    sets = {"cached": [{"ideal_response": a, "response": r} for a, r, _ in rows]}
    # A row without an answer is an error in both.
    sets["cached"].append({"ideal_response": "x"})
    whole = world_of(sets=sets)
    result = whole.run(config(), CACHED)
    kept = [
        Kept(s.index, s.scores, s.parts, s.error)
        for s in reversed(whole.emit.samples)
        if s.index == len(rows) or rows[s.index][2]
    ]
    resumed = world_of(sets=sets, kept=kept)
    assert close(resumed.run(config(), CACHED), result)
    assert len(resumed.emit.samples) + len(kept) == len(rows) + 1
