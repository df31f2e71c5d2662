"""Evaluates a real language model on real questions, end to end: what `make demo` runs.

It starts a small model and `evald up`, stores a data set, evaluates over REST, reads the same
result over gRPC, and stops what it started. What evald kept stays in `.evald-demo`.
"""

from __future__ import annotations

import json
import textwrap
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc

from demo import questions
from demo.model import AT_ONCE, NAME, Model
from demo.stage import (
    FOLDER,
    NAMESPACE,
    DemoError,
    Rest,
    perform,
    phase,
    put,
    say,
    show_scores,
    shown,
)
from evaluation.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc
from tests.service import Service

MAX_TOKENS = 40


def target(model: Model) -> dict[str, Any]:
    """What is evaluated: the model behind its endpoint."""
    return {
        "namespace": NAMESPACE,
        "name": "smollm2",
        "type": "model",
        "model": {"api_endpoint": {"url": model.url, "model_id": NAME}},
    }


def config(files_url: str) -> dict[str, Any]:
    """How it is evaluated: each question is asked in a chat, and the answer scored four ways.

    `finished` tells answers that end like a sentence from those that ran out of tokens.
    """
    reference = {"reference": "{{ item.ideal_response }}"}
    finished = ["{{ sample.output_text | trim }}", "endswith", "."]
    return {
        "namespace": NAMESPACE,
        "name": "mt-bench",
        "type": "custom",
        "params": {
            "parallelism": AT_ONCE,
            "max_retries": 1,
            "max_tokens": MAX_TOKENS,
            "temperature": 0,
        },
        "tasks": {
            "qa": {
                "type": "chat-completion",
                "params": {
                    "template": {
                        "messages": [
                            {"role": "system", "content": "Answer in one short sentence."},
                            {"role": "user", "content": "{{ item.prompt }}"},
                        ]
                    }
                },
                "dataset": {"files_url": files_url},
                "metrics": {
                    "rouge": {"type": "rouge", "params": reference},
                    "f1": {"type": "f1", "params": reference},
                    "bleu": {"type": "bleu", "params": reference},
                    "finished": {"type": "string-check", "params": {"check": finished}},
                },
            }
        },
    }


def similarity(files_url: str) -> dict[str, Any]:
    """A job on the answers that the first one got: no model is asked."""
    metrics = {name: {"type": name} for name in ("accuracy", "bleu", "em", "f1", "rouge")}
    return {
        "namespace": NAMESPACE,
        "target": {"type": "cached_outputs", "cached_outputs": {"files_url": files_url}},
        "config": {
            "type": "similarity_metrics",
            "tasks": {"qa": {"type": "default", "metrics": metrics}},
        },
    }


def main(folder: Path = FOLDER) -> None:
    """Runs the demo; ends with status 1 and a message when something goes wrong."""
    perform(run, folder)


def run(folder: Path) -> None:
    """The demo itself."""
    with ExitStack() as started:
        with phase(f"Start {NAME} behind an OpenAI-compatible endpoint, on the CPU"):
            model = started.enter_context(Model(folder / "model.log"))
            say(model.url)
        with phase("Start evald: gRPC server, executor and REST gateway"):
            service = started.enter_context(Service(folder, EVALD_GRACE_SECONDS="1"))
            say(f"REST {service.rest}, gRPC {service.grpc}")
        rest = Rest(service)

        with phase("Store a data set"):
            count = questions.write(folder / "questions.jsonl")
            files_url = put(service, "mt-bench", folder / "questions.jsonl")
            say(f"{count} questions of MT-Bench with reference answers: {files_url}")
        with phase("Create a target and a config over REST"):
            for path, body in (("/targets", target(model)), ("/configs", config(files_url))):
                made = rest("POST", path, body)
                say(f"POST {path}: {made['namespace']}/{made['name']} ({made['id']})")
        with phase(
            f"Evaluate: {count} chats, {AT_ONCE} at a time, at most {MAX_TOKENS} tokens each"
        ):
            names = {"target": f"{NAMESPACE}/smollm2", "config": f"{NAMESPACE}/mt-bench"}
            job_id = rest("POST", "/jobs", {"namespace": NAMESPACE, **names})["id"]
            say(f"POST /jobs: {job_id}")
            rest.finish(job_id)
        with phase("Read the result"):
            result = rest("GET", f"/jobs/{job_id}/results")
            show_scores(result["tasks"]["qa"])
            if errors := (result["tasks"]["qa"].get("data") or {}).get("errors"):
                raise DemoError(f"some chats failed: {errors}; is the model still there?")
            archive = folder / f"{job_id}.zip"
            archive.write_bytes(rest.fetch("GET", f"/jobs/{job_id}/download-results").content)
            with zipfile.ZipFile(archive) as opened:
                samples = json.loads(opened.read("results.json"))["qa"]
            show_samples(samples)
        with phase("Score the same answers again, as cached outputs: no model is asked"):
            write_answers(samples, folder / "answers.json")
            files_url = put(service, "answers", folder / "answers.json")
            again = rest("POST", "/jobs", similarity(files_url))["id"]
            rest.finish(again)
            show_scores(rest("GET", f"/jobs/{again}/results")["tasks"]["qa"])
        with phase("Read the first result again, over gRPC"):
            check_grpc(service, job_id, result)
    show_what_is_left(job_id, model, archive)


