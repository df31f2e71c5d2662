"""The rows of lm-eval's tasks: from the user's own data set, else from the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, Protocol

from evald.errors import EvaluationError
from evald.harness import library


class Datasets(Protocol):
    """Reads data sets."""

    def rows(self, dataset: Mapping[str, Any]) -> Iterator[dict[str, Any]]: ...

    def files(self, dataset: Mapping[str, Any]) -> Sequence[str]: ...

    def splits(self, dataset: Mapping[str, Any]) -> Collection[str]: ...

    def allow(self, url: str) -> None: ...


class Own(dict[str, Any]):
    """The splits of a data set of the user's own, read when they are asked for.

    A split is the files of its name; where there are none, all rows are in every split.
    """

    def __init__(self, datasets: Datasets, dataset: Mapping[str, Any]) -> None:
        super().__init__()
        self._datasets = datasets
        self._dataset = dataset

    def __missing__(self, split: str) -> Any:
        rows = self._rows(split)
        try:
            made = library.module("datasets").Dataset.from_list(rows)
        except library.module("pyarrow").ArrowException as e:
            raise EvaluationError(
                "dataset", f"{self._dataset.get('files_url')}: {_mixed(rows, e)}"
            ) from e
        self[split] = made
        return made

    def _rows(self, split: str) -> list[dict[str, Any]]:
        part = {"split": split} if split in self._datasets.splits(self._dataset) else {}
        return list(self._datasets.rows({**self._dataset, **part}))


class Source:
    """Where the rows of the tasks of one config task come from. `task` is its name there."""

    def __init__(
        self, task: str, dataset: Mapping[str, Any] | None, datasets: Datasets, token: str | None
    ) -> None:
        self._task = task
        self._dataset = dataset
        self._datasets = datasets
        self._token = token
        self.undivided = 0
        """How many times the whole data set was given, since it has no folder of the name that was
        asked for."""

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While the block runs, lm-eval's tasks get their rows from here."""
        library_of_data = library.module("datasets")
        load = library_of_data.load_dataset

        def load_dataset(
            path: str | None = None, name: str | None = None, *args: Any, **kwargs: Any
        ) -> Any:
            if self._dataset is not None:
                return self._own(name)
            self._datasets.allow(library.module("huggingface_hub.constants").ENDPOINT)
            try:
                return load(path, name, *args, **{"token": self._token, **kwargs})
            except Exception as e:
                raise self._unread(path, name, e) from e

        library_of_data.load_dataset = load_dataset  # type: ignore[attr-defined]
        try:
            yield
        finally:
            library_of_data.load_dataset = load  # type: ignore[attr-defined]

    def _own(self, name: str | None) -> Own:
        """The user's data set, or its folder for one of several tasks."""
        assert self._dataset is not None
        url = str(self._dataset.get("files_url") or "").rstrip("/")
        files = self._datasets.files(self._dataset) if name else ()
        if any(PurePosixPath(file).parts[0] == name for file in files):
            return Own(self._datasets, {**self._dataset, "files_url": f"{url}/{name}"})
        self.undivided += bool(name)
        return Own(self._datasets, self._dataset)

    def _unread(self, path: str | None, name: str | None, error: Exception) -> EvaluationError:
        what = f"{path} ({name})" if name else str(path)
        reason = " ".join(str(error).split())[:300]
        return EvaluationError(
            "dataset",
            f"{what} cannot be read from the Hugging Face Hub: {type(error).__name__}: {reason}; "
            f"to use a copy of your own give tasks.{self._task}.dataset, for a gated one "
            "params.extra.hf_token",
            task=self._task,
        )


def _mixed(rows: Sequence[Mapping[str, Any]], error: Exception) -> str:
    """Which field is of different types in different rows; a column has one."""
    types: dict[str, type] = {}
    for number, row in enumerate(rows, 1):
        for field, value in row.items():
            if value is None:
                continue
            first = types.setdefault(field, type(value))
            if first is not type(value) and not {first, type(value)} <= {int, float}:
                return (
                    f"{field!r} is {type(value).__name__} in row {number}, and {first.__name__} "
                    "before; a field must have one type in all rows"
                )
    return " ".join(str(error).split())
