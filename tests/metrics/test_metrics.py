"""Metrics: a golden case for each, edge cases, and agreement with the libraries called directly."""

from __future__ import annotations

import asyncio
import re
import string
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from evald import registry
from evald.errors import EvaluationError, InvalidArgument
from evald.flows.scoreboard import Scoreboard, make_metrics
from evald.metrics.metric import Metric, Scored
from evald.metrics.number_check import number_text
from evald.templates import Templates
from tests.metrics.conftest import Judge
from tests.metrics.test_tool_calling import replied

IDEAL = "{{ item.ideal }}"
RATING = {"type": "regex", "pattern": r"RATING:\s*(\d+)"}

GOLDEN: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, float]]] = {
    # type: params, row (`answer` is the model's), values
    "accuracy": (
        {"reference": IDEAL},
        {"ideal": "Paris", "answer": " Paris\n"},
        {"accuracy": 1.0},
    ),
    "bleu": (
        {"references": [IDEAL]},
        {"ideal": "The cat sat on the mat.", "answer": "The cat sat on a mat."},
        {"sentence": 48.8923022434901, "corpus": 48.8923022434901},
    ),
    "em": (
        {"ground_truth": IDEAL},
        {"ideal": "The Eiffel Tower!", "answer": "eiffel  tower"},
        {"em": 1.0},
    ),
    "f1": ({"ground_truth": IDEAL}, {"ideal": "blue whale", "answer": "a blue fish"}, {"f1": 0.5}),
    "llm-judge": (
        {
            "model": "judge",
            "template": "Rate {{ answer }} against {{ item.ideal }}.",
            "scores": {"similarity": {"type": "int", "parser": RATING}},
        },
        {"ideal": "Paris", "answer": "It is Paris."},
        {"similarity": 8.0},
    ),
    "number-check": (
        {"check": ["absolute difference", IDEAL, "{{ sample.output_text }}", "epsilon", 1]},
        {"ideal": 41, "answer": "It is 42."},
        {"number-check": 1.0},
    ),
    "rouge": (
        {"reference": IDEAL},
        {"ideal": "the cats sat", "answer": "the cat sat down"},
        {
            "rouge_1_score": 6 / 7,
            "rouge_2_score": 0.8,
            "rouge_3_score": 2 / 3,
            "rouge_L_score": 6 / 7,
        },
    ),
    "string-check": (
        {"check": ["{{ sample.output_text }}", "contains", IDEAL]},
        {"ideal": "Paris", "answer": "It is Paris."},
        {"string-check": 1.0},
    ),
    "tool-calling": (
        {"tool_calls_ground_truth": "{{ item.calls | tojson }}"},
        {
            "calls": [{"function": {"name": "weather", "arguments": {"city": "Rome", "days": 2}}}],
            "answer": "",
            "response": replied(("weather", '{"days": 3, "city": "Rome"}')),
        },
        {"function_name_accuracy": 1.0, "function_name_and_args_accuracy": 0.0},
    ),
}

Score = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("kind", registry.metrics().names())
def test_golden_case(score: Score, judge: Judge, kind: str) -> None:
    if registry.metrics()[kind].__module__.partition(".")[0] != "evald":
        pytest.skip("a plugin brings its own tests")
    assert kind in GOLDEN, f"give {kind} a golden case in GOLDEN"
    params, row, values = GOLDEN[kind]
    judge.replies = ["It says the same. RATING: 8"]
    scores = score(kind, params, row)
    assert {name: s["value"] for name, s in scores.items()} == pytest.approx(values, abs=1e-9)


CORPUS = [
    ("The cat sat on the mat.", ["The cat sat on the mat.", "A cat was on the mat."]),
    ("the the the", ["The quick brown fox jumps over the lazy dog."]),
    ("", ["something"]),
    ("Ünïcödé — „Anführung“ 你好 世界", ["Ünïcödé — „Anführung“ 你好 世界!"]),
    ("running runs ran", ["He runs, and she ran while running.", "running"]),
    ("42", ["42.0", "forty two"]),
    ("An apple a day", ["the apple day", "apples"]),
    ("one", [""]),
    ("x y z w v", ["x y z w v u"]),
]
ROWS = [{"answer": answer, "refs": refs} for answer, refs in CORPUS]
REFERENCES = {"references": "{{ item.refs | tojson }}"}


