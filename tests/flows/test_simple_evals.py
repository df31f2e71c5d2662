"""Simple-evals: what is asked, which answers are found, and how they are graded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from evald import registry
from evald.errors import EvaluationError, InvalidArgument
from evald.flows.flow import Kept
from evald.flows.lm_harness import LmHarness
from evald.flows.simple_evals import SimpleEvals
from evald.simple_evals import equality
from evald.simple_evals.catalog import CATALOG
from evald.simple_evals.factuality import letter_of

TARGET = {"type": "model", "model": {"api_endpoint": {"url": "http://m/v1", "model_id": "m"}}}
JUDGE = {"model": {"api_endpoint": {"url": "http://judge/v1", "model_id": "judge"}}}

SUMS = [{"problem": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(1, 5)]
FACTS = [
    {"problem": "Who wrote Emma?", "answer": "Jane Austen"},
    {"problem": "Who wrote Ulysses?", "answer": "James Joyce"},
    {"problem": "Who wrote It?", "answer": "Stephen King"},
    {"problem": "Who wrote Dune?", "answer": "Frank Herbert"},
]
CAPITALS = [
    {
        "question": "What is the capital of France?",
        "choices": ["Rome", "Paris", "Oslo", "Bern"],
        "answer": 1,
        "subject": "high_school_geography",
    },
    {
        "question": "Which is a prime?",
        "choices": ["4", "6", "7", "8"],
        "answer": "C",
        "subject": "abstract_algebra",
    },
]


def config(kind: str, rows: str | None = "rows", **params: Any) -> dict[str, Any]:
    tasks = {"tasks": {"t": {"dataset": {"files_url": rows}}}} if rows else {}
    return {"type": kind, "params": params, **tasks}


def asked_of(request: Mapping[str, Any]) -> str:
    return str(request["messages"][-1]["content"])


def value(result: dict[str, Any], task: str = "t", name: str = "micro") -> Any:
    return result["tasks"][task]["metrics"]["score"]["scores"][name]["value"]


def test_answers_on_a_line(world_of: Any, model_of: Any) -> None:
    replies = {"1 + 1": "So\nAnswer: 2", "2 + 2": "Answer: $4.0$\nDone.", "3 + 3": "6"}

    def answer(request: Mapping[str, Any]) -> str:
        return next((r for q, r in replies.items() if q in asked_of(request)), "Answer: 9")

    world = world_of(sets={"rows": SUMS}, model=model_of(answer))
    result = world.run(config("math_test_500"), TARGET)
    assert value(result) == 0.5
    assert result["groups"]["t"]["metrics"] == result["tasks"]["t"]["metrics"]
    notes = {s.index: s.sample["notes"]["score"] for s in world.emit.samples}
    assert notes == {
        0: {"answers": ["2"], "scores": [1.0]},
        1: {"answers": ["$4.0$"], "scores": [1.0]},
        2: {"answers": [None], "scores": [0.0]},
        3: {"answers": ["9"], "scores": [0.0]},
    }
    [request] = [r for r in world.model.requests if "1 + 1" in asked_of(r)]
    assert request == {
        "temperature": 0.0,
        "messages": [
            {
                "role": "user",
                "content": "Solve the following math problem step by step. The last line of your "
                "response should be of the form Answer: $ANSWER (without quotes) where $ANSWER is "
                "the answer to the problem.\n\nWhat is 1 + 1?\n\nRemember to put your answer on "
                'its own line after "Answer:", and you do not need to use a \\boxed command.',
            }
        ],
    }


def test_answers_in_boxes_are_asked_for_ten_times(world_of: Any, model_of: Any) -> None:
    count = iter(range(100))

    def answer(request: Mapping[str, Any]) -> str:
        return f"\\boxed{{1}}, no: \\boxed{{{2 if next(count) % 5 else 3}}}"

    world = world_of(sets={"rows": SUMS[:1]}, model=model_of(answer))
    result = world.run(config("AIME_2025", extra={"k": [1, 2]}), TARGET)
    assert value(result, name="micro_avg_of_10") == pytest.approx(0.8)
    passed = result["tasks"]["t"]["metrics"]["pass@2"]["scores"]["pass@2"]["value"]
    assert passed == pytest.approx(1 - 1 / 45)
    assert len(world.model.requests) == 10
    assert asked_of(world.model.requests[0]).endswith("answer inside \\\\boxed{}.")
    [sample] = world.emit.samples
    assert len(sample.sample["answers"]) == len(sample.sample["response"]["choices"]) == 10
    once = world_of(sets={"rows": SUMS[:1]}, model=model_of(answer))
    once.run(config("AIME_2025", extra={"num_repeats": 1}), TARGET)
    assert len(once.model.requests) == 1


def test_formulas_are_compared_by_what_they_mean(world_of: Any, model_of: Any) -> None:
    rows = [
        {"problem": "a", "answer": "\\frac{1}{2}"},
        {"problem": "b", "answer": "2\\sqrt{3}"},
        {"problem": "c", "answer": "x^2+2x+1"},
    ]
    replies = {"\na\n": "0.5", "\nb\n": "\\sqrt{12}", "\nc\n": "(x+2)^2"}
    answer = lambda r: next(f"Answer: {f}" for q, f in replies.items() if q in asked_of(r))  # noqa: E731
    world = world_of(sets={"rows": rows}, model=model_of(answer))
    assert value(world.run(config("math_test_500"), TARGET)) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("kind", "judged"), [("math_test_500", 3), ("AA_math_test_500", 2)])
def test_a_judge_of_equality(world_of: Any, model_of: Any, kind: str, judged: int) -> None:
    def answer(request: Mapping[str, Any]) -> str:
        asked = asked_of(request)
        if "two expressions" in asked:
            given = asked.rpartition("Expression 2: ")[2]
            replies = {"two": "Yes.", "6": "<think>No?</think>\n\nyes"}
            return replies.get(given, "They differ.")
        said = next(a for q, a in {"1 +": "two", "2 +": "5", "3 +": "6"}.items() if q in asked)
        return (
            f"Answer: {said} or \\boxed{{{said}}}" if kind.startswith("AA") else f"Answer: {said}"
        )

    world = world_of(sets={"rows": SUMS[:3]}, model=model_of(answer))
    result = world.run(config(kind, extra={"judge": JUDGE, "n_samples": 1}), TARGET)
    score = result["tasks"]["t"]["metrics"]["score"]["scores"]["micro"]
    assert (score["value"], score["stats"]["count"], score["stats"]["nan_count"]) == (1.0, 2, 1)
    assert result["tasks"]["t"]["data"]["errors"] == {"judge": 1}
    asked = [asked_of(r) for r in world.model.requests if "two expressions" in asked_of(r)]
    assert len(asked) == judged
    assert all("    Expression 1: " in one for one in asked)


def test_gpqa_hides_where_the_answer_is(world_of: Any, model_of: Any) -> None:
    wrong = {f"Incorrect Answer {i}": f"wrong {i}" for i in (1, 2, 3)}
    rows = [{"Question": f"Q{n}", "Correct Answer": "right", **wrong} for n in range(12)]
    letters = []

    def answer(request: Mapping[str, Any]) -> str:
        letter = next(line[0] for line in asked_of(request).splitlines() if ") right" in line)
        letters.append(letter)
        return f"I think.\nAnswer: {letter}"

    world = world_of(sets={"hf://datasets/Idavidrein/gpqa/gpqa_diamond.csv": rows})
    world.model = model_of(answer)
    assert value(world.run(config("gpqa_diamond", None), TARGET), "gpqa_diamond") == 1.0
    assert set(letters) == set("ABCD")
    again = list(letters)
    letters.clear()
    world.run(config("gpqa_diamond", None), TARGET)
    assert letters == again


def test_mmlu_by_category(world_of: Any, model_of: Any) -> None:
    world = world_of(sets={"rows": CAPITALS}, model=model_of(lambda r: "**Antwort:** $B$"))
    result = world.run(config("simple_evals.mmlu"), TARGET)
    assert (value(result), value(result, name="macro")) == (0.5, 0.5)
    macro = result["tasks"]["t"]["metrics"]["score"]["scores"]["macro"]["interval"]
    assert (macro["low"], macro["high"], macro["method"]) == (0.0, 1.0, "bootstrap")
    assert value(result, "social_sciences") == 1.0
    assert value(result, "stem") == 0.0
    assert set(result["groups"]) == {"t"}
    assert asked_of(world.model.requests[0]).endswith("\n\nA) Rome\nB) Paris\nC) Oslo\nD) Bern")


def test_a_macro_average_beside_answers_that_do_not_come(world_of: Any, model_of: Any) -> None:
    """Of resamples without a single answer there is none."""

    def answer(request: Mapping[str, Any]) -> str:
        if "prime" in asked_of(request):
            raise EvaluationError("timeout", "it took too long")
        return "Answer: B"

    world = world_of(sets={"rows": CAPITALS}, model=model_of(answer))
    result = world.run(config("simple_evals.mmlu"), TARGET)
    assert result["tasks"]["t"]["metrics"]["score"]["scores"]["macro"] == {"value": 1.0}
    world = world_of(sets={"rows": [CAPITALS[0], *CAPITALS]}, model=model_of(answer))
    result = world.run(config("simple_evals.mmlu"), TARGET)
    assert result["tasks"]["t"]["metrics"]["score"]["scores"]["macro"]["stats"] == {"stderr": 0.0}


def test_choices_of_global_mmlu_and_mmlu_pro(world_of: Any, model_of: Any) -> None:
    options = {f"option_{letter}": letter * 3 for letter in "abcd"}
    rows = [{"question": "?", "answer": "D", "subject": "virology", **options}]
    url = "hf://datasets/CohereLabs/Global-MMLU/ar"
    world = world_of(sets={url: rows}, model=model_of(lambda r: "الإجابة: د"))
    assert value(world.run(config("mmlu_ar", None), TARGET), "mmlu_ar") == 1.0
    rows = [{"question": "?", "answer": "I", "options": [str(n) for n in range(9)]}]
    world = world_of(sets={"rows": rows}, model=model_of(lambda r: "__Answer__: I"))
    assert value(world.run(config("simple_evals.mmlu_pro"), TARGET)) == 1.0
    assert "I) 8" in asked_of(world.model.requests[0])


@pytest.mark.parametrize("kind", ["simple_evals.mmlu_pro", "mmlu_pro_llama_4"])
@pytest.mark.parametrize("reply", ["Answer: $\\boxed{C}$", "Answer: $C$", "**Answer:** C"])
def test_marks_do_not_hide_a_letter_from_patterns(
    world_of: Any, model_of: Any, kind: str, reply: str
) -> None:
    rows = [{"question": "?", "answer": "C", "options": list("wxyz")}]
    world = world_of(sets={"rows": rows}, model=model_of(lambda r: reply))
    assert value(world.run(config(kind), TARGET)) == 1.0


def test_mgsm_by_language(world_of: Any, model_of: Any) -> None:
    sets = {
        f"hf://datasets/juletxara/mgsm/{lang}": [{"question": lang, "answer_number": 1200}]
        for lang in "bn de en es fr ja ru sw te th zh".split()  # noqa: SIM905
    }

    def answer(request: Mapping[str, Any]) -> str:
        replies = {"\nde": "Antwort: 1,200", "\nja": "答え: 1200.0", "\nen": "Answer: 12 or 1200"}
        return next((r for q, r in replies.items() if asked_of(request).endswith(q)), "1200")

    world = world_of(sets=sets, model=model_of(answer))
    result = world.run(config("simple_evals.mgsm", None), TARGET)
    assert value(result, "mgsm") == pytest.approx(3 / 11)
    assert [value(result, lang) for lang in ("de", "ja", "en", "zh")] == [1.0, 1.0, 1.0, 0.0]
    assert value(result, "group_latin") == pytest.approx(2 / 5)
    one = world_of(sets=sets, model=model_of(answer))
    assert value(one.run(config("mgsm_ja", None), TARGET), "mgsm_ja") == 1.0


def test_simpleqa(world_of: Any, model_of: Any) -> None:
    grades = {"Emma": "A", "Ulysses": "(B)", "Dune": "Hard to say", "Who wrote It": "NOT_ATTEMPTED"}

    def answer(request: Mapping[str, Any]) -> str:
        asked = asked_of(request)
        if "gold target" not in asked:
            return "Somebody."
        return next(grade for question, grade in grades.items() if question in asked)

    world = world_of(sets={"rows": FACTS}, model=model_of(answer))
    result = world.run(config("simpleqa", extra={"judge": JUDGE}), TARGET)
    score = result["tasks"]["t"]["metrics"]["score"]["scores"]
    assert score["micro"]["value"] == pytest.approx(1 / 3)
    assert score["micro"]["stats"]["nan_count"] == 1
    assert score["accuracy_given_attempted"]["value"] == 0.5
    assert score["f1"]["interval"]["method"] == "bootstrap"
    assert score["f1"]["value"] == pytest.approx(2 * 0.5 * (1 / 3) / (0.5 + 1 / 3))
    assert [value(result, name) for name in ("is_incorrect", "is_not_attempted")] == [
        pytest.approx(1 / 3),
        pytest.approx(1 / 3),
    ]
    for name in ("is_correct", "is_incorrect", "is_not_attempted"):
        [stats] = [s["stats"] for s in result["tasks"][name]["metrics"]["score"]["scores"].values()]
        assert (stats["count"], stats["nan_count"]) == (3, 1)
    assert result["tasks"]["t"]["data"]["errors"] == {"judge": 1}


def test_a_judge_that_thinks_aloud() -> None:
    assert letter_of("<think>A is too generous.</think>\n\nB") == "B"
    assert letter_of("<think>Not INCORRECT, is it?</think> CORRECT") == "A"
    with pytest.raises(EvaluationError, match="none of A, B and C"):
        letter_of("<think>A or B")


def test_a_prompt_and_expressions_of_ones_own(world_of: Any, model_of: Any) -> None:
    world = world_of(sets={"rows": CAPITALS[:1]})
    world.model = model_of(lambda r: "It is <A>, or rather <B>.")
    custom = {"prompt_template": "{Question} {{{A}|{B}}}", "extraction": ["\\[(.)\\]", "<(.)>"]}
    result = world.run(config("gpqa_main", extra={"custom_config": custom}), TARGET)
    assert value(result) == 1.0
    assert asked_of(world.model.requests[0]) == "What is the capital of France? {Rome|Paris}"


def test_several_tasks(world_of: Any, model_of: Any) -> None:
    world = world_of(sets={"rows": CAPITALS}, model=model_of(lambda r: "Answer: B"))
    given = config("simple_evals.mmlu")
    given["tasks"]["u"] = given["tasks"]["t"]
    result = world.run(given, TARGET)
    assert set(result["tasks"]) == {
        "t", "u", "t.stem", "t.social_sciences", "u.stem", "u.social_sciences",
    }  # fmt: skip


def test_kept_samples_are_not_asked_again(world_of: Any, model_of: Any) -> None:
    world = world_of(sets={"rows": FACTS}, model=model_of(lambda r: "A"))
    kept = {"micro": 0.0, "/is_correct": 0.0, "/is_incorrect": 1.0, "/is_not_attempted": 0.0}
    world.kept = [Kept(1, {"score": kept}, {"score": [0.0, 1.0, 0.0]})]
    result = world.run(config("simpleqa", extra={"judge": JUDGE}), TARGET)
    assert value(result) == 0.75
    assert value(result, name="accuracy_given_attempted") == 0.75
    assert value(result, "is_incorrect") == 0.25
    assert len(world.model.requests) == 6


def test_problems_of_other_years_are_left_out(world_of: Any, model_of: Any) -> None:
    url = "https://example.org/wiki/index.php/{}_AIME_I_Problems/Problem_1"
    rows = [{**SUMS[i], "url": url.format(2022 + i)} for i in range(4)]
    world = world_of(sets={"hf://datasets/AI-MO/aimo-validation-aime": rows})
    world.model = model_of(lambda r: "Answer: 6")
    result = world.run(config("AIME_2024", None, limit_samples=3), TARGET)
    score = result["tasks"]["AIME_2024"]["metrics"]["score"]["scores"]["micro"]
    assert (score["value"], score["stats"]["count"]) == (1.0, 1)
    assert world.emit.steps[-1] == (1, 1)


def test_who_has_a_name() -> None:
    flows = registry.flows()
    for name in ("mgsm", "mmlu", "mmlu_pro", "gpqa", "gpqa_diamond_cot"):
        assert flows[name] is LmHarness, name
    for name in ("AIME_2025", "gpqa_diamond", "mmlu_de", "simple_evals.mmlu_pro"):
        assert flows[name] is SimpleEvals, name
    assert {flows[f"simple_evals.{name}"] for name in CATALOG} == {SimpleEvals}
    assert {"simple_evals.mgsm", "simple_evals.mmlu"} <= set(SimpleEvals.types)


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        (config("simpleqa"), ["params.extra.judge"]),
        (config("simpleqa", extra={"judge": {}}), ["params.extra.judge"]),
        (config("AIME_2025", extra={"seed": 1}), ["params.extra.seed"]),
        (config("gpqa_main", extra={"k": [2]}), ["params.extra.k"]),
        (config("gpqa_main", extra={"n_samples": 0}), ["params.extra.n_samples"]),
        (
            config("gpqa_main", extra={"custom_config": {"prompt_template": "{Frage} {A}"}}),
            ["params.extra.custom_config.prompt_template"],
        ),
        (
            config("gpqa_main", extra={"custom_config": {"extraction": ["("]}}),
            ["params.extra.custom_config.extraction.0"],
        ),
        (
            config("gpqa_main", extra={"custom_config": {"extraction": ["A"]}}),
            ["params.extra.custom_config.extraction.0"],
        ),
        ({**config("mmlu_de"), "tasks": {"t": {"type": "mmlu_fr"}}}, ["tasks.t.type"]),
        (
            {**config("mmlu_de"), "tasks": {"t": {"metrics": {"m": {"type": "f1"}}}}},
            ["tasks.t.metrics"],
        ),
    ],
)
def test_what_is_refused(world: Any, given: Any, fields: list[str]) -> None:
    with pytest.raises(InvalidArgument) as e:
        world.run(given, TARGET)
    assert [v.field for v in e.value.violations] == fields


def test_without_math_verify(world_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equality, "find_spec", lambda name: None)
    world = world_of(sets={"rows": SUMS})
    with pytest.raises(InvalidArgument, match=r"pip install 'evald\[math\]'.*judge"):
        world.run(config("math_test_500"), TARGET)
    SimpleEvals().check(config("math_test_500", extra={"judge": JUDGE}))


@pytest.mark.parametrize(
    ("kind", "row", "said"),
    [
        ("gpqa_main", {"question": "?"}, "no field 'option_a' or 'A'"),
        ("gpqa_main", {"question": "?", "choices": ["a", "b"], "answer": "C"}, "none of its choi"),
        ("gpqa_main", {"question": "?", "choices": ["a", "b"], "answer": ""}, "none of its choi"),
        ("gpqa_main", {"question": "?", "choices": ["a", "b"], "answer": "AB"}, "none of its cho"),
        ("gpqa_main", {"question": "?", "choices": ["a"], "answer": 0}, "has 1 choices"),
        ("math_test_500", {"problem": "?"}, "no field 'answer' or 'Answer'"),
        ("mgsm_de", {"question": "?", "answer": "two"}, "has no number"),
        ("mgsm_de", {"question": "?", "answer": "2", "lang": "tlh"}, "'tlh' is none of bn, de"),
    ],
)
def test_rows_that_are_wrong(world_of: Any, kind: str, row: Any, said: str) -> None:
    world = world_of(sets={"rows": [row]})
    with pytest.raises(EvaluationError, match=said) as e:
        world.run(config(kind), TARGET)
    assert e.value.kind == "dataset"
    assert "rows, line 1" in e.value.message
    assert world.model.requests == []


def test_completions_are_not_asked(world_of: Any) -> None:
    model = {"api_endpoint": {"url": "http://m/v1/completions", "model_id": "m"}}
    with pytest.raises(EvaluationError, match=r"asks in chats.*make it /chat/completions"):
        world_of(sets={"rows": SUMS}).run(config("AIME_2024"), {"type": "model", "model": model})
