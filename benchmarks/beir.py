"""A collection in BEIR's format, and the retriever job on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.shared import Document, model, write_rows
from tests.service import Service

TOP_K = 10


def write(
    folder: Path,
    documents: Iterable[Document],
    queries: Iterable[Document],
    found: Mapping[str, str],
) -> None:
    """Writes a collection in which each query has one document, `found`."""
    write_rows(folder / "corpus.jsonl", documents)
    write_rows(folder / "queries.jsonl", queries)
    (folder / "qrels").mkdir()
    lines = [f"{query}\t{document}\t1\n" for query, document in found.items()]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))


def put(service: Service, name: str, folder: Path) -> None:
    """Copies a collection into the embedded store."""
    parts = [str(folder / one) for one in ("corpus.jsonl", "queries.jsonl", "qrels")]
    service.run("datasets", "put", f"bench/{name}", *parts)


def job(name: str, url: str, *, parallelism: int, batch: int) -> tuple[Document, Document]:
    """Target and config that embed by an endpoint and search among a stored collection."""
    embedder = model(url)["model"]
    pipeline = {
        "query_embedding_model": embedder, "index_embedding_model": embedder, "top_k": TOP_K,
    }  # fmt: skip
    task: dict[str, Any] = {
        "type": "beir",
        "dataset": {"files_url": f"hf://datasets/bench/{name}"},
        "metrics": {"recall_10": {"type": "recall_10"}},
    }
    params = {"parallelism": parallelism, "extra": {"batch_size": batch}}
    config = {"type": "retriever", "params": params, "tasks": {"find": task}}
    return {"type": "retriever", "retriever": {"pipeline": pipeline}}, config