def test_bleu_is_sacrebleus(score: Score) -> None:
    scores = score("bleu", REFERENCES, *ROWS)
    answers = [answer for answer, _ in CORPUS]
    corpus = sacrebleu.corpus_bleu(answers, [[refs[0] for _, refs in CORPUS]])
    assert scores["corpus"] == {"value": pytest.approx(corpus.score, abs=1e-9)}
    sentences = [sacrebleu.sentence_bleu(a, refs).score for a, refs in CORPUS]
    assert scores["sentence"]["value"] == pytest.approx(sum(sentences) / len(CORPUS), abs=1e-9)
    assert scores["sentence"]["stats"]["max"] == pytest.approx(max(sentences), abs=1e-9)
    for row, sentence in zip(ROWS, sentences, strict=True):
        assert score("bleu", REFERENCES, row)["sentence"]["value"] == pytest.approx(sentence)


def test_bleu_of_nothing_like_it_is_zero(score: Score) -> None:
    row = {"answer": "", "refs": ["word"]}
    scores = score("bleu", REFERENCES, row)
    assert (scores["corpus"]["value"], scores["sentence"]["value"]) == (0.0, 0.0)


def test_rouge_is_rouge_scores(score: Score) -> None:
    kinds = ["rouge1", "rouge2", "rouge3", "rougeL"]
    scorer = RougeScorer(kinds, use_stemmer=True)
    found = [scorer.score_multi(refs, answer) for answer, refs in CORPUS]
    scores = score("rouge", REFERENCES, *ROWS)
    for kind in kinds:
        mean = sum(f[kind].fmeasure for f in found) / len(CORPUS)
        assert scores[f"rouge_{kind[5:]}_score"]["value"] == pytest.approx(mean, abs=1e-9)


def squad(answer: str, truth: str) -> tuple[float, float]:
    """Exact match and F1 as evaluate-v1.1.py reckons them, written anew."""

    def words(text: str) -> list[str]:
        bare = "".join(c for c in text.lower() if c not in set(string.punctuation))
        return re.sub(r"\b(a|an|the)\b", " ", bare).split()

    given, wanted = words(answer), words(truth)
    same = sum((Counter(given) & Counter(wanted)).values())
    if same == 0:
        return float(given == wanted), 0.0
    precision, recall = same / len(given), same / len(wanted)
    return float(given == wanted), 2 * precision * recall / (precision + recall)


def test_em_and_f1_are_squads(score: Score) -> None:
    best = [[squad(answer, ref) for ref in refs] for answer, refs in CORPUS]
    em = sum(max(e for e, _ in found) for found in best) / len(CORPUS)
    f1 = sum(max(f for _, f in found) for found in best) / len(CORPUS)
    assert score("em", REFERENCES, *ROWS)["em"]["value"] == pytest.approx(em, abs=1e-9)
    assert score("f1", REFERENCES, *ROWS)["f1"]["value"] == pytest.approx(f1, abs=1e-9)


@pytest.mark.parametrize("text", ["", "the", "?!", " an  a "])
def test_two_empty_texts_match_and_share_no_token(score: Score, text: str) -> None:
    """As in evaluate-v1.1.py, where F1 is 0 when no token is shared, even if there is none."""
    row = {"answer": text, "refs": [""]}
    assert score("em", REFERENCES, row)["em"]["value"] == 1.0
    assert score("f1", REFERENCES, row)["f1"]["value"] == 0.0


def test_values_that_are_no_texts(score: Score) -> None:
    reference = {"references": "{{ item.ideal | tojson }}", "candidate": "{{ item.given }}"}
    assert score("accuracy", reference, {"ideal": 3, "given": 3})["accuracy"]["value"] == 1.0
    assert (
        score("accuracy", reference, {"ideal": [1.5, "x"], "given": 1.5})["accuracy"]["value"]
        == 1.0
    )
    assert (
        score("accuracy", reference, {"ideal": {"a": 1}, "given": '{"a": 1}'})["accuracy"]["value"]
        == 1.0
    )


