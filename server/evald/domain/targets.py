"""What a target must have, and a config's data sets, before a job can use them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from evald.domain.datasets import files_url
from evald.errors import InvalidArgument, Violation

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
    violations = [*_member(kind, member), *_lacks(target)]
    if violations:
        raise InvalidArgument.all(violations)


def check_datasets(config: Mapping[str, Any]) -> None:
    """Raises InvalidArgument when a data set of a config's task lacks its files."""
    violations = [
        violation
        for name, task in (config.get("tasks") or {}).items()
        if "dataset" in task
        for violation in _dataset(f"tasks.{name}.dataset", task["dataset"])
    ]
    if violations:
        raise InvalidArgument.all(violations)


def _member(kind: str, member: Any) -> Iterator[Violation]:
    match kind:
        case "model":
            return _model(kind, member)
        case "cached_outputs" | "dataset":
            return _dataset(kind, member)
        case "retriever" | "rag":
            return _dataset(f"{kind}.dataset", member.get("dataset"))
    return iter(())


def _model(path: str, model: Any) -> Iterator[Violation]:
    if not isinstance(model, Mapping):
        return
    endpoint, artifact = model.get("api_endpoint"), model.get("artifact")
    if endpoint is not None:
        yield from _url(f"{path}.api_endpoint.url", endpoint.get("url"))
        if not endpoint.get("model_id"):
            yield Violation(f"{path}.api_endpoint.model_id", "say which model to ask")
    elif artifact is None:
        yield Violation(f"{path}.api_endpoint", "say where the model is served")
    else:
        if not artifact.get("files_url"):
            yield Violation(f"{path}.artifact.files_url", "say where its files are")
        if (artifact.get("tensor_parallelism") or 1) < 1:
            yield Violation(f"{path}.artifact.tensor_parallelism", "it must be 1 or more")


def _dataset(path: str, dataset: Any) -> Iterator[Violation]:
    if isinstance(dataset, str):
        try:
            files_url(dataset, path)
        except InvalidArgument as e:
            yield from e.violations
    if not isinstance(dataset, Mapping):
        return
    if not dataset.get("files_url"):
        yield Violation(
            f"{path}.files_url",
            f"Dataset {dataset.get('name') or ''} is not in the expected format; it needs to have "
            "the files_url property set",
        )
    limit = dataset.get("limit")
    if limit is not None and limit < 1:
        yield Violation(f"{path}.limit", f"{limit} is not a number of rows from 1")


def _lacks(holder: Mapping[str, Any], path: str = "") -> Iterator[Violation]:
    """What the pipelines of a target, or of another pipeline, lack."""
    for kind, needed in PIPELINES.items():
        pipeline = (holder.get(kind) or {}).get("pipeline")
        if pipeline is not None:
            at = f"{path}{kind}.pipeline"
            lacking = [key for key in needed if pipeline.get(key) in (None, "")]
            yield from (Violation(f"{at}.{key}", needed[key]) for key in lacking)
            yield from _lacks(pipeline, f"{at}.")


def _url(path: str, url: str | None) -> Iterator[Violation]:
    if not url:
        yield Violation(path, "say where the model is served")
        return
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        yield Violation(path, f"{url[:200]!r} is not an http or https URL")
    elif parts.username or parts.password:
        yield Violation(path, "give credentials in api_key, not in the URL")
