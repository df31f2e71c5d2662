"""Samples that were stored when a server died: nobody may ask for them again."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import text

from tests.robustness.checker import connected
from tests.robustness.model import Model

STORED = text(
    'select sample.job_id, sample."index" from sample join job on job.id = sample.job_id '
    "where job.status in ('running', 'cancelling')"
)


class Kept:
    """Keeps how often a model had been asked for what was stored when it was stored."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._asked: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._asked)

    def note(self, url: str, tags: Mapping[str, str]) -> None:
        """Notes what a database has of the jobs that ran, whose prompts begin with their tags."""
        with connected(url) as connection:
            for job_id, index in connection.execute(STORED):
                if job_id in tags:
                    prompt = f"{tags[job_id]} {index}"
                    self._asked.setdefault(prompt, self._model.asked[prompt])

    @property
    def asked_again(self) -> int:
        """How often the model was asked for one of them since."""
        return sum(self._model.asked[prompt] - count for prompt, count in self._asked.items())
