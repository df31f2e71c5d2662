"""Whether the way that an agent took was a good one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from evald.agents.conversation import Conversation, shown
from evald.agents.metric import AgentMetric, AgentRow
from evald.judging.metric import Judgement
from evald.judging.question import Form, Judge, Question

BEST = 5

GRADE = """
An agent was given a task, took the steps below with the tools that it had, and answered. Grade how
well it went about it, from 1 to 5. Consider whether its steps follow from each other, whether each
tool was the right one and was given the right input, whether there was a shorter way, and whether
the answer helps and comes from what the steps found.
5 is a way that nobody could better; 4 has a step too many; 3 gets there by detours or leaves part
of the task undone; 2 uses the wrong tools, or hardly helps; 1 is of no use.

<task>
{{ task }}
</task>
<tools>
{{ tools | tojson }}
</tools>
<steps>
{{ steps | tojson }}
</steps>
<answer>
{{ answer }}
</answer>
{%- if reference %}
<expected answer>
{{ reference }}
</expected answer>
{%- endif %}
"""

ENDS = {"LLM_END": "model", "TOOL_END": "tool", "FUNCTION_END": "function"}
"""Events that say what a step gave, and who took it. Those that only say that one began are left
out."""


class Payload(BaseModel):
    """What an event tells: which tool or model was used, what it got and what it gave."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_type: str | None = None
    name: str | None = None
    data: dict[str, Any] | None = None


class Event(BaseModel):
    """An event, `{"payload": ...}` or the payload itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    payload: Payload

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "payload" not in given:
            return {"payload": given}
        return given

    @property
    def is_end(self) -> bool:
        return self.payload.event_type is None or self.payload.event_type in ENDS

    def shown(self) -> dict[str, Any]:
        """The step that it tells of, for a judge to read."""
        data = self.payload.data or {}
        return {
            "by": ENDS.get(self.payload.event_type or "", "step"),
            "name": self.payload.name,
            "input": data.get("input"),
            "output": data.get("output"),
        }


class TrajectoryRow(AgentRow):
    """`intermediate_steps` are events as NeMo Agent Toolkit records them; a conversation under
    `user_input` may stand in their place."""

    question: str = ""
    answer: str = Field(
        "", validation_alias=AliasChoices("generated_answer", "response", "output_text")
    )
    reference: str = Field("", validation_alias=AliasChoices("answer", "reference"))
    intermediate_steps: list[Event] | None = None
    user_input: str | Conversation = ""

    @model_validator(mode="after")
    def _is_whole(self) -> TrajectoryRow:
        if self.intermediate_steps is None and not isinstance(self.user_input, list):
            raise ValueError("the row has neither intermediate_steps nor a conversation")
        if not self.task:
            raise ValueError("the row has no question")
        return self

    @property
    def task(self) -> str:
        if self.question:
            return self.question
        if isinstance(self.user_input, str):
            return self.user_input
        return next((m.content for m in self.user_input if m.role == "user"), "")

    @property
    def steps(self) -> list[Any]:
        """The steps for a judge to read."""
        if self.intermediate_steps is not None:
            return [event.shown() for event in self.intermediate_steps if event.is_end]
        assert isinstance(self.user_input, list)
        return shown(self.user_input)


class Grade(Form):
    reason: str
    grade: Literal[1, 2, 3, 4, 5]


class Trajectory(AgentMetric[TrajectoryRow]):
    """A judge's grade of the steps that the agent took, from 0 to 1.

    The grades from 1 to 5 are spread evenly over that, as LangChain's trajectory evaluation does,
    on which NeMo Agent Toolkit builds. `tools` maps the tools that the agent had to what they do.
    """

    type = "trajectory_evaluation"
    range = (0.0, 1.0)
    form = TrajectoryRow

    def __init__(self, judge: Judge, *, tools: Mapping[str, str]) -> None:
        self._tools = dict(tools)
        example = '{"reason": "...", "grade": 3}'
        self._grade = Question(judge, "trajectory", GRADE, Grade, example)

    async def measure(self, row: TrajectoryRow) -> Judgement:
        found = await self._grade(
            task=row.task,
            tools=self._tools,
            steps=row.steps,
            answer=row.answer,
            reference=row.reference,
        )
        return Judgement((found.grade - 1) / (BEST - 1), found.model_dump())
