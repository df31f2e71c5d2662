"""A checkpoint that vLLM serves, from a process of its own.

vLLM is not a dependency: whoever wants it installs it beside evald. Its options and variables are
those of https://docs.vllm.ai/en/stable/cli/serve/ and .../configuration/env_vars/.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from evald.errors import EvaluationError
from evald.local.folder import examine, wrong
from evald.local.loading import DTYPES

MODULE = "vllm.entrypoints.openai.api_server"

POLL_SECONDS = 0.1
END_SECONDS = 10
"""How long vLLM may take to put things away once it is told to end."""

LISTED = 2**20
"""Bytes of its list of models that are read."""

TOLD = 2**12
"""Bytes of its log that an error is told by."""

PRIVATE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
"""Keeps it from asking for files and from telling of its use."""

PARSERS = {"<tool_call>": "hermes", "<|python_tag|>": "llama3_json", "[TOOL_CALLS]": "mistral"}
"""Its parsers of calls of tools, by what is in the chat templates of such models."""

TEMPLATES = ("chat_template.jinja", "tokenizer_config.json")

# Leads the process group of vLLM, and kills it when the pipe that standard input is breaks: the
# process that holds the other end is gone then, however it ended. What vLLM's server leaves when it
# ends by itself is killed too: nobody would watch the pipe any more. (Running Python between fork
# and exec instead is not safe with threads, and the kernel's parent-death signal would spare what
# vLLM has started.)
LAUNCH = """
import os, signal, subprocess, sys, threading
def watch():
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)
signal.signal(signal.SIGTERM, lambda *_: None)
threading.Thread(target=watch, daemon=True).start()
subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL).wait()
os.killpg(0, signal.SIGKILL)
"""


def is_installed() -> bool:
    return importlib.util.find_spec("vllm") is not None


def gpus() -> int:
    """How many GPUs this process sees."""
    try:
        import torch
    except ImportError:
        return 0
    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0


class Vllm:
    """Serves the model of a folder, by its `name`, until `close`. Nothing of the folder is run.

    Raises EvaluationError of kind `model` when vLLM is not installed, or ends before it answers.
    """

    def __init__(self, folder: Path, name: str, *, precision: str | None = None) -> None:
        examine(folder)
        if not is_installed():
            raise EvaluationError(
                "model", "EVALD_LOCAL_ENGINE is vllm, and that is not there: pip install vllm"
            )
        self.name = name
        self.key = secrets.token_urlsafe(32)
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}/v1"
        self._log = TemporaryFile()  # noqa: SIM115, `close` closes it
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, sys.executable, *self._arguments(folder, precision)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            # In its environment, since everybody on the machine may read its arguments.
            env={**os.environ, **PRIVATE, "VLLM_API_KEY": self.key},
            start_new_session=True,
        )
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends vLLM and all that it has started; its memory on GPUs is free then."""
        if self._log.closed:
            return
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + END_SECONDS
        while self._lives() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS / 10)
        self._signal(signal.SIGKILL)
        with suppress(ChildProcessError):  # its workers too, where they have become our children
            while True:
                os.waitpid(-self._process.pid, 0)
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._log.close()

    def _arguments(self, folder: Path, precision: str | None) -> list[str]:
        options = {
            "--model": str(folder),
            "--host": "127.0.0.1",
            "--port": str(self._port),
            "--served-model-name": self.name,
            "--load-format": "safetensors",
            "--tensor-parallel-size": str(max(1, gpus())),
        }
        if dtype := DTYPES.get(precision or ""):
            options["--dtype"] = dtype
        flags = []
        if parser := tool_parser(folder):
            options["--tool-call-parser"] = parser
            flags.append("--enable-auto-tool-choice")
        return ["-m", MODULE, *(f"{name}={value}" for name, value in options.items()), *flags]

    def _wait(self) -> None:
        """Returns when it answers. How long that may take is the job's affair."""
        while self._lives():
            if self.name in models_at(self._port, self.key):
                return
            time.sleep(POLL_SECONDS)
        raise wrong(
            f"vLLM ended before it answered (EVALD_LOCAL_ENGINE=transformers does without it): "
            f"{self._told()}"
        )

    def _lives(self) -> bool:
        """Whether it has not ended. It is not reaped by this: until `close`, its process group
        cannot become somebody else's."""
        what = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, what) is None

    def _told(self) -> str:
        """The last lines of its log."""
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - TOLD))
        lines = self._log.read().decode(errors="replace").split("\n")
        return " | ".join([line.strip() for line in lines if line.strip()][-5:])[-1000:]

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def tool_parser(folder: Path) -> str | None:
    """The parser of vLLM for the calls that a model writes, as its chat template tells."""
    for path in map(folder.joinpath, TEMPLATES):
        if path.exists():
            text = path.read_text(errors="replace")
            for sign, parser in PARSERS.items():
                if sign in text and "tools" in text:
                    return parser
    return None


def models_at(port: int, key: str) -> list[str]:
    """The models that a server on this machine has for who shows the key. Another server may have
    taken the port meanwhile: it does not know the key, or has other models."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            return []
        return [model["id"] for model in json.loads(response.read(LISTED))["data"]]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return []
    finally:
        connection.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
