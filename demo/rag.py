"""Evaluates a retriever and a RAG pipeline of small real models, end to end: what `make demo-rag`
runs.

It starts an embedder, a ranker, a language model and `evald up`, indexes docstrings of Python's
standard library, and measures over REST what is found for their first lines, and what the model
answers from that. Of a model this small the judgements are worth little; the ways are those of a
large one.
"""

from __future__ import annotations

import textwrap
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from demo.embedder import NAME as EMBEDDER
from demo.embedder import Embedder
from demo.model import NAME as MODEL
from demo.model import Model
from demo.reranker import NAME as RERANKER
from demo.reranker import Reranker
from demo.served import Served
from demo.stage import FOLDER, NAMESPACE, Rest, perform, phase, say, show_scores
from tests.service import Service

DOCUMENTS = 200
QUERIES = 50
QUESTIONS = 5
CHARACTERS = 300
TOP_K = 3
MEASURES = ("recall_5", "ndcg_cut_5", "recip_rank")
GRADES = ("context_relevance", "response_groundedness", "answer_relevancy")
COLLECTION = {"files_url": "file://python/", "limit": DOCUMENTS}


def at(served: Served, name: str) -> dict[str, Any]:
    """A model behind its endpoint."""
    return {"api_endpoint": {"url": served.url, "model_id": name}}


def metrics(*names: str) -> dict[str, Any]:
    return {name: {"type": name} for name in names}


def search(pipeline: dict[str, Any]) -> dict[str, Any]:
    """A job that measures what is found for queries."""
    task = {"type": "beir", "dataset": COLLECTION, "metrics": metrics(*MEASURES)}
    return {
        "namespace": NAMESPACE,
        "target": {"type": "retriever", "retriever": {"pipeline": pipeline}},
        "config": {
            "type": "retriever",
            "params": {"limit_samples": QUERIES, "extra": {"max_characters": CHARACTERS}},
            "tasks": {"docs": task},
        },
    }


def answers(
    pipeline: dict[str, Any], model: dict[str, Any], embedder: dict[str, Any]
) -> dict[str, Any]:
    """A job that has a model answer from what is found, and judge its own answers."""
    rag = {"retriever": {"pipeline": {**pipeline, "top_k": TOP_K}}, "model": model}
    judge = {**model, "prompt": {"inference_params": {"max_tokens": 96}}}
    task = {
        "type": "beir",
        "dataset": COLLECTION,
        "params": {"judge_llm": judge, "judge_embeddings": embedder, "judge_max_workers": 4},
        "metrics": metrics(f"recall_{TOP_K}", *GRADES),
    }
    return {
        "namespace": NAMESPACE,
        "target": {"type": "rag", "rag": {"pipeline": rag}},
        "config": {
            "type": "rag",
            "params": {
                "limit_samples": QUESTIONS,
                "max_tokens": 48,
                "temperature": 0,
                "parallelism": 4,
                "extra": {"max_characters": CHARACTERS},
            },
            "tasks": {"docs": task},
        },
    }


def main(folder: Path = FOLDER) -> None:
    """Runs the demo; ends with status 1 and a message when something goes wrong."""
    perform(run, folder)


def run(folder: Path) -> None:
    """The demo itself."""
    with ExitStack() as started:
        with phase(
            f"Start {EMBEDDER}, {RERANKER} and {MODEL}, each behind an endpoint, on the CPU"
        ):
            embedder = at(started.enter_context(Embedder(folder / "embedder.log")), EMBEDDER)
            reranker = at(started.enter_context(Reranker(folder / "reranker.log")), RERANKER)
            model = at(started.enter_context(Model(folder / "model.log")), MODEL)
        with phase("Start evald: gRPC server, executor and REST gateway"):
            service = started.enter_context(Service(folder, EVALD_GRACE_SECONDS="1"))
            say(f"REST {service.rest}, gRPC {service.grpc}")
        rest = Rest(service)
        plain = {"query_embedding_model": embedder, "index_embedding_model": embedder}
        ranked = {**plain, "reranker_model": reranker, "top_k": 20}
        for title, pipeline in (("by embeddings", plain), ("and put in order by BM25", ranked)):
            with phase(f"Find {QUERIES} first lines among {DOCUMENTS} docstrings, {title}"):
                evaluate(rest, search(pipeline))
        with phase(f"Answer {QUESTIONS} of them from {TOP_K} docstrings, and judge the answers"):
            show_samples(evaluate(rest, answers(plain, model, embedder)))


def evaluate(rest: Rest, job: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs a job, shows its scores, and answers its samples."""
    job_id = rest("POST", "/jobs", job)["id"]
    say(f"POST /jobs: {job_id}")
    rest.finish(job_id)
    task = rest("GET", f"/jobs/{job_id}/results")["tasks"]["docs"]
    show_scores(task)
    if failed := task.get("data", {}).get("failed"):
        say(f"failed: {failed} (each score is the mean over the samples that have one)")
    samples: list[dict[str, Any]] = rest("GET", f"/jobs/{job_id}/samples")["data"]
    return samples


def show_samples(samples: list[dict[str, Any]]) -> None:
    """Shows three samples."""
    for one in samples[:3]:
        answer = one["sample"] or {}
        scores = {k: v for metric in one["metrics"].values() for k, v in metric.items()}
        print()
        for title, text in (
            ("question", one["item"]["question"]),
            ("found", next(iter(answer.get("contexts", ())), "")),
            ("answer", answer.get("output_text", "")),
            ("scores", ", ".join(f"{k} {v:.3f}" for k, v in scores.items() if v is not None)),
            ("failed", (one.get("error") or {}).get("message", "")),
        ):
            if title == "failed" and not text:
                continue
            flat = textwrap.shorten(text, 240, placeholder=" ...")
            say(textwrap.fill(flat, 96, initial_indent=f"{title:<11}", subsequent_indent=" " * 14))


if __name__ == "__main__":
    main()
