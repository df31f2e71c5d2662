"""Models, as those see them who ask them: what is sent for a row, and what of the reply counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from evald.checkpoints import is_local
from evald.errors import EvaluationError
from evald.templates import Template

Row = Mapping[str, Any]

CHAT, COMPLETIONS = "chat", "completions"
"""The two forms in which a model is asked."""

PATHS = {CHAT: "/chat/completions", COMPLETIONS: "/completions"}
"""What URLs of endpoints end in that take one form alone; the longer one first."""

DEFAULTS = ("max_tokens", "temperature", "top_p", "top_k", "stop")
"""Keys of a model's `inference_params` that go into requests."""


def form_of(model: Any) -> str | None:
    """The one form in which a model is asked, if the path of its endpoint tells, or of one that
    evald runs what its `spec` says."""
    if is_local(model):
        return COMPLETIONS if (model.get("spec") or {}).get("is_chat") is False else None
    endpoint = model.get("api_endpoint") or {} if isinstance(model, Mapping) else {}
    path = str(endpoint.get("url") or "").partition("?")[0].rstrip("/")
    return next((form for form, end in PATHS.items() if path.endswith(end)), None)


class Reply(Protocol):
    """A model's answer."""

    @property
    def text(self) -> str: ...

    @property
    def response(self) -> Mapping[str, Any]: ...

    @property
    def seconds(self) -> float:
        """How long the endpoint took."""

    @property
    def retries(self) -> int:
        """Tries that failed before."""


class ModelClient(Protocol):
    """Asks one endpoint, with at most `parallelism` requests in flight."""

    @property
    def parallelism(self) -> int: ...

    async def ask(self, request: Mapping[str, Any]) -> Reply:
        """Sends a chat request (`messages`) or a completion request (`prompt`).

        Raises EvaluationError when it fails for good; `evald.clients.failure` has the kinds.
        """

    async def close(self) -> None: ...


TextKind = Literal["query", "passage"]
"""What a text is to a model that embeds questions otherwise than what answers them."""


class Embedder(Protocol):
    """A model that turns texts into vectors."""

    @property
    def parallelism(self) -> int: ...

    async def embed(
        self, texts: Sequence[str], kind: TextKind | None = None
    ) -> Sequence[Sequence[float]]:
        """A vector for each text, in their order, by one request. Raises EvaluationError."""

    async def close(self) -> None: ...


class Reranker(Protocol):
    """A model that tells how well passages suit a query."""

    @property
    def parallelism(self) -> int: ...

    async def rank(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        """A score for each passage, in their order: the higher, the better it suits. Raises
        EvaluationError."""

    async def close(self) -> None: ...


class Models(Protocol):
    """Opens clients of models; `evald.clients.model` is the real one. A `model` is a Model in plain
    form, secrets readable, or its id."""

    def open(self, model: Mapping[str, Any] | str, params: Mapping[str, Any]) -> ModelClient:
        """A client of a model that writes, under evaluation params."""

    def embedder(self, model: Mapping[str, Any] | str, params: Mapping[str, Any]) -> Embedder: ...

    def reranker(self, model: Mapping[str, Any] | str, params: Mapping[str, Any]) -> Reranker: ...


class AsGiven:
    """A template for requests that are made already, which are the context's `request`."""

    place = "the request"

    def value(self, context: Mapping[str, Any]) -> Any:
        return context["request"]


class Asker:
    """Asks a model about rows.

    A key of the request is taken from the template, else from `params`, else from the model's
    `prompt.inference_params`. `plain_text` says what a template that gives a text is: a
    `prompt`, or the one user message of a chat.
    """

    def __init__(
        self,
        client: ModelClient,
        template: Template | AsGiven,
        model: Mapping[str, Any] | str,
        *,
        params: Mapping[str, Any],
        plain_text: str,
    ) -> None:
        prompt: Mapping[str, Any] = model.get("prompt") or {} if isinstance(model, Mapping) else {}
        reasoning = prompt.get("reasoning_params") or {}
        inference = prompt.get("inference_params") or {}
        self._client = client
        self._template = template
        self._plain_text = plain_text
        self._system = prompt.get("system_prompt")
        self._end_token = reasoning.get("end_token")
        self._unfinished = reasoning.get("include_if_not_finished", False)
        self._defaults = {k: inference[k] for k in DEFAULTS if inference.get(k) is not None}
        if reasoning.get("effort"):
            self._defaults["reasoning_effort"] = reasoning["effort"]
        self._defaults |= params

    async def __call__(
        self,
        row: Row,
        context: Mapping[str, Any],
        defaults: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """The model's answer: `{"output_text", "response"}`. `defaults` go into the request where
        nothing else says so. Raises EvaluationError."""
        reply = await self._client.ask({**(defaults or {}), **self.request(context)})
        return {
            "output_text": self._answer(reply.text),
            "response": reply.response,
            "seconds": round(reply.seconds, 6),
            "retries": reply.retries,
        }

    async def text(
        self, context: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> str:
        """The text of the model's answer to what is no row of a task. `defaults` go into the
        request where nothing else says so. Raises EvaluationError."""
        reply = await self._client.ask({**(defaults or {}), **self.request(context)})
        return self._answer(reply.text)

    def request(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent for a row. Raises EvaluationError of kind `template`."""
        given = self._template.value(context)
        asked: dict[str, Any]
        match given:
            case str():
                asked = {self._plain_text: given}
                if self._plain_text == "messages":
                    asked = {"messages": [{"role": "user", "content": given}]}
            case list():
                asked = {"messages": given}
            case dict():
                asked = given
            case _:
                asked = {}
        messages, prompt = asked.get("messages"), asked.get("prompt")
        if messages is not None and not isinstance(messages, list):
            raise self._refused("'messages' that are no list; end their text in '| tojson'")
        if not messages and prompt is None:
            raise self._refused("neither 'messages' nor 'prompt'")
        return {**self._defaults, **self._with_system(asked)}

    def _refused(self, given: str) -> EvaluationError:
        return EvaluationError("template", f"{self._template.place} gives {given}")

    def _with_system(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Puts the model's system prompt first, unless the template has one of its own."""
        messages = asked.get("messages")
        if not self._system or not isinstance(messages, list):
            return asked
        if messages and isinstance(messages[0], dict) and messages[0].get("role") == "system":
            return asked
        return {**asked, "messages": [{"role": "system", "content": self._system}, *messages]}

    def _answer(self, text: str) -> str:
        """The text after a reasoning model's thoughts."""
        if not self._end_token:
            return text
        _, found, answer = text.rpartition(self._end_token)
        if found:
            return answer.strip()
        if self._unfinished:
            return text
        raise EvaluationError(
            "response",
            f"the reply ended before {self._end_token!r}: allow more max_tokens, or set "
            "reasoning_params.include_if_not_finished",
        )
