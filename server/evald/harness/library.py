"""lm-eval itself, imported when it is first needed."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from evald.errors import EvaluationError
from evald.harness.names import INSTALL

MODULES = ("pandas", "datasets", "sklearn.metrics", "lm_eval.evaluator", "evald.harness.suite")
"""What takes long to import."""

# Progress bars are no lines of a log.
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")


def module(name: str) -> ModuleType:
    """A module of lm-eval or of what it needs. Raises EvaluationError of kind `flow`."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as e:
        if name.startswith("lm_eval") and e.name == "lm_eval":
            raise EvaluationError("flow", INSTALL) from None
        raise EvaluationError("flow", f"{name} needs {e.name}: pip install {e.name}") from None
