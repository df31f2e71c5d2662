"""What an agent and its user said, and which tools were called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator

from evald.jsons import loads

ROLES = {"human": "user", "ai": "assistant"}
"""Names of speakers in the dialect that says `type`, in that which says `role`."""


class ToolCall(BaseModel):
    """A call of a tool: `{"name", "args"}`, or as OpenAI has it, `{"function": {"name",
    "arguments"}}`. The arguments have either name in both, and are an object or a JSON text."""

    model_config = ConfigDict(frozen=True)

    name: str
    args: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        function = given.get("function")
        if not isinstance(function, Mapping):
            function = given
        arguments = function.get("args", function.get("arguments"))
        if isinstance(arguments, str) and arguments:
            try:
                arguments = loads(arguments)
            except ValueError:
                raise ValueError("its arguments are not JSON") from None
        return {"name": function.get("name"), "args": arguments or {}}


class Message(BaseModel):
    """One message. Its speaker stands under `role` (user, assistant, tool, system) or `type`
    (human, ai, tool, system)."""

    model_config = ConfigDict(frozen=True)

    role: Literal["user", "assistant", "tool", "system"] = Field(
        validation_alias=AliasChoices("role", "type")
    )
    content: str = ""
    tool_calls: list[ToolCall] = []

    @field_validator("role", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return ROLES.get(value, value) if isinstance(value, str) else value

    @field_validator("content", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        if isinstance(value, list):
            return "".join(str(p.get("text", "")) for p in value if isinstance(p, Mapping))
        return "" if value is None else value

    @field_validator("tool_calls", mode="before")
    @classmethod
    def _some(cls, value: Any) -> Any:
        return [] if value is None else value

    def shown(self) -> dict[str, Any]:
        """The message for a judge to read."""
        said: dict[str, Any] = {"speaker": self.role, "says": self.content}
        if self.tool_calls:
            said["calls"] = [{"tool": c.name, "arguments": c.args} for c in self.tool_calls]
        return said


Conversation = list[Message]


def calls(conversation: Conversation) -> list[ToolCall]:
    """The calls that the agent made, in their order."""
    return list(_calls(conversation))


def _calls(conversation: Conversation) -> Iterator[ToolCall]:
    for message in conversation:
        if message.role == "assistant":
            yield from message.tool_calls


def shown(conversation: Conversation) -> list[dict[str, Any]]:
    """A conversation for a judge to read. As JSON, so that what one speaker says cannot pass for
    the words of another."""
    return [message.shown() for message in conversation]
