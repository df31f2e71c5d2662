"""The clients of models behind OpenAI-compatible endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from evald.checkpoints import is_local
from evald.clients.checkpoints import Checkpoints
from evald.clients.concurrency import Concurrency, Say
from evald.clients.connection import Connection
from evald.clients.egress import Egress
from evald.clients.embeddings import EmbeddingClient
from evald.clients.endpoint import Endpoint
from evald.clients.ranking import RankingClient
from evald.clients.reply import Reply, parse
from evald.clients.retry import Backoff
from evald.errors import EvaluationError
from evald.local.models import Kind, LocalModels
from evald.settings import ClientSettings

PARALLELISM = 16
MAX_RETRIES = 5
REQUEST_TIMEOUT = 60.0

PATIENCE = 30 * 86400.0
"""Seconds that a model which is run here may take for an answer: the time of the job ends it."""


def unheard(level: str, message: str) -> None:
    """Where there is no log."""


class ModelClients:
    """Opens clients of models; those of one endpoint share what it takes.

    `backoff` says how long they wait between tries, `deadline` when they stop (on the clock of the
    event loop), `say` writes into the log of the job, and `count` is how many models it has to run
    itself.
    """

    def __init__(
        self,
        settings: ClientSettings,
        backoff: Backoff | None = None,
        *,
        deadline: float | None = None,
        say: Say = unheard,
        count: int = 1,
    ) -> None:
        self._settings = settings
        self._backoff = backoff or Backoff()
        self._deadline = deadline
        self._say = say
        self._egress = Egress(settings.egress)
        link = Checkpoints(settings).link
        self._local = LocalModels(link, say, settings.local_engine, count)
        self._limits: dict[str, Concurrency] = {}

    def __enter__(self) -> ModelClients:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Puts away the models that were run here, and all that they hold. Other connections close
        with their clients."""
        self._local.close()

    def open(self, model: Mapping[str, Any] | str, params: Mapping[str, Any]) -> ModelClient:
        """A client of a model that writes; else as `connect`."""
        return ModelClient(self.connect(model, params, "writes"))

    def embedder(
        self, model: Mapping[str, Any] | str, params: Mapping[str, Any]
    ) -> EmbeddingClient:
        """A client of a model that turns texts into vectors; else as `connect`."""
        return EmbeddingClient(self.connect(model, params, "embeds"))

    def reranker(self, model: Mapping[str, Any] | str, params: Mapping[str, Any]) -> RankingClient:
        """A client of a model that tells how well passages suit a query; else as `connect`."""
        return RankingClient(self.connect(model, params))

    def connect(
        self,
        model: Mapping[str, Any] | str,
        params: Mapping[str, Any],
        kind: Kind | None = None,
    ) -> Connection:
        """A connection to a model, given as a document or, for EVALD_INFERENCE_URL, by its id. A
        model of a `kind` that has no endpoint, but an artifact, is loaded and served here.

        Of `params` it reads `parallelism`, `max_retries` and `request_timeout` (seconds a try).
        Raises EvaluationError of kind `model` when it is not clear where the model is, and of kind
        `request` when the URL is refused or a parameter is out of range.
        """
        if isinstance(model, str):
            endpoint: Mapping[str, Any] = {"url": self._settings.inference_url, "model_id": model}
            if not self._settings.inference_url:
                raise EvaluationError(
                    "model",
                    f"there is no model {model!r}: give an api_endpoint, check the name if it is "
                    "a target's, or set EVALD_INFERENCE_URL to the endpoint that serves it",
                )
        else:
            endpoint = model.get("api_endpoint") or {}
        egress, timeout = self._egress, _seconds(params, "request_timeout", REQUEST_TIMEOUT)
        if kind and is_local(model):
            endpoint = self._serve(model, kind)
            # Just this one place, whatever others are closed; and an answer takes what it takes.
            egress, timeout = Egress(), PATIENCE
        if not endpoint.get("url"):
            raise EvaluationError("model", "the model has no api_endpoint.url: say where it is")
        place = Endpoint(endpoint["url"], egress)
        parallelism = _whole(params, "parallelism", PARALLELISM, least=1)
        return Connection(
            place,
            egress,
            self._limit(place.origin, parallelism),
            model_id=endpoint.get("model_id"),
            api_key=endpoint.get("api_key"),
            parallelism=parallelism,
            max_retries=_whole(params, "max_retries", MAX_RETRIES, least=0),
            request_timeout=timeout,
            response_limit=self._settings.response_limit,
            backoff=self._backoff,
            deadline=self._deadline,
        )

    def _serve(self, model: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
        """The endpoint of a model that is run here."""
        server = self._local.serve(model["artifact"], kind)
        name = server.name or model.get("name") or model["artifact"]["files_url"]
        return {"url": server.url, "model_id": name, "api_key": server.key}

    def _limit(self, origin: str, parallelism: int) -> Concurrency:
        if origin not in self._limits:
            self._limits[origin] = Concurrency(origin, parallelism, self._say)
        self._limits[origin].allow(parallelism)
        return self._limits[origin]


class ModelClient:
    """Asks one endpoint."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def parallelism(self) -> int:
        """Requests in flight at once, at most."""
        return self._connection.parallelism

    async def ask(self, request: Mapping[str, Any]) -> Reply:
        """Sends a chat request (`messages`) or a completion request (`prompt`).

        Raises EvaluationError of a FailureKind when it fails for good, at the latest when the time
        of the job is over.
        """
        url = self._connection.endpoint.of(request)
        answer = await self._connection.post(url, request, parse)
        return replace(answer.value, seconds=answer.seconds, retries=answer.retries)

    async def close(self) -> None:
        """Closes the connections. The client can be used no more."""
        await self._connection.close()

    async def __aenter__(self) -> ModelClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _whole(params: Mapping[str, Any], name: str, default: int, *, least: int) -> int:
    value = params.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise EvaluationError("request", f"params.{name}: {value!r} is not a whole number")
    if value < least:
        raise EvaluationError("request", f"params.{name}: {value} is less than {least}")
    return int(value)


def _seconds(params: Mapping[str, Any], name: str, default: float) -> float:
    value = params.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise EvaluationError("request", f"params.{name}: {value!r} is not a number above 0")
    return float(value)
