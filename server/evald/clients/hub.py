"""Data sets behind a Hugging Face API: the Hub itself, or a data store that speaks like it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, Literal

from evald.clients.egress import Egress
from evald.clients.sources import absent, told
from evald.clients.web import guarded_client
from evald.errors import EvaluationError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Kind = Literal["dataset", "model"]

PLACES: dict[Kind, str] = {"dataset": "hf://datasets/", "model": "hf://"}
"""What the URL of each kind begins with."""

_lock = Lock()
_policy: Egress | None = None


class Hub:
    """One endpoint, such as `https://huggingface.co` or `http://data-store/v1/hf`.

    The token of this machine (HF_TOKEN) goes only to an endpoint that the operator has set, never
    to one that a data set names. A download may redirect to another host, since the Hub keeps
    large files on others, but only to one that the policy allows.
    """

    def __init__(
        self, endpoint: str, egress: Egress, cache: Path, *, token: str | None, trusted: bool
    ) -> None:
        with told(endpoint):
            egress.url(endpoint)
        self._endpoint = endpoint.rstrip("/")
        self._egress = egress
        self._cache = cache
        self._token: str | bool | None = token or (None if trusted else False)

    def repository(self, name: str, kind: Kind = "dataset") -> Repository:
        """The data set or model `namespace/name` or `namespace/name@revision`."""
        repo, _, revision = name.partition("@")
        return Repository(self, kind, repo, revision or None)

    def upload(self, name: str, folder: Path) -> None:
        """Stores a folder's files as the data set `namespace/name`."""
        with self.api(f"hf://datasets/{name}") as api:
            api.create_repo(name, repo_type="dataset", exist_ok=True)
            api.upload_folder(
                repo_id=name, repo_type="dataset", folder_path=folder, commit_message="evald"
            )

    def delete(self, name: str) -> None:
        """Deletes the data set `namespace/name`; it need not be there."""
        with self.api(f"hf://datasets/{name}") as api:
            api.delete_repo(name, repo_type="dataset", missing_ok=True)

    @contextmanager
    def api(self, url: str) -> Iterator[HfApi]:
        """The library's client; what it raises becomes an EvaluationError of kind `dataset`."""
        _prepare(self._egress)
        import huggingface_hub
        from huggingface_hub import errors

        place = f"{url} on {self._endpoint}"
        with told(place):
            try:
                yield huggingface_hub.HfApi(endpoint=self._endpoint, token=self._token)
            except (
                errors.RepositoryNotFoundError,
                errors.EntryNotFoundError,
                errors.RevisionNotFoundError,
            ) as e:
                raise absent(place) from e
            except errors.HFValidationError as e:
                raise EvaluationError("dataset", f"{url}: {e}") from e

    def download(self, kind: Kind, repo: str, revision: str | None, name: str) -> Path:
        """Where a file lies, once it has been fetched; unchanged files are fetched once."""
        with self.api(f"{PLACES[kind]}{repo}/{name}") as api:
            return Path(
                api.hf_hub_download(
                    repo, name, repo_type=kind, revision=revision, cache_dir=self._cache
                )
            )


class Repository:
    """A data set or model of a hub, as a source of files."""

    def __init__(self, hub: Hub, kind: Kind, name: str, revision: str | None) -> None:
        self._hub = hub
        self._kind: Kind = kind
        self._name = name
        self._revision = revision

    def names(self, path: str) -> list[str]:
        with self._hub.api(PLACES[self._kind] + self._name) as api:
            found = api.list_repo_files(self._name, repo_type=self._kind, revision=self._revision)
        below = f"{path}/" if path else ""
        return [name for name in found if name == path or name.startswith(below)]

    def open(self, name: str) -> BinaryIO:
        return self.fetch(name).open("rb")

    def fetch(self, name: str, cache: Path | None = None) -> Path:
        """Where a file lies, in the hub's own cache."""
        return self._hub.download(self._kind, self._name, self._revision, name)


def _prepare(egress: Egress) -> None:
    """Makes the library use our HTTP client; it has one for the whole process."""
    global _policy
    with _lock:
        if _policy is egress:
            return
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        import huggingface_hub
        from huggingface_hub import constants
        from huggingface_hub.utils.tqdm import disable_progress_bars

        # Xet fetches by a native client of its own, past the policy.
        constants.HF_HUB_DISABLE_XET = True
        disable_progress_bars()
        client: Callable[[], object] = lambda: guarded_client(egress, follow_redirects=True)  # noqa: E731
        huggingface_hub.set_client_factory(client)  # type: ignore[arg-type]
        _policy = egress
