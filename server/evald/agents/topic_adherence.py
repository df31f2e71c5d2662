"""Whether an agent keeps to the topics that it is there for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evald.agents.conversation import Conversation, shown
from evald.agents.metric import AgentMetric, AgentRow
from evald.errors import EvaluationError
from evald.judging.metric import Judgement
from evald.judging.question import Form, Judge, Question
from evald.tasks import together

Mode = Literal["precision", "recall", "f1"]

TOPICS = """
Read the conversation of a user with an agent, and list the topics that the user brings up, one
short phrase for each. Take only what the user asks about or asks for; what only the agent or a tool
mentions is none.

<conversation>
{{ conversation | tojson }}
</conversation>
"""

ANSWERED = """
Below are a conversation of a user with an agent, and topics that the user brought up. Tell for each
topic, in their order, whether the agent took it up, by answering or by doing something about it, or
refused to.

<conversation>
{{ conversation | tojson }}
</conversation>
<topics>
{{ topics | tojson }}
</topics>
"""

ALLOWED = """
An agent is there for the subjects below. Tell for each of the topics, in their order, whether it
belongs to one of these subjects.

<subjects>
{{ subjects | tojson }}
</subjects>
<topics>
{{ topics | tojson }}
</topics>
"""


class TopicRow(AgentRow):
    """`reference_topics` are the subjects that the agent is there for."""

    user_input: Conversation = Field(min_length=1)
    reference_topics: list[str] = Field(min_length=1)


class Topics(Form):
    topics: list[str]


class Answered(Form):
    answered: list[bool]


class Allowed(Form):
    allowed: list[bool]


class TopicAdherence(AgentMetric[TopicRow]):
    """Of the topics that the agent took up, the part that it is there for (precision); of those
    that it is there for, the part that it took up (recall); or the harmonic mean of both (f1).

    As RAGAS defines it
    (https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/agents/#topic-adherence): a
    quotient of nothing by nothing is 0.
    """

    type = "topic_adherence"
    range = (0.0, 1.0)
    form = TopicRow

    def __init__(self, judge: Judge, *, mode: Mode = "f1") -> None:
        self._mode = mode
        self._topics = Question(judge, "topics", TOPICS, Topics, '{"topics": ["...", "..."]}')
        self._answered = Question(
            judge, "topics_answered", ANSWERED, Answered, '{"answered": [true, false]}'
        )
        self._allowed = Question(
            judge, "topics_allowed", ALLOWED, Allowed, '{"allowed": [true, false]}'
        )

    async def measure(self, row: TopicRow) -> Judgement:
        conversation = shown(row.user_input)
        topics = (await self._topics(conversation=conversation)).topics
        if not topics:
            raise EvaluationError("metric", "the judge found no topic that the user brings up")
        count = len(topics)
        answered, allowed = await together(
            [
                self._ask_answered(count, topics, conversation),
                self._ask_allowed(count, topics, row.reference_topics),
            ]
        )
        notes = {"topics": topics, "answered": answered, "allowed": allowed}
        return Judgement(adherence(answered, allowed, self._mode), notes)

    async def _ask_answered(
        self, count: int, topics: list[str], conversation: object
    ) -> list[bool]:
        answer = await self._answered(count=count, topics=topics, conversation=conversation)
        return answer.answered

    async def _ask_allowed(self, count: int, topics: list[str], subjects: list[str]) -> list[bool]:
        return (await self._allowed(count=count, topics=topics, subjects=subjects)).allowed


def adherence(answered: list[bool], allowed: list[bool], mode: Mode) -> float:
    """Precision, recall or F1 of the topics that were taken up, for those that are allowed."""
    pairs = list(zip(answered, allowed, strict=True))
    both = sum(taken and fits for taken, fits in pairs)
    precision = both / max(sum(answered), 1)
    recall = both / max(sum(allowed), 1)
    match mode:
        case "precision":
            return precision
        case "recall":
            return recall
    return 2 * precision * recall / (precision + recall) if both else 0.0
