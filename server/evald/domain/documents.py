"""Documents: entities in their plain form, as REST shows them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from evald.domain import ids
from evald.domain.references import DEFAULT_NAMESPACE, check_name
from evald.errors import InvalidArgument, Violation

Document = dict[str, Any]

SCHEMA_VERSION = "1.0"

BOOKKEEPING = frozenset(
    {"id", "created_at", "updated_at", "schema_version", "type_prefix", "row_count"}
)
"""Members that only evald sets; what a request says of them is dropped."""

OPAQUE = frozenset({"custom_fields", "params", "ownership", "metrics"})
"""Members whose insides are the user's own."""

MODEL_MEMBERS = frozenset(
    {"model", "query_embedding_model", "index_embedding_model", "reranker_model"}
)


def write_time(moment: datetime) -> str:
    """A time as documents hold it: naive UTC with microseconds."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Maker:
    """Fills in what a new entity gets from the server. The clock and ids are injected for tests."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[str], str] = ids.new_id

    def entity(self, document: Mapping[str, Any], prefix: str) -> Document:
        """A new target, config, model or data set: id, name, namespace, times and defaults.

        Raises InvalidArgument when the name or namespace cannot be one.
        """
        made = {k: v for k, v in document.items() if k not in BOOKKEEPING}
        entity_id = self.new_id(prefix)
        written = self.moment()
        made.update(
            id=entity_id,
            name=document.get("name") or entity_id,
            namespace=document.get("namespace") or DEFAULT_NAMESPACE,
            created_at=written,
            updated_at=written,
            custom_fields=document.get("custom_fields") or {},
        )
        check_name(made["name"], "name")
        check_name(made["namespace"], "namespace")
        return {k: self._member(k, v) for k, v in made.items()}

    def changed(
        self,
        stored: Document,
        changes: Mapping[str, Any],
        keys: Collection[str] | None,
        fixed: Collection[str],
    ) -> Document:
        """An entity with other top-level members: those in `keys`, by default those that `changes`
        has; one that `changes` lacks is taken away. Members in `fixed` must stay.

        Raises InvalidArgument.
        """
        made = dict(stored)
        for key in set(changes if keys is None else keys) - BOOKKEEPING:
            value = changes.get(key)
            if key in fixed and value is not None and value != stored.get(key):
                raise InvalidArgument.of(key, f"it is {stored.get(key)!r} and cannot be changed")
            if key not in fixed:
                made[key] = self._member(key, value)
        made["name"] = made.get("name") or stored["name"]
        made["namespace"] = made.get("namespace") or stored["namespace"]
        check_name(made["name"], "name")
        check_name(made["namespace"], "namespace")
        made["custom_fields"] = made.get("custom_fields") or {}
        made["updated_at"] = self.moment()
        return {k: v for k, v in made.items() if v is not None}

    def moment(self) -> str:
        """Now, as documents hold it."""
        return write_time(self.clock())

    def _member(self, key: str, value: Any) -> Any:
        """Gives inline models and data sets, at any depth of the typed members, an identity."""
        if not isinstance(value, dict) or key in OPAQUE:
            return value
        if key in MODEL_MEMBERS:
            model = self.entity(value, ids.MODEL)
            model.update(schema_version=SCHEMA_VERSION, type_prefix=ids.MODEL)
            model.setdefault("version_id", "main")
            model.setdefault("version_tags", [])
            if endpoint := model.get("api_endpoint"):
                model["api_endpoint"] = {"format": "nim", **endpoint}
            return model
        if key == "dataset":
            dataset = self.entity(value, ids.DATASET)
            dataset.update(schema_version=SCHEMA_VERSION)
            dataset.setdefault("version_id", "main")
            dataset.setdefault("version_tags", [])
            return dataset
        if key == "tasks":
            return {
                name: {k: self._member(k, v) for k, v in task.items()}
                for name, task in value.items()
            }
        if key in {"retriever", "rag", "pipeline"}:
            return {k: self._member(k, v) for k, v in value.items()}
        return value


