"""Checkpoints: from an artifact's `files_url` to a folder here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from evald.clients.datasets import FileDatasets
from evald.clients.egress import Egress
from evald.clients.embedded import SCHEME
from evald.clients.hub import Hub, Repository
from evald.clients.sources import Bucket, Folder, Source
from evald.errors import EvaluationError
from evald.local.folder import check_names, has_weights
from evald.settings import ClientSettings

HUB = "hf://"

SETTINGS = (".json", ".jinja", ".txt", ".model", ".tiktoken")
"""What files end in, besides weights, that models and tokenizers are read from."""

FOREIGN = frozenset({"nemo", "trt_llm", "faster_transformer"})
"""Engines whose checkpoints transformers cannot read."""


class Checkpoints:
    """Finds artifacts `{"files_url", ...}`: folders where data sets may be as well, and models of a
    Hugging Face API at `hf://NAMESPACE/NAME[@REVISION]`."""

    def __init__(self, settings: ClientSettings) -> None:
        self._hub: Hub | None = None
        if url := settings.data_store_url:
            cache = settings.data_dir / "cache" / "hub"
            self._hub = Hub(url, Egress(settings.egress), cache, token=None, trusted=True)
        self._datasets = FileDatasets(settings)
        self._cache = settings.data_dir / "cache" / "models"

    def link(self, artifact: Mapping[str, Any], folder: Path) -> None:
        """Puts links to a checkpoint's files into an empty folder, once they are on this machine.
        What has been fetched stays, for other jobs. Raises EvaluationError of kind `model`."""
        url = artifact.get("files_url")
        if not url or not isinstance(url, str):
            raise EvaluationError("model", "model.artifact.files_url: say where its files are")
        if artifact.get("backend_engine") in FOREIGN:
            raise EvaluationError(
                "model",
                f"model.artifact is made for {artifact['backend_engine']}: give a folder that "
                "save_pretrained of transformers wrote (backend_engine hugging_face), or serve it "
                "and give api_endpoint",
            )
        try:
            self._link(url, folder)
        except EvaluationError as e:
            if e.kind == "model":
                raise
            raise EvaluationError("model", f"model.artifact.files_url: {e.message}") from e

    def _link(self, url: str, folder: Path) -> None:
        source, path = self._source(url)
        found = source.names(path)
        if not isinstance(source, Folder | Repository | Bucket) or found == [path]:
            raise EvaluationError("model", f"{url} is one file, and a checkpoint is a folder")
        names = {str(PurePosixPath(name).relative_to(path or ".")): name for name in found}
        check_names(names)
        for name in filter(wanted, names):
            link = folder / name
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(source.fetch(names[name], self._cache))

    def _source(self, url: str) -> tuple[Source, str]:
        if url.startswith(HUB) and not url.startswith(SCHEME):
            name = url.removeprefix(HUB).removeprefix("models/")
            if self._hub is not None:
                namespace, repository, *rest = [*filter(None, name.split("/")), "", ""]
                repo = self._hub.repository(f"{namespace}/{repository}", "model")
                return repo, "/".join(rest).strip("/")
            url = SCHEME + name
        return self._datasets.source(url, {})


def wanted(name: str) -> bool:
    """Whether a file of a checkpoint's folder is read: weights at its top, and what describes it
    there or a folder below."""
    depth = len(PurePosixPath(name).parts)
    return has_weights(name) or (depth <= 2 and name.endswith(SETTINGS))
