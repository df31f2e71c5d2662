"""The models that one job runs, each loaded once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from evald.local.server import Server

Kind = Literal["writes", "embeds"]
Artifact = Mapping[str, Any]


class LocalModels:
    """Loads artifacts and serves them until `close`.

    `link` puts links to an artifact's files into a folder, and `say` writes into the log of the
    job.
    """

    def __init__(
        self, link: Callable[[Artifact, Path], None], say: Callable[[str, str], None]
    ) -> None:
        self._link = link
        self._say = say
        self._open = ExitStack()
        self._servers: dict[tuple[object, ...], Server] = {}

    def serve(self, artifact: Artifact, kind: Kind) -> Server:
        """The server of an artifact, which is loaded when it is first asked for. Raises
        EvaluationError of kind `model` when that cannot be."""
        key = (artifact.get("files_url"), artifact.get("precision"), kind)
        if key not in self._servers:
            began = time.monotonic()
            self._servers[key] = self._start(artifact, kind)
            self._say("info", f"model.artifact loaded in {time.monotonic() - began:.1f} s")
        return self._servers[key]

    def close(self) -> None:
        """Ends the servers and frees the memory of the models, on GPUs too."""
        self._servers.clear()
        self._open.close()

    def _start(self, artifact: Artifact, kind: Kind) -> Server:
        # Most jobs run no model, and their processes start the sooner.
        from evald.local import loading
        from evald.local.checkpoint import Checkpoint
        from evald.local.encoder import Encoder
        from evald.local.engine import Engine
        from evald.local.server import Server, embedding, writing

        with ExitStack() as opened:
            folder = Path(opened.enter_context(TemporaryDirectory(prefix="evald-")))
            self._link(artifact, folder)
            precision = artifact.get("precision")
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
