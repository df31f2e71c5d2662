"""What is counted of samples that a judge grades."""

from __future__ import annotations

from typing import Any

from evald.flows.scoreboard import Scoreboard


class Judged(Scoreboard):
    """Says in the task's data how many samples `failed`, where some did: for want of the judge's
    verdict, say. Scores are means over the others."""

    def result(self, task: str) -> dict[str, Any]:
        found = super().result(task)
        if self.failed:
            found["data"] = {"failed": self.failed, **found.get("data", {})}
        return found
