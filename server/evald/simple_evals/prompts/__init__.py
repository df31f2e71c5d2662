"""Prompts as they were published, with the scores of models that were asked by them, by OpenAI in
simple-evals (MIT license, Copyright (c) 2024 OpenAI)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def template(name: str) -> str:
    """A prompt's template."""
    return Path(__file__).with_name(f"{name}.txt").read_text("utf-8").strip()


def table(name: str) -> Any:
    """Prompts by language."""
    return json.loads(Path(__file__).with_name(f"{name}.json").read_text("utf-8"))
