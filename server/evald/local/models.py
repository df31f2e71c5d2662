"""The models that one job runs, each loaded once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol

Kind = Literal["writes", "embeds"]
Engine = Literal["auto", "transformers", "vllm"]
"""What runs models that write: `auto` is vLLM where it is installed, there are GPUs, and the job
runs no other model, since vLLM leaves that no room on them."""

Artifact = Mapping[str, Any]


class Served(Protocol):
    """An OpenAI-compatible endpoint on this machine. `name` is what it calls its model; None takes
    any name."""

    @property
    def url(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def name(self) -> str | None: ...


class LocalModels:
    """Loads artifacts and serves them until `close`.

    `link` puts links to an artifact's files into a folder, and `say` writes into the log of the
    job. `count` is how many models the job runs (see `checkpoints.count_local`).
    """

    def __init__(
        self,
        link: Callable[[Artifact, Path], None],
        say: Callable[[str, str], None],
        engine: Engine = "auto",
        count: int = 1,
    ) -> None:
        self._link = link
        self._say = say
        self._engine = engine
        self._count = count
        self._open = ExitStack()
        self._servers: dict[tuple[object, ...], Served] = {}

    def serve(self, artifact: Artifact, kind: Kind) -> Served:
        """The server of an artifact, which is loaded when it is first asked for. Raises
        EvaluationError of kind `model` when that cannot be."""
        key = (artifact.get("files_url"), artifact.get("precision"), kind)
        if key not in self._servers:
            began = time.monotonic()
            self._servers[key] = self._start(artifact, kind)
            engine = "vLLM" if self._by_vllm(kind) else "transformers"
            seconds = time.monotonic() - began
            self._say("info", f"model.artifact loaded in {seconds:.1f} s, and run by {engine}")
        return self._servers[key]

    def close(self) -> None:
        """Ends the servers and frees the memory of the models, on GPUs too."""
        self._servers.clear()
        self._open.close()

    def _start(self, artifact: Artifact, kind: Kind) -> Served:
        # Most jobs run no model, and their processes start the sooner.
        from evald.local import loading
        from evald.local.checkpoint import Checkpoint
        from evald.local.encoder import Encoder
        from evald.local.engine import Engine as Writer
        from evald.local.server import Server, embedding, writing
        from evald.local.vllm import Vllm

        with ExitStack() as opened:
            folder = Path(opened.enter_context(TemporaryDirectory(prefix="evald-")))
            self._link(artifact, folder)
            precision = artifact.get("precision")
            if self._by_vllm(kind):
                served = Vllm(folder, artifact["files_url"], precision=precision)
                opened.callback(served.close)
                self._open.push(opened.pop_all())
                return served
            if kind == "embeds":
                encoder = Encoder(folder, precision=precision)
                opened.callback(encoder.close)
                ends = embedding(encoder)
            else:
                checkpoint = Checkpoint(folder, precision=precision)
                opened.callback(checkpoint.close)
                engine = Writer(checkpoint, memory=loading.room())
                opened.callback(engine.close)
                ends = writing(checkpoint, engine)
            server = Server(ends)
            opened.callback(server.close)
            self._open.push(opened.pop_all())
        return server

    def _by_vllm(self, kind: Kind) -> bool:
        """Whether vLLM runs a model of a kind."""
        from evald.local import vllm

        if kind == "embeds" or self._engine == "transformers":
            return False
        if self._engine == "vllm":
            return True
        return self._count <= 1 and vllm.is_installed() and vllm.gpus() > 0
