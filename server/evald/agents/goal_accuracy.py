"""Whether an agent arrived where its user wanted."""

from __future__ import annotations

import builtins
from typing import ClassVar

from pydantic import Field

from evald.agents.conversation import Conversation, shown
from evald.agents.metric import AgentMetric, AgentRow
from evald.judging.metric import Judgement
from evald.judging.question import Form, Judge, Question

OUTCOME = """
Read how a user and an agent worked together, with the calls of tools and what these gave. Say in a
sentence each what the user wanted in the end, changes of mind included, and what had been brought
about when the conversation ended. For the latter only what was really done counts, not what was
announced.

<conversation>
{{ conversation | tojson }}
</conversation>
"""

REACHED = """
Compare what was wanted with what was brought about. It is reached when everything that was wanted
has been brought about; more than that, or another way of putting it, does no harm.

<wanted>
{{ wanted }}
</wanted>
<brought about>
{{ outcome }}
</brought about>
"""


class Outcome(Form):
    user_goal: str
    end_state: str


class Reached(Form):
    reason: str
    reached: bool


class GoalRow(AgentRow):
    user_input: Conversation = Field(min_length=1)


class ReferenceGoalRow(GoalRow):
    """`reference` says what should be brought about."""

    reference: str = Field(min_length=1)


class GoalAccuracy(AgentMetric[GoalRow]):
    """1 when what the agent brought about is what the user wanted, as the judge makes it out, and
    else 0.

    As RAGAS defines it
    (https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/agents/#agent-goal-accuracy).
    """

    type = "agent_goal_accuracy"
    range = (0.0, 1.0)
    form: ClassVar[builtins.type[AgentRow]] = GoalRow

    def __init__(self, judge: Judge) -> None:
        self._outcome = Question(
            judge, "outcome", OUTCOME, Outcome, '{"user_goal": "...", "end_state": "..."}'
        )
        self._reached = Question(
            judge, "goal_reached", REACHED, Reached, '{"reason": "...", "reached": true}'
        )

    async def measure(self, row: GoalRow) -> Judgement:
        outcome = await self._outcome(conversation=shown(row.user_input))
        wanted = self.wanted(row, outcome)
        found = await self._reached(wanted=wanted, outcome=outcome.end_state)
        return Judgement(float(found.reached), {**outcome.model_dump(), "reason": found.reason})

    def wanted(self, row: GoalRow, outcome: Outcome) -> str:
        return outcome.user_goal


class ReferenceGoalAccuracy(GoalAccuracy):
    """1 when what the agent brought about is what the row's reference says, and else 0."""

    form = ReferenceGoalRow

    def wanted(self, row: GoalRow, outcome: Outcome) -> str:
        assert isinstance(row, ReferenceGoalRow)
        return row.reference
