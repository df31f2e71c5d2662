"""What a text states, and whether other texts bear it out."""

from __future__ import annotations

from collections.abc import Sequence

from evald.errors import EvaluationError
from evald.judging.question import Form, Judge, Question

STATEMENTS = """
Take the answer to a question apart into statements that can be checked one by one. Each says a
single thing in a whole sentence that is understood without the others: with names in place of
words such as "it" or "she". Together they say what the answer says, be it true or not, and nothing
else.

<question>
{{ question }}
</question>
<answer>
{{ answer }}
</answer>
"""

SUPPORTED = """
Tell for each of the statements, in their order, whether it follows from the texts alone. One that
the texts do not mention, or that needs knowledge from elsewhere, does not follow, even when it is
true. Give a short reason first.

{% for text in texts -%}
<text>
{{ text }}
</text>
{% endfor -%}
<statements>
{{ statements | tojson }}
</statements>
"""


class Stated(Form):
    statements: list[str]


class Verdict(Form):
    reason: str = ""
    follows: bool


class Verdicts(Form):
    verdicts: list[Verdict]


class Statements:
    """Takes answers apart, and checks what they state."""

    def __init__(self, judge: Judge) -> None:
        self._stated = Question(
            judge, "statements", STATEMENTS, Stated, '{"statements": ["...", "..."]}'
        )
        self._supported = Question(
            judge,
            "supported",
            SUPPORTED,
            Verdicts,
            '{"verdicts": [{"reason": "...", "follows": true}]}',
        )

    async def of(self, question: str, answer: str) -> list[str]:
        """What an answer states; nothing, when it is empty. Raises EvaluationError."""
        if not answer.strip():
            return []
        return (await self._stated(question=question, answer=answer)).statements

    async def some_of(self, question: str, answer: str, what: str) -> list[str]:
        """What an answer, called `what`, states. Raises EvaluationError of kind `metric` when that
        is nothing."""
        found = await self.of(question, answer)
        if not found:
            raise EvaluationError("metric", f"the {what} states nothing that could be checked")
        return found

    async def supported(self, statements: Sequence[str], texts: Sequence[str]) -> list[bool]:
        """Whether each statement follows from the texts. Raises EvaluationError."""
        if not statements or not any(text.strip() for text in texts):
            return [False] * len(statements)
        found = await self._supported(
            count=len(statements), statements=list(statements), texts=list(texts)
        )
        return [verdict.follows for verdict in found.verdicts]
