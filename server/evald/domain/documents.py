"""Documents: entities in their plain form, as REST shows them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from evald.domain import ids
from evald.domain.references import DEFAULT_NAMESPACE, check_name
from evald.errors import InvalidArgument, Violation

Document = dict[str, Any]

SCHEMA_VERSION = "1.0"

BOOKKEEPING = frozenset(
    {"id", "created_at", "updated_at", "schema_version", "type_prefix", "row_count"}
)
"""Members that only evald sets; what a request says of them is dropped."""

EXACT = 2**53
"""Whole numbers up to here are exact in the doubles that a Struct holds."""

OPAQUE = frozenset({"custom_fields", "params", "ownership", "metrics"})
"""Members whose insides are the user's own."""

MODEL_MEMBERS = frozenset(
    {"model", "query_embedding_model", "index_embedding_model", "reranker_model"}
)

HOLDERS = frozenset({"retriever", "rag", "pipeline"})
"""Members of a target that hold models and data sets of their own."""

MAX_LENGTH = 255
"""Characters of a text that the store has in an index."""

MAX_BYTES = 2600
"""Bytes of the texts that are in one index together, as UTF-8: PostgreSQL takes no more."""


def write_time(moment: datetime) -> str:
    """A time as documents hold it: naive UTC with microseconds."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def check_lengths(document: Mapping[str, Any]) -> None:
    """Raises InvalidArgument when a text of an entity or job is too long to be in an index."""
    if violations := [*_too_long(document)]:
        raise InvalidArgument.all(violations)


def _too_long(document: Mapping[str, Any]) -> Iterator[Violation]:
    place = "".join(document.get(key) or "" for key in ("namespace", "name"))
    for key in ("project", "type"):
        text = document.get(key) or ""
        if len(text) > MAX_LENGTH:
            yield Violation(key, f"it has {len(text)} characters; use at most {MAX_LENGTH}")
        elif len((place + text).encode(errors="surrogatepass")) > MAX_BYTES:
            message = f"it has more than {MAX_BYTES} bytes together with namespace and name"
            yield Violation(key, message)
    tasks = document.get("tasks") or {}
    yield from _long_names("tasks", tasks)
    for name, task in tasks.items():
        yield from _long_names(f"tasks.{name[:MAX_LENGTH]}.metrics", task.get("metrics") or {})


def _long_names(field: str, names: Collection[str]) -> Iterator[Violation]:
    for name in names:
        if len(name) > MAX_LENGTH:
            message = f"the name {name[:40]!r}... has {len(name)} characters"
            yield Violation(field, f"{message}; use at most {MAX_LENGTH}")


@dataclass(frozen=True, slots=True)
class Maker:
    """Fills in what a new entity gets from the server. The clock and ids are injected for tests."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[str], str] = ids.new_id

    def entity(self, document: Mapping[str, Any], prefix: str) -> Document:
        """A new target, config, model or data set: id, name, namespace, times and defaults.

        Raises InvalidArgument when the name or namespace cannot be one, or a text is too long.
        """
        made = self._identified(document, prefix)
        check_lengths(made)
        return made

    def _identified(self, document: Mapping[str, Any], prefix: str) -> Document:
        """The entity, and all that it holds, with an identity. Raises InvalidArgument."""
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
        check_lengths(made)
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
            model = self._identified(value, ids.MODEL)
            model.update(schema_version=SCHEMA_VERSION, type_prefix=ids.MODEL)
            model.setdefault("version_id", "main")
            model.setdefault("version_tags", [])
            if endpoint := model.get("api_endpoint"):
                model["api_endpoint"] = {"format": "nim", **endpoint}
            return model
        if key == "dataset":
            dataset = self._identified(value, ids.DATASET)
            dataset.update(schema_version=SCHEMA_VERSION)
            dataset.setdefault("version_id", "main")
            dataset.setdefault("version_tags", [])
            return dataset
        if key == "tasks":
            return {
                name: {k: self._member(k, v) for k, v in task.items()}
                for name, task in value.items()
            }
        if key in HOLDERS:
            return {k: self._member(k, v) for k, v in value.items()}
        return value
