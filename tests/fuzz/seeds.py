"""Requests that are right, for the fuzz to alter: one that is all wrong gets no further than the
door."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from tests.fuzz.methods import Method

Document = dict[str, Any]

ENDPOINT = {"url": "http://127.0.0.1:9/v1", "model_id": "m", "api_key": "key"}
DATASET = {"files_url": "hf://datasets/fuzz/rows", "limit": 3}
ROWS = [{"a": "x", "n": 1}, {"a": "y", "n": 2.5}, {"a": None, "b": [1, {"c": True}]}]

RETRIEVER = {"pipeline": {"query_embedding_model": "m", "index_embedding_model": "m"}}

TARGETS: list[Document] = [
    {"type": "TARGET_TYPE_ROWS", "rows": ROWS},
    {"type": "TARGET_TYPE_ROWS", "rows": ROWS, "namespace": "fuzz", "name": "rows"},
    {"type": "TARGET_TYPE_MODEL", "model": "m"},
    {"type": "TARGET_TYPE_MODEL", "inline_model": {"api_endpoint": ENDPOINT}},
    {"type": "TARGET_TYPE_DATASET", "inline_dataset": DATASET},
    {"type": "TARGET_TYPE_CACHED_OUTPUTS", "cached_outputs": {"files_url": "hf://datasets/a/b"}},
    {"type": "TARGET_TYPE_RETRIEVER", "retriever": RETRIEVER},
    {"type": "TARGET_TYPE_RAG", "rag": {"pipeline": {"model": "m", "retriever": RETRIEVER}}},
]


def metric(kind: str, **params: Any) -> Document:
    return {"type": kind, "params": params}


METRICS = {
    "check": metric("string-check", check=["{{ a }}", "equals", "x"]),
    "number": metric("number-check", check=["{{ n }}", ">=", 2]),
    "bleu": metric("bleu", references=["{{ a }}"], candidate="{{ a }}"),
    "f1": metric("f1", reference="{{ a }}", candidate="x"),
}
DATA = {"type": "data", "metrics": METRICS}
CHAT = {
    "type": "chat-completion",
    "inline_dataset": DATASET,
    "params": {"template": {"messages": [{"role": "user", "content": "{{ item.a }}"}]}},
    "metrics": {"check": metric("string-check", check=["{{ sample.output_text }}", "equals", "x"])},
}
SIMILAR = {"type": "default", "inline_dataset": DATASET, "metrics": {"f1": {"type": "f1"}}}
PARAMS = {"parallelism": 2, "max_retries": 0, "request_timeout": 1, "limit_samples": 5}

CONFIGS: list[Document] = [
    {"type": "custom", "tasks": {"qa": DATA}},
    {"type": "custom", "tasks": {"qa": DATA}, "namespace": "fuzz", "name": "data"},
    {"type": "custom", "tasks": {"qa": CHAT}, "params": PARAMS},
    {"type": "similarity_metrics", "tasks": {"any": SIMILAR}, "params": PARAMS},
]

JOBS: list[Document] = [
    {"inline_target": TARGETS[0], "inline_config": CONFIGS[0], "max_runtime": 5},
    {"inline_target": TARGETS[0], "inline_config": CONFIGS[0], "custom_fields": {"k": "v"}},
    {"inline_target": TARGETS[2], "inline_config": CONFIGS[2]},
    {"target": "fuzz/rows", "config": "fuzz/data", "namespace": "fuzz", "priority": 1},
]

SCORE = {"value": 0.5, "stats": {"count": 2, "mean": 0.5}}
RESULTS: list[Document] = [
    {"job": "j", "tasks": {"qa": {"metrics": {"f1": {"scores": {"f1": SCORE}}}}}},
    {"description": "d", "custom_fields": {"k": "v"}},
]

LISTS: list[Document] = [
    {},
    {"page": 2, "page_size": 1},
    {"page_size": 2, "sort": "-updated_at"},
    {"page_size": 1000, "filter": {"namespace": "fuzz", "custom_fields": ["k=v"]}},
    {"filter": {"custom_fields": ["k=v"]}},
    {"search": {"description": ["d"], "custom_fields": ["k=v"], "id": ["eval"]}},
    {"filter": {"inline_created_at": {"gte": "2020-01-01T00:00:00"}}},
]

SEEDS = {
    "target": TARGETS,
    "config": CONFIGS,
    "job": JOBS,
    "result": RESULTS,
}


def seeds(method: Method) -> list[Message]:
    """Right requests of a method, but for the entities that they are about."""
    documents: list[Document] = [{}]
    for field in method.takes.fields:
        if field.name in SEEDS and field.message_type is not None:
            documents = [{field.name: entity} for entity in SEEDS[field.name]]
    if "page_size" in method.takes.fields_by_name:
        documents = [{k: v for k, v in asked.items() if fits(method, k, v)} for asked in LISTS]
    return [ParseDict(document, method.request()) for document in documents]


def fits(method: Method, key: str, value: Any) -> bool:
    """Whether a list request has a member, and the members of that."""
    field = method.takes.fields_by_name.get(key)
    if field is None or not isinstance(value, dict):
        return field is not None
    return set(value) <= set(field.message_type.fields_by_name)