@pytest.mark.parametrize("kind", ["accuracy", "bleu", "em", "f1", "rouge"])
@pytest.mark.parametrize(
    ("ideal", "words"), [(None, "null"), ([], "no reference"), (["a", None], "null")]
)
def test_no_reference_is_an_error_of_the_sample(
    score: Score, kind: str, ideal: Any, words: str
) -> None:
    params = {"references": ["{{ item.ideal | tojson }}"]}
    with pytest.raises(EvaluationError) as e:
        score(kind, params, {"ideal": ideal, "answer": "x"})
    assert e.value.kind == "metric"
    assert e.value.message.startswith("metrics.m.params.references.0 gives ")
    assert words in e.value.message


def test_names_of_the_params(score: Score) -> None:
    row = {"ideal": "x", "given": "x"}
    for reference in ("references", "reference", "ground_truth"):
        for candidate in ("candidate", "prediction"):
            params = {reference: "{{ ideal }}", candidate: "{{ given }}", "model": "ignored"}
            assert score("em", params, row)["em"]["value"] == 1.0


@pytest.mark.parametrize(
    ("left", "operator", "right", "holds"),
    [
        ("a", "equals", "a", True), ("a", "==", "A", False), ("a", "!=", "b", True),
        ("a", "<>", "a", False), ("a", "not equals", "a", False),
        ("abc", "contains", "b", True), ("b", "contains", "abc", False),
        ("abc", "not contains", "b", False), ("abc", "startswith", "ab", True),
        ("abc", "endswith", "bc", True), ("abc", "endswith", "ab", False),
        ("", "equals", "", True), ("x", "contains", "", True), ("é", "equals", "e\u0301", False),
        (5, "equals", "5", True),
    ],
)  # fmt: skip
def test_string_checks(score: Score, left: Any, operator: str, right: str, holds: bool) -> None:
    params = {"check": ["{{ left }}", operator, "{{ right }}"]}
    scores = score("string-check", params, {"left": left, "right": right})
    assert scores["string-check"]["value"] == float(holds)


def test_a_string_check_of_json(score: Score) -> None:
    calls = [{"function": {"name": "get_weather", "arguments": '{"city": "Zürich"}'}}]
    params = {"check": ["{{ item.calls | tojson }}", "contains", '"get_weather"']}
    assert score("string-check", params, {"calls": calls})["string-check"]["value"] == 1.0
    params = {"check": ["{{ item.a | tojson }}", "equals", "{{ item.b | tojson }}"]}
    assert (
        score("string-check", params, {"a": [1, None], "b": [1, None]})["string-check"]["value"]
        == 1.0
    )


@pytest.mark.parametrize(
    ("left", "operator", "right", "holds"),
    [
        ("x = 5", "equals", "5.0", True), ("5", "==", "6", False), ("5", "!=", "6", True),
        ("5", "<>", "5", False), ("5", "not equals", "6", True), ("6", ">=", "6", True),
        ("6", "gte", "7", False), ("6", "greater than or equal", "5", True), ("6", ">", "6", False),
        ("6", "gt", "5", True), ("6", "greater than", "5", True), ("6", "<=", "6", True),
        ("6", "lte", "5", False), ("6", "less than or equal", "6", True), ("6", "<", "7", True),
        ("6", "lt", "6", False), ("-3", "less than", "-2", True),
        ("1e-05", "<", "0.001", True), ("1e+22", ">", "1000", True), (" -.5E2 ", "==", "-50", True),
        ("is 1e5", "==", "5", True),
    ],
)  # fmt: skip
def test_number_checks(score: Score, left: str, operator: str, right: str, holds: bool) -> None:
    row = {"left": left, "right": right}
    for check in (["{{ left }}", operator, "{{ right }}"], [operator, "{{ left }}", "{{ right }}"]):
        assert score("number-check", {"check": check}, row)["number-check"]["value"] == float(holds)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("no number", None), ("", None), (None, None), (True, None), ("1.2.3", None), ("...", None),
        ("1" * 400, None), (10**400, None), ("3 of 4", 4.0), ("about -2.5.", -2.5), (".5", 0.5),
        ("+7", 7.0), ("5-3", -3.0), ([1, 2], 2.0), ({"a": 9}, 9.0), (2.5, 2.5), ("٣", 3.0),
    ],
)  # fmt: skip
def test_the_last_number(score: Score, given: Any, value: float | None) -> None:
    check = {"check": ["{{ item.given | tojson }}", "equals", value if value is not None else 1]}
    scores = score("number-check", check, {"given": given})["number-check"]
    assert scores["value"] == (None if value is None else 1.0)
    assert scores["stats"]["nan_count"] == (value is None)


