"""The models that one job runs, each loaded once."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from evald.local import loading
from evald.local.checkpoint import Checkpoint
from evald.local.encoder import Encoder
from evald.local.engine import Engine
from evald.local.server import Server, embedding, writing

Kind = Literal["writes", "embeds"]


class LocalModels:
    """Loads checkpoints and serves them until `close`. `say` writes into the log of the job."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say
        self._open = ExitStack()
        self._servers: dict[tuple[Path, Kind], Server] = {}

    def serve(self, folder: Path, kind: Kind, precision: str | None = None) -> Server:
        """The server of the checkpoint in a folder, which is loaded when it is first asked for.
        Raises EvaluationError of kind `model` when that cannot be."""
        key = (folder, kind)
        if key not in self._servers:
            began = time.monotonic()
            self._servers[key] = self._start(folder, kind, precision)
            seconds = time.monotonic() - began
            self._say("info", f"model.artifact loaded in {seconds:.1f} s")
        return self._servers[key]

    def close(self) -> None:
        """Ends the servers and frees the memory of the models, on GPUs too."""
        self._servers.clear()
        self._open.close()

    def _start(self, folder: Path, kind: Kind, precision: str | None) -> Server:
        with ExitStack() as opened:
            if kind == "embeds":
                encoder = Encoder(folder, precision=precision)
                opened.callback(encoder.close)
                ends = embedding(encoder)
            else:
                checkpoint = Checkpoint(folder, precision=precision)
                opened.callback(checkpoint.close)
                engine = Engine(checkpoint, memory=loading.room())
                opened.callback(engine.close)
                ends = writing(checkpoint, engine)
            server = Server(ends)
            opened.callback(server.close)
            self._open.push(opened.pop_all())
        return server
