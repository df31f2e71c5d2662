"""Scores reckoned by hand, from a judge who knows only the questions that belong to a metric: each
quotes just the texts that it is about."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from evald.rag.catalog import METRICS
from evald.rag.metric import Models
from evald.templates import context_of

Q = "Where is the tower, and how high?"
A = "In Paris, 300 m, and blue."
R = "It stands in Paris, is 330 m high, and grey."
C1, C2, C3 = "The tower is in Paris.", "Towers are often blue.", "The tower is 330 m high."
ROW = {"question": Q, "contexts": [C1, C2, C3], "answer": A, "ground_truth": R}

QUOTED = re.compile(r"<(\w+)>\n(.*?)\n</\1>", re.DOTALL)

Asked = tuple[str, tuple[tuple[str, str], ...]]
"""The name of a question, and what it quotes: tag and text of each, in their order."""

STATED = ("statements", (("question", Q), ("answer", A)))
EXPECTED = ("statements", (("question", Q), ("answer", R)))
ALL = (("context", C1), ("context", C2), ("context", C3))


def supported(statements: str, *texts: str) -> Asked:
    """Whether statements, named by letters, follow from texts."""
    return "supported", (*(("text", one) for one in texts), ("statements", listed(statements)))


def listed(letters: str) -> str:
    return json.dumps(list(letters))


def stated(letters: str) -> Any:
    return {"statements": list(letters)}


def verdicts(follows: str) -> Any:
    """One for each: + for what follows, - for what does not."""
    return {"verdicts": [{"reason": "so", "follows": one == "+"} for one in follows]}


def useful(context: str) -> Asked:
    return "useful", (("question", Q), ("answer", R), ("context", context))


def guessed(*questions: str, noncommittal: bool = False) -> Any:
    return {"questions": questions, "noncommittal": noncommittal}


@dataclass(frozen=True)
class Case:
    """A metric, what the judge says to each of its questions, and the score that follows."""

    metric: str
    score: float
    told: Mapping[Asked, Any] = field(default_factory=dict)
    vectors: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    row: Mapping[str, Any] = field(default_factory=dict)


# Of a, b, c in the answer a and c are in the reference, b is not: two hits, one false positive. Of
# x, y, z in the reference x alone is in the answer: two misses. F1 is 2*2 / (2*2 + 1 + 2) = 4/7;
# with beta = 2 a miss weighs four times: 5*2 / (5*2 + 4*2 + 1) = 10/19. The vectors' cosine: 3/5.
CORRECT: Mapping[Asked, Any] = {
    STATED: stated("abc"),
    EXPECTED: stated("xyz"),
    supported("abc", R): verdicts("+-+"),
    supported("xyz", A): verdicts("+--"),
}
NEAR = {A: (1.0, 0.0), R: (3.0, 4.0)}

# Of a, b, c, d in the answer a alone is right. The first and the third context bear out some of the
# reference, so these are the relevant ones. b is wrong, and in a relevant context: 1 of 4. c and d
# are wrong, and in the irrelevant one alone: 2 of 4.
NOISY: Mapping[Asked, Any] = {
    EXPECTED: stated("xy"),
    STATED: stated("abcd"),
    supported("abcd", R): verdicts("+---"),
    supported("xy", C1): verdicts("+-"),
    supported("xy", C2): verdicts("--"),
    supported("xy", C3): verdicts("-+"),
    supported("abcd", C1): verdicts("++--"),
    supported("abcd", C2): verdicts("-+++"),
    supported("abcd", C3): verdicts("----"),
}

CASES = (
    # Two of three statements of the answer follow from the contexts.
    Case("faithfulness", 2 / 3, {
        STATED: stated("abc"), supported("abc", C1, C2, C3): verdicts("+-+"),
    }),
    Case("faithfulness", 0.0, {STATED: stated("ab")}, row={"contexts": []}),
    # Cosines with the question: 3/5, 0 and 1.
    Case("answer_relevancy", 1.6 / 3, {
        ("questions", (("answer", A),)): guessed("i?", "j?", "k?"),
    }, {Q: (1.0, 0.0), "i?": (3.0, 4.0), "j?": (0.0, 1.0), "k?": (2.0, 0.0)}),
    Case("answer_relevancy", 0.8, {
        ("questions", (("answer", A),)): guessed("i?", "k?"),
    }, {Q: (1.0, 0.0), "i?": (3.0, 4.0), "k?": (2.0, 0.0)}, {"strictness": 2}),
    Case("answer_relevancy", 0.0, {
        ("questions", (("answer", A),)): guessed("i?", "j?", "k?", noncommittal=True),
    }),
    Case("answer_correctness", 0.75 * 4 / 7 + 0.25 * 3 / 5, CORRECT, NEAR),
    Case("answer_correctness", 4 / 7, CORRECT, params={"weights": [1, 0]}),
    Case("answer_correctness", 10 / 19, CORRECT, params={"weights": [1, 0], "beta": 2}),
    Case("answer_similarity", 0.6, vectors=NEAR),
    Case("answer_similarity", 1.0, vectors=NEAR, params={"threshold": 0.5}),
    Case("answer_similarity", 0.0, vectors=NEAR, params={"threshold": 0.7}),
    # The second and the third are of use: precision is 1/2 at the one, 2/3 at the other.
    Case("context_precision", (1 / 2 + 2 / 3) / 2, {
        useful(C1): {"useful": False}, useful(C2): {"useful": True}, useful(C3): {"useful": True},
    }),
    # One of three statements of the reference follows from the contexts.
    Case("context_recall", 1 / 3, {
        EXPECTED: stated("xyz"), supported("xyz", C1, C2, C3): verdicts("-+-"),
    }),
    # Two of two, and one of two.
    Case("context_relevance", 3 / 4, {
        ("context_relevance", (("question", Q), *ALL)): {"rating": 2},
        ("context_relevance_again", (("question", Q), *ALL)): {"rating": 1},
    }),
    Case("context_relevance", 0.0, row={"contexts": [Q]}),
    # Of three names of the reference two are in the contexts.
    Case("context_entity_recall", 2 / 3, {
        ("entities", (("text", R),)): {"entities": ["Paris", "330 m", "Eiffel"]},
        ("entities", (("text", f"{C1}\n{C2}\n{C3}"),)): {"entities": ["PARIS", "330  m", "Rome"]},
    }),
    Case("noise_sensitivity", 1 / 4, NOISY),
    Case("noise_sensitivity", 2 / 4, NOISY, params={"mode": "irrelevant"}),
    # One of two, and none of two.
    Case("response_groundedness", 1 / 4, {
        ("response_groundedness", (*ALL, ("answer", A))): {"rating": 1},
        ("response_groundedness_again", (*ALL, ("answer", A))): {"rating": 0},
    }),
    Case("response_groundedness", 1.0, row={"answer": "tower is in Paris"}),
    # Four of four, and two of four.
    Case("answer_accuracy", 3 / 4, {
        ("answer_accuracy", (("question", Q), ("answer", A), ("reference", R))): {"rating": 4},
        ("answer_accuracy_reversed", (("question", Q), ("answer", A), ("reference", R))):
            {"rating": 2},
    }),
)  # fmt: skip


def asked(request: Mapping[str, Any]) -> Asked:
    """What a request asks. The rule that stands in each has no quotation."""
    [message] = request["messages"]
    quotes = tuple((found[1], found[2]) for found in QUOTED.finditer(message["content"]))
    return request["response_format"]["json_schema"]["name"], quotes


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{one.metric}" for i, one in enumerate(CASES)])
def test_a_score_reckoned_by_hand(case: Case, judge_of: Any, embedder_of: Any) -> None:
    class Knowing(judge_of):  # type: ignore[misc]
        """Answers what the case has an answer to, and nothing else."""

        async def ask(self, request: Mapping[str, Any]) -> Any:
            assert asked(request) in case.told
            name = request["response_format"]["json_schema"]["name"]
            self.answers[name].append(case.told[asked(request)])
            return await super().ask(request)

    judge = Knowing({name: () for name, _ in case.told})
    metric = METRICS[case.metric]
    params = metric.Params.model_validate(case.params)
    made = metric(Models(judge, embedder_of(case.vectors)), params)
    scored = asyncio.run(made.score(context_of({**ROW, **case.row})))
    assert scored.problem is None
    assert scored.values == {case.metric: pytest.approx(case.score, abs=1e-12)}
    assert Counter(map(asked, judge.requests)) == Counter(list(case.told)), "each is asked once"


def test_every_metric_has_a_case() -> None:
    assert {case.metric for case in CASES} == METRICS.keys()


@pytest.mark.parametrize("number", [1, 5])
def test_so_many_questions_are_guessed(number: int, judge_of: Any, embedder_of: Any) -> None:
    judge = judge_of({"questions": [guessed(*["i?"] * number)]})
    metric = METRICS["answer_relevancy"]
    params = metric.Params.model_validate({"strictness": number})
    made = metric(Models(judge, embedder_of({Q: (1.0,), "i?": (1.0,)})), params)
    assert asyncio.run(made.score(context_of(ROW))).values == {"answer_relevancy": 1.0}
    assert f"Write {number} different questions" in judge.told[0]
