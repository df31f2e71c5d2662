"""The demo with a model that answers at once, its interruption, and the real model by itself."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import zipfile
from contextlib import nullcontext
from pathlib import Path

import pytest
import requests

from demo import demo, questions, stage
from demo.model import NAME, Model
from evald.worker import Worker
from tests.commands import bash
from tests.endpoint import Answer, Endpoint
from tests.service import Service

ROOT = Path(__file__).parents[2]

START = """
import signal, sys
from pathlib import Path
from demo.demo import main
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
main(Path(sys.argv[1]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    stage.clear(folder)
    return folder


def run(folder: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the demo on another model."""
    monkeypatch.setattr(demo, "Model", lambda log: nullcontext(endpoint))
    demo.run(folder)


def test_shows_what_it_did(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Endpoint(reply="It is 42.") as endpoint:
        run(folder, endpoint, monkeypatch)
        printed = capsys.readouterr().out
        assert len(endpoint.requests) == 24
        # The calls that it tells one to make afterwards.
        calls = "\n".join(re.findall("^  (grpcurl .*)$", printed, re.MULTILINE))
        with Service(folder, EVALD_GRACE_SECONDS="1") as service:
            answers = bash(calls.replace("127.0.0.1:50051", service.grpc), folder)
    assert re.search(r"^  completed  100.0 %$", printed, re.MULTILINE)
    assert re.search(r"^  rouge +rouge_L_score +0\.\d{4} +0\.\d{4} +24$", printed, re.MULTILINE)
    assert printed.count("\n  prompt  ") == printed.count("\n  reference  ") == 3
    assert "every score as REST shows it" in printed
    [archive] = folder.glob("eval-*.zip")
    assert str(archive) in printed
    with zipfile.ZipFile(archive) as opened:
        assert len(json.loads(opened.read("results.json"))["qa"]) == 24
    assert "evaluation.v1.JobService" in answers
    assert "JOB_STATUS_COMPLETED" in answers
    assert '"totalResults": 24' in answers


def test_says_what_went_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint() as endpoint:
        endpoint.always = Answer(400)
        with pytest.raises(stage.DemoError, match=r"^job eval-\w+ failed: .*400"):
            run(folder, endpoint, monkeypatch)
    logs = stage.ends_of_logs(folder)
    assert logs.startswith("The end of ")
    assert "attempt ended" in logs


def test_leaves_a_folder_that_is_in_use_alone(folder: Path) -> None:
    worker = Worker(folder)
    try:
        with pytest.raises(RuntimeError, match="an evald runs on"):
            stage.clear(folder)
    finally:
        worker.close()
    assert (folder / "worker").exists()
    stage.clear(folder)
    assert not any(folder.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stops_what_it_started(number: signal.Signals, folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed = ""
        while "POST /jobs" not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        process.send_signal(number)
        printed += process.communicate(timeout=30)[0]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1
    assert printed.endswith("interrupted; everything that it started has been stopped\n")
    urls = re.findall(r"http://[\d.:]+", printed)
    assert len(urls) == 2
    for url in urls:
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=5)


def test_model(tmp_path: Path) -> None:
    question = {"role": "user", "content": "What is the capital of France?"}
    body = {"model": NAME, "messages": [question], "max_tokens": 16, "temperature": 0}
    with Model(tmp_path / "model.log") as model:
        answer = requests.post(f"{model.url}/chat/completions", json=body, timeout=60).json()
    assert answer["choices"][0]["message"]["content"].strip()
    assert 0 < answer["usage"]["completion_tokens"] <= 16
    with pytest.raises(requests.ConnectionError):
        requests.get(model.url, timeout=5)


def test_questions() -> None:
    rows = questions.rows()
    assert len(rows) == 24
    assert {row["category"] for row in rows} == questions.CATEGORIES
    assert all(row["prompt"] and row["ideal_response"] for row in rows)
    assert len({row["prompt"] for row in rows}) == len(rows)
