"""A checkpoint that vLLM serves; a stub stands for vLLM, which answers by HTTP as that does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from evald.checkpoints import count_local
from evald.clients.model import ModelClients
from evald.errors import EvaluationError
from evald.local import vllm
from evald.local.models import Artifact, Engine, LocalModels
from evald.settings import Settings
from tests.checkpoint import checkpoint
from tests.processes import is_alive

STUB = Path(__file__).parent / "stub"
CHAT = {"messages": [{"role": "user", "content": "Hello?"}]}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vLLM that is installed, on a machine with two GPUs."""
    monkeypatch.syspath_prepend(str(STUB))
    monkeypatch.setenv("PYTHONPATH", str(STUB))
    monkeypatch.setattr(vllm, "gpus", lambda: 2)


@pytest.fixture
def clients(tmp_path: Path) -> Callable[..., ModelClients]:
    """Opens the clients of a job under settings; its log comes to `lines`."""

    def clients(lines: list[str], **settings: Any) -> ModelClients:
        given = Settings(data_dir=tmp_path / "data", file_roots=("/",), **settings).clients
        return ModelClients(given, say=lambda level, text: lines.append(text))

    return clients


def told(models: ModelClients, folder: Path, **artifact: Any) -> Any:
    """What the served model says of its process."""

    async def ask() -> Any:
        document = {"name": "own", "artifact": {"files_url": f"file://{folder}", **artifact}}
        async with models.open(document, {}) as client:
            return (await client.ask(CHAT)).text

    return json.loads(asyncio.run(ask()))


def await_end(pids: list[int]) -> None:
    deadline = time.monotonic() + 20
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def configured(folder: Path, **changed: Any) -> Path:
    """A folder that looks like a checkpoint."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **changed}))
    (folder / "model.safetensors").write_bytes(b"")
    return folder


@pytest.mark.usefixtures("stub")
def test_what_vllm_is_told(tmp_path: Path, clients: Callable[..., ModelClients]) -> None:
    folder = configured(tmp_path / "model")
    template = "{% if tools %}<tool_call>{% endif %}"
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    lines: list[str] = []
    with clients(lines) as models:
        found = told(models, folder, precision="bf16")
        again = told(models, folder, precision="bf16")
    options = found["options"]
    assert not Path(options.pop("--model")).exists()  # it was there while vLLM ran
    assert options.pop("--port").isdigit()
    assert options == {
        "--host": "127.0.0.1",
        "--served-model-name": f"file://{folder}",
        "--load-format": "safetensors",
        "--tensor-parallel-size": "2",
        "--dtype": "bfloat16",
        "--tool-call-parser": "hermes",
        "--enable-auto-tool-choice": "",
    }
    environment = found["environment"]
    assert environment["VLLM_API_KEY"] == "******"  # it is there, and nowhere shown
    for name in ("HF_HUB_OFFLINE", "VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"):
        assert environment[name] == "1"
    assert again["pids"] == found["pids"]
    assert len(lines) == 1
    assert lines[0].endswith("run by vLLM")
    assert not any(map(psutil.pid_exists, found["pids"][:2]))
    await_end(found["pids"])


@pytest.mark.usefixtures("stub")
def test_only_who_has_the_key_is_answered(tmp_path: Path) -> None:
    import requests

    served = vllm.Vllm(configured(tmp_path / "model"), "m")
    try:
        arguments = " ".join(psutil.Process(served._process.pid).cmdline())
        assert served.key not in arguments
        url = f"{served.url}/chat/completions"
        assert requests.post(url, json={"model": "m"}, timeout=9).status_code == 401
        shown = {"Authorization": f"Bearer {served.key}"}
        assert requests.post(url, json={"model": "m"}, headers=shown, timeout=9).ok
    finally:
        served.close()
    served.close()


@pytest.mark.usefixtures("stub")
def test_death_at_the_start(tmp_path: Path, clients: Callable[..., ModelClients]) -> None:
    folder = configured(tmp_path / "model", model_type="broken")
    with clients([]) as models, pytest.raises(EvaluationError, match="No supported kernel") as e:
        told(models, folder)
    assert e.value.kind == "model"
    assert "EVALD_LOCAL_ENGINE=transformers" in e.value.message


@pytest.mark.usefixtures("stub")
def test_a_folder_that_is_no_model_is_not_given_to_vllm(
    tmp_path: Path, clients: Callable[..., ModelClients], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = configured(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    monkeypatch.setattr(subprocess, "Popen", None)
    with clients([]) as models, pytest.raises(EvaluationError, match="may hold code"):
        told(models, folder)
    with pytest.raises(EvaluationError, match="may hold code"):
        vllm.Vllm(folder, "m")


@pytest.mark.usefixtures("stub")
def test_one_that_does_not_heed_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clients: Callable[..., ModelClients]
) -> None:
    monkeypatch.setattr(vllm, "END_SECONDS", 0.3)
    with clients([]) as models:
        pids = told(models, configured(tmp_path / "model", model_type="stubborn"))["pids"]
    await_end(pids)


@pytest.mark.usefixtures("stub")
def test_what_a_server_leaves_when_it_ends_by_itself_ends_too(
    tmp_path: Path, clients: Callable[..., ModelClients]
) -> None:
    with clients([]) as models:
        pids = told(models, configured(tmp_path / "model"))["pids"]
        os.kill(pids[1], signal.SIGKILL)
        await_end(pids)


class Stranger(BaseHTTPRequestHandler):
    """Answers anybody, as long as they ask for something."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"data": [{"id": "theirs"}]}')


