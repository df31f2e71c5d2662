"""Members of documents whose keys are no fields."""

from __future__ import annotations

NAMED = frozenset({"tasks", "groups", "metrics", "scores", "properties"})
"""Members whose keys are names that users made up: a task may be called `rows` or `api_key`."""
