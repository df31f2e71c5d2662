"""Whether an agent's answer agrees with a reference."""

from __future__ import annotations

from pydantic import Field, model_validator

from evald.agents.conversation import Conversation
from evald.agents.metric import AgentMetric, AgentRow
from evald.judging import answer_accuracy
from evald.judging.metric import Judgement
from evald.judging.question import Judge


class AnswerRow(AgentRow):
    """`user_input` is a question, or a conversation; of that, the last words of the agent are the
    `response` where the row has none."""

    user_input: str | Conversation = Field(min_length=1)
    response: str = ""
    reference: str = Field(min_length=1)

    @model_validator(mode="after")
    def _answered(self) -> AnswerRow:
        if not self.response and not self.said:
            raise ValueError("the row has no response")
        return self

    @property
    def said(self) -> str:
        """The last words of the agent."""
        if isinstance(self.user_input, str):
            return ""
        words = [m.content for m in self.user_input if m.role == "assistant" and m.content]
        return words[-1] if words else ""

    @property
    def question(self) -> str:
        if isinstance(self.user_input, str):
            return self.user_input
        return "\n".join(m.content for m in self.user_input if m.role == "user")


class AnswerAccuracy(AgentMetric[AnswerRow]):
    """Rates the agent's answer against the reference, from 0 to 1."""

    type = "answer_accuracy"
    range = (0.0, 1.0)
    form = AnswerRow

    def __init__(self, judge: Judge) -> None:
        self._accuracy = answer_accuracy.AnswerAccuracy(judge)

    async def measure(self, row: AnswerRow) -> Judgement:
        return await self._accuracy(
            question=row.question, answer=row.response or row.said, reference=row.reference
        )