@pytest.mark.usefixtures("stub")
def test_a_port_that_somebody_else_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        Thread(target=stranger.serve_forever, daemon=True).start()
        monkeypatch.setattr(vllm, "free_port", lambda: stranger.server_port)
        with pytest.raises(EvaluationError, match="Address already in use"):
            vllm.Vllm(configured(tmp_path / "model"), "m")
        stranger.shutdown()


HOLDER = """
import sys, time
from pathlib import Path
from evald.local.vllm import Vllm
served = Vllm(Path(sys.argv[1]), "m")
print(served._process.pid, flush=True)
time.sleep(600)
"""


def test_it_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    folder = configured(tmp_path / "model")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        env={**os.environ, "PYTHONPATH": str(STUB)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    leader = psutil.Process(int(holder.stdout.readline()))
    pids = [leader.pid, *(child.pid for child in leader.children(recursive=True))]
    assert len(pids) == 3
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    await_end(pids)


@pytest.mark.parametrize(
    ("engine", "installed", "count"),
    [("transformers", True, 2), ("auto", False, 2), ("auto", True, 0)],
)
def test_transformers_run_it_otherwise(
    tmp_path: Path,
    clients: Callable[..., ModelClients],
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    installed: bool,
    count: int,
) -> None:
    monkeypatch.setattr(vllm, "is_installed", lambda: installed)
    monkeypatch.setattr(vllm, "gpus", lambda: count)
    lines: list[str] = []
    folder = checkpoint(tmp_path / "model")
    with clients(lines, local_engine=engine) as models:
        models.connect({"artifact": {"files_url": f"file://{folder}"}}, {}, "writes")
    assert lines[0].endswith("run by transformers")


@pytest.mark.usefixtures("stub")
@pytest.mark.parametrize(
    ("engine", "count", "runner"),
    [("auto", 1, "vLLM"), ("auto", 2, "transformers"), ("vllm", 2, "vLLM")],
)
def test_vllm_shares_gpus_with_no_other_model(
    tmp_path: Path, engine: Engine, count: int, runner: str
) -> None:
    source = checkpoint(tmp_path / "model")

    def link(artifact: Artifact, folder: Path) -> None:
        for path in source.iterdir():
            (folder / path.name).symlink_to(path)

    lines: list[str] = []
    models = LocalModels(link, lambda level, text: lines.append(text), engine, count)
    models.serve({"files_url": "own"}, "writes")
    models.close()
    assert lines[0].endswith(f"run by {runner}")


def test_models_that_a_job_runs_are_counted() -> None:
    own = {"artifact": {"files_url": "a"}}
    judge = {"model": {"artifact": {"files_url": "b"}}}
    served = {"artifact": {"files_url": "c"}, "api_endpoint": {"url": "http://m/v1"}}
    pipeline = {"query_embedding_model": own, "index_embedding_model": own}
    config = {"params": {"extra": {"judge": judge}}, "tasks": {"t": {"metrics": [judge]}}}
    assert count_local({"model": own}, {}) == 1
    assert count_local({"model": own}, {"params": {"extra": {"judge": {"model": own}}}}) == 1
    assert count_local({"model": own}, config) == 2
    assert count_local({"retriever": {"pipeline": pipeline}, "model": served}, config) == 2
    assert count_local({"model": "meta/llama"}, {"model": served}) == 0


def test_vllm_that_is_asked_for_and_not_there(
    tmp_path: Path, clients: Callable[..., ModelClients], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm, "is_installed", lambda: False)
    folder = configured(tmp_path / "model")
    with (
        clients([], local_engine="vllm") as models,
        pytest.raises(EvaluationError, match="pip install vllm") as e,
    ):
        told(models, folder)
    assert e.value.kind == "model"