def write_answers(samples: list[dict[str, Any]], path: Path) -> None:
    """Writes answers in the form of cached outputs."""
    rows = [
        {"input": sample["item"], "response": sample["sample"]["output_text"], "llm_name": NAME}
        for sample in samples
        if "error" not in sample
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")


def check_grpc(service: Service, job_id: str, result: dict[str, Any]) -> None:
    """Reads a job's result through the generated stubs. Raises DemoError when it is another one."""
    with grpc.insecure_channel(service.grpc) as channel:
        jobs = job_service_pb2_grpc.JobServiceStub(channel)
        job = jobs.GetJob(job_service_pb2.GetJobRequest(job_id=job_id), timeout=10)
        answer = jobs.GetJobResult(job_service_pb2.GetJobResultRequest(job_id=job_id), timeout=10)
    say(f"GetJob: {job_pb2.JobStatus.Name(job.status)}")
    for name, metric in sorted(answer.tasks["qa"].metrics.items()):
        for score, found in sorted(metric.scores.items()):
            value = result["tasks"]["qa"]["metrics"][name]["scores"][score]["value"]
            if found.value != value:
                raise DemoError(f"{name}.{score} is {found.value} over gRPC, {value} over REST")
    say(f"GetJobResult: {answer.id}, every score as REST shows it")


def show_samples(samples: list[dict[str, Any]]) -> None:
    """Shows three samples, those with the best ROUGE-L."""
    answered = [sample for sample in samples if "error" not in sample]
    answered.sort(key=lambda s: s["metrics"]["rouge"]["scores"]["rouge_L_score"]["value"])
    for sample in reversed(answered[-3:]):
        print()
        for title, text in (
            ("prompt", sample["item"]["prompt"]),
            ("answer", sample["sample"]["output_text"]),
            ("reference", sample["item"]["ideal_response"]),
            ("scores", scores_line(sample)),
        ):
            flat = textwrap.shorten(text, 240, placeholder=" ...")
            say(textwrap.fill(flat, 96, initial_indent=f"{title:<11}", subsequent_indent=" " * 14))


def scores_line(sample: dict[str, Any]) -> str:
    return ", ".join(
        f"{metric if score == 'string-check' else score} {found['value']:.3f}"
        for metric, scored in sorted(sample["metrics"].items())
        for score, found in sorted(scored["scores"].items())
    )


def show_what_is_left(job_id: str, model: Model, archive: Path) -> None:
    """Says where the files are, and how to make the same calls by gRPC."""
    folder = archive.parent
    port = model.url.rsplit(":", 1)[1].split("/")[0]
    service = "evaluation.v1"
    calls = [
        ("TargetService/GetTarget", {"namespace": NAMESPACE, "name": "smollm2"}),
        ("ConfigService/GetConfig", {"namespace": NAMESPACE, "name": "mt-bench"}),
        (
            "JobService/CreateJob",
            {
                "job": {
                    "namespace": NAMESPACE,
                    "target": f"{NAMESPACE}/smollm2",
                    "config": f"{NAMESPACE}/mt-bench",
                }
            },
        ),
        ("JobService/GetJobStatus", {"job_id": job_id}),
        ("JobService/GetJobResult", {"job_id": job_id}),
        ("JobService/ListJobSamples", {"job_id": job_id, "page_size": 3}),
    ]
    print("\nWhat is left")
    say(f"{shown(archive)}: results.json, result.json, config, target and log of the job")
    say(f"{shown(folder)}: database, data sets and results; the next demo starts afresh")
    print("\nThe same by gRPC: start both again, each in a terminal of its own (Ctrl-C ends it),")
    say(f".venv/bin/python -m demo.model --port {port}")
    say(f".venv/bin/evald up --data-dir {shown(folder)}")
    print("and call")
    say("grpcurl -plaintext 127.0.0.1:50051 list")
    for method, body in calls:
        say(f"grpcurl -plaintext -d '{json.dumps(body)}' 127.0.0.1:50051 {service}.{method}")


if __name__ == "__main__":
    main()
