"""Asks a model what lm-eval wants to know about a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from evald.harness.requests import Likelihood, generation
from evald.harness.tokens import Tokenizer
from evald.model import CHAT, DEFAULTS, AsGiven, Asker, ModelClient, Row
from evald.tasks import together

if TYPE_CHECKING:
    from evald.harness.suite import Document

GENERATION = "generate_until"

STOPS = 4
"""Stop words that chat endpoints take."""


class DocumentRow(dict[str, Any]):
    """A row, and the document that it is."""

    document: Document


class DocumentSample(dict[str, Any]):
    """A sample, its document and the answers as lm-eval takes them."""

    document: Document
    answers: list[list[Any]]


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as lm-eval takes it, and what came with it."""

    answer: Any
    response: Mapping[str, Any] | None
    usage: Any
    seconds: float
    retries: int


class Examinee:
    """A model that is asked in chats or for completions.

    `params` go into each request that is answered by writing. They, and what the model's
    `inference_params` say, win over what the task says; stop words are those of all.
    """

    def __init__(
        self,
        client: ModelClient,
        model: Mapping[str, Any] | str,
        form: str,
        tokenizer: Tokenizer | None,
        params: Mapping[str, Any],
    ) -> None:
        prompt: Mapping[str, Any] = model.get("prompt") or {} if isinstance(model, Mapping) else {}
        given = prompt.get("inference_params") or {}
        inference = {key: given[key] for key in DEFAULTS if given.get(key) is not None}
        self._client = client
        self._form = form
        self._tokenizer = tokenizer
        self._stop = params.get("stop") or inference.get("stop") or []
        self._said = {*inference, *params} - {"stop"}
        self._asker = Asker(client, AsGiven(), model, params=params, plain_text="prompt")

    async def __call__(self, row: Row, seen: Mapping[str, Any]) -> Mapping[str, Any]:
        """`{"output_text", "response", "usage", "answers", "seconds", "retries"}`: the response is
        that to the first request, if that was answered by writing, and `usage` has that of each.
        Where there is one answer and that is the text, there are no `answers`. Raises
        EvaluationError."""
        assert isinstance(row, DocumentRow)
        instances = row.document.instances
        said = await together(together([self._ask(i) for _ in range(i.repeats)]) for i in instances)
        every = [one for answers in said for one in answers]
        sample = DocumentSample(
            output_text=text_of(instances, said),
            response=every[0].response,
            usage=[one.usage for one in every],
            seconds=max(one.seconds for one in every),
            retries=sum(one.retries for one in every),
        )
        sample.document = row.document
        sample.answers = [[one.answer for one in answers] for answers in said]
        if len(every) > 1 or not isinstance(every[0].answer, str):
            sample["answers"] = [[to_json(a) for a in answers] for answers in sample.answers]
        return sample

    async def _ask(self, instance: Any) -> Said:
        if instance.request_type == GENERATION:
            request = generation(instance.args, self._form)
            stop = list(dict.fromkeys([*self._stop, *request.pop("stop")]))
            if self._form == CHAT:
                stop = stop[:STOPS]
            request = {k: v for k, v in request.items() if k not in self._said}
            if stop:
                request["stop"] = stop
            found = await self._asker({}, {"request": request})
            response = found["response"]
            told = response.get("usage"), found["seconds"], found["retries"]
            return Said(found["output_text"], response, *told)
        context, continuation = ("", *instance.args)[-2:]
        likelihood = Likelihood(context, continuation, self._tokenizer)
        reply = await self._client.ask(likelihood.request)
        value, greedy = likelihood.read(reply.response)
        rolling = instance.request_type == "loglikelihood_rolling"
        answer = value if rolling else (value, greedy)
        told = reply.response.get("usage"), round(reply.seconds, 6), reply.retries
        return Said(answer, None, *told)


def text_of(instances: Sequence[Any], said: Sequence[Sequence[Said]]) -> str:
    """What the model wrote, or of several texts the one that it finds most probable."""
    first = said[0][0].answer
    if isinstance(first, str):
        return first
    if isinstance(first, float) or len(said) == 1:
        return ""
    best = max(range(len(said)), key=lambda i: said[i][0].answer[0])
    return str(instances[best].args[-1]).strip()


def rows_of(documents: Sequence[Document]) -> Callable[[], Iterator[Row]]:
    """Reads the rows of documents."""

    def rows() -> Iterator[Row]:
        for document in documents:
            row = DocumentRow(document.row)
            row.document = document
            yield row

    return rows


def to_json(answer: Any) -> Any:
    """An answer as a sample keeps it; JSON has no infinity."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, tuple):
        return [to_json(answer[0]), answer[1]]
    return answer if isfinite(answer) else None


def recalled(sample: Mapping[str, Any] | None) -> list[list[Any]] | None:
    """The answers in a sample as lm-eval takes them; None when they are not there."""
    if sample is None or "output_text" not in sample:
        return None
    if "answers" not in sample:
        return [[sample["output_text"]]]
    return [[_recalled(answer) for answer in answers] for answers in sample["answers"]]


def _recalled(answer: Any) -> Any:
    if isinstance(answer, list):
        return (_recalled(answer[0]), bool(answer[1]))
    return -inf if answer is None else answer