PIPELINES = {
    "retriever": {
        "query_embedding_model": "say which model embeds the queries",
        "index_embedding_model": "say which model embeds the documents",
    },
    "rag": {
        "retriever": "say what finds the contexts",
        "model": "say which model answers the questions",
    },
}
"""Members that the pipeline of a retriever or a RAG system must have, and what to do about it."""


def check_target(target: Mapping[str, Any]) -> None:
    """Raises InvalidArgument unless the member that the target's type names is usable, and every
    pipeline whole."""
    kind = target.get("type")
    if not kind:
        raise InvalidArgument.of(
            "type", "say what is evaluated: model, cached_outputs, rows, dataset, retriever or rag"
        )
    member = target.get(kind)
    if not member:
        raise InvalidArgument.of(kind, f"a target of type {kind!r} needs {kind!r}")
    violations = [*_violations(kind, kind, member), *_lacks(target)]
    if violations:
        raise InvalidArgument.all(violations)


def check_datasets(config: Mapping[str, Any]) -> None:
    """Raises InvalidArgument when a data set of a config's task lacks its files."""
    violations = [
        violation
        for name, task in (config.get("tasks") or {}).items()
        if isinstance(task.get("dataset"), dict)
        for violation in _violations("dataset", f"tasks.{name}.dataset", task["dataset"])
    ]
    if violations:
        raise InvalidArgument.all(violations)


def _violations(kind: str, path: str, member: Any) -> list[Violation]:
    if kind == "model" and isinstance(member, Mapping):
        endpoint = member.get("api_endpoint")
        if endpoint is None:
            artifact = member.get("artifact")
            if artifact is None:
                return [Violation(f"{path}.api_endpoint", "say where the model is served")]
            return [
                *(
                    []
                    if artifact.get("files_url")
                    else [Violation(f"{path}.artifact.files_url", "say where its files are")]
                ),
                *(
                    [Violation(f"{path}.artifact.tensor_parallelism", "it must be 1 or more")]
                    if (artifact.get("tensor_parallelism") or 1) < 1
                    else []
                ),
            ]
        return [
            *_url(f"{path}.api_endpoint.url", endpoint.get("url")),
            *(
                []
                if endpoint.get("model_id")
                else [Violation(f"{path}.api_endpoint.model_id", "say which model to ask")]
            ),
        ]
    if kind in {"cached_outputs", "dataset"} and isinstance(member, Mapping):
        limit = member.get("limit")
        return [
            *(
                []
                if member.get("files_url")
                else [
                    Violation(
                        f"{path}.files_url",
                        f"Dataset {member.get('name') or ''} is not in the expected format; it "
                        "needs to have the files_url property set",
                    )
                ]
            ),
            *(
                [Violation(f"{path}.limit", f"{limit} is not a number of rows from 1")]
                if limit is not None and limit < 1
                else []
            ),
        ]
    return []


def _lacks(holder: Mapping[str, Any], path: str = "") -> Iterator[Violation]:
    """What the pipelines of a target, or of another pipeline, lack."""
    for kind, needed in PIPELINES.items():
        pipeline = (holder.get(kind) or {}).get("pipeline")
        if pipeline is not None:
            at = f"{path}{kind}.pipeline"
            lacking = [key for key in needed if pipeline.get(key) in (None, "")]
            yield from (Violation(f"{at}.{key}", needed[key]) for key in lacking)
            yield from _lacks(pipeline, f"{at}.")


def checkpoints(holder: Any) -> Iterator[Mapping[str, Any]]:
    """The artifacts of models in a target, at any depth, that evald has to run itself."""
    for key, value in holder.items() if isinstance(holder, Mapping) else ():
        if key in OPAQUE or not isinstance(value, Mapping):
            continue
        if key in MODEL_MEMBERS and not value.get("api_endpoint") and value.get("artifact"):
            yield value["artifact"]
        yield from checkpoints(value)


def _url(path: str, url: str | None) -> list[Violation]:
    if not url:
        return [Violation(path, "say where the model is served")]
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return [Violation(path, f"{url[:200]!r} is not an http or https URL")]
    if parts.username or parts.password:
        return [Violation(path, "give credentials in api_key, not in the URL")]
    return []