@pytest.mark.parametrize(
    "text",
    ["a 1,000", "1.2.3.", "..5..6..", "+-5", "-+.5+", "5+", "1e5", "x-1-2", "3.-", "", "..", "٣.٤"],
)
def test_numbers_are_what_the_documented_expression_finds(text: str) -> None:
    found = re.findall(r"[+-]?[\.\d]*\d+", text)
    assert number_text(text) == (found[-1] if found else "")


def test_a_text_of_dots_takes_no_time() -> None:
    started = time.thread_time()
    assert number_text("." * 1_000_000) == ""
    assert number_text("1" * 1_000_000 + "x") == "1" * 1_000_000
    assert time.thread_time() - started < 0.5


@pytest.mark.parametrize(
    ("kind", "params", "fields"),
    [
        ("string-check", {}, ["check"]),
        ("string-check", {"check": ["a", "equals"]}, ["check"]),
        ("string-check", {"check": ["a", "is", "b"]}, ["check.1"]),
        ("string-check", {"check": ["a", 5, "b"]}, ["check.1"]),
        ("string-check", {"check": ["{{", "equals", "b"]}, ["check.0"]),
        ("number-check", {"check": ["1", "about", "2"]}, ["check.1"]),
        ("number-check", {"check": ["1", "absolute difference", "2"]}, ["check.3"]),
        ("number-check", {"check": ["1", "absolute difference", "2", "eps", 1]}, ["check.3"]),
        ("number-check", {"check": ["1", "<", "2", "epsilon", 1]}, ["check.3"]),
        ("number-check", {"check": ["1", "<", "{{ x | y }}"]}, ["check.2"]),
        ("number-check", {"check": 5}, ["check"]),
        ("bleu", {}, ["references"]),
        ("bleu", {"references": []}, ["references"]),
        ("bleu", {"references": [1, 2]}, ["references.0", "references.1"]),
        ("bleu", {"references": ["ok", "{% if %}"]}, ["references.1"]),
        ("rouge", {"reference": "x", "candidate": "{{ ("}, ["candidate"]),
        ("f1", {"ground_truth": "x", "prediction": 5}, ["prediction"]),
    ],
)
def test_bad_params_are_named(kind: str, params: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(InvalidArgument) as e:
        make_metrics({"m": {"type": kind, "params": params}}, Templates(), "tasks.t.metrics")
    assert [v.field for v in e.value.violations] == [
        f"tasks.t.metrics.m.params.{f}" for f in fields
    ]


def test_a_reference_that_lacks_is_explained() -> None:
    with pytest.raises(InvalidArgument, match=r"what to compare with.*item.ideal_response"):
        make_metrics({"m": {"type": "f1", "params": {}}}, Templates(), "tasks.t.metrics")


class Buggy(Metric):
    """Breaks on some samples."""

    type = "buggy"

    def __init__(self) -> None: ...

    def score(self, context: Any) -> Scored:
        return Scored({"x": 1 / context["v"]})


def test_a_bug_of_a_metric_is_an_error_of_the_sample() -> None:
    board = Scoreboard({"m": Buggy()})
    with pytest.raises(EvaluationError, match="m: ZeroDivisionError: division by zero") as e:
        asyncio.run(board.score({"v": 0}))
    assert e.value.kind == "metric"


def test_what_is_not_finite_is_no_value() -> None:
    class Wild(Buggy):
        def score(self, context: Any) -> Scored:
            return Scored({"x": float("nan"), "y": float("-inf"), "z": 1.0})

    found = asyncio.run(Scoreboard({"m": Wild()}).score({}))
    assert found.scores == {"m": {"x": None, "y": None, "z": 1.0}}
