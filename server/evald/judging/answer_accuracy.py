"""Whether an answer agrees with a reference."""

from __future__ import annotations

from evald.judging.metric import Judgement
from evald.judging.question import Judge
from evald.judging.ratings import OfFour, Ratings

QUOTED = """
<question>
{{ question }}
</question>
<answer>
{{ answer }}
</answer>
<reference>
{{ reference }}
</reference>
"""

QUESTIONS = {
    "answer_accuracy": f"""
Compare an answer with a reference that is known to be right and whole. Rate the answer:
4 when it says the same as the reference, with the same figures, dates, names and units;
2 when it says part of that, or all but a detail;
0 when it says something else, contradicts the reference, or leaves the question open.
{QUOTED}""",
    "answer_accuracy_reversed": f"""
Somebody wrote a reference to a question, and somebody else an answer. Read the reference first and
look for each of its points in the answer. Rate how far the reference is found there:
4 when every point is there and nothing in the answer speaks against it;
2 when some points are there, and nothing that matters is wrong;
0 when the points are missing or wrong, or the answer is about something else.
{QUOTED}""",
}


class AnswerAccuracy:
    """Rates an answer against a reference, once from the answer's side and once from the
    reference's; the mean of both, from 0 to 1. RAGAS calls it answer accuracy."""

    def __init__(self, judge: Judge) -> None:
        self._ratings = Ratings(judge, QUESTIONS, OfFour, top=4)

    async def __call__(self, *, question: str, answer: str, reference: str) -> Judgement:
        """Raises EvaluationError."""
        return await self._ratings(question=question, answer=answer, reference=reference)
