"""What a checkpoint's folder must hold, looked at before anything of it is loaded."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from evald.errors import EvaluationError

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
WEIGHTS = ".safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".nemo", ".msgpack", ".h5")
ADAPTER = "adapter_config.json"


def examine(folder: Path) -> dict[str, Any]:
    """The model's configuration. Raises EvaluationError of kind `model` when the folder does not
    hold a whole model."""
    names = sorted(path.name for path in folder.iterdir())
    check_names(names)
    config = _document(folder / CONFIG)
    if INDEX in names:
        shards = {str(name) for name in _document(folder / INDEX).get("weight_map", {}).values()}
        if lacking := sorted(shards - set(names)):
            raise wrong(f"it lacks {lacking[0]}, one of {len(shards)} files of weights")
    return config


def check_names(names: Collection[str]) -> None:
    """Raises EvaluationError of kind `model` when files of these names are not a model whose
    weights are safetensors, which are data and nothing else."""
    if CONFIG not in names:
        if ADAPTER in names:
            raise wrong("it holds an adapter: merge that into its model, and give the whole one")
        if any(name.endswith(".gguf") for name in names):
            raise wrong("it holds a GGUF file: serve that, as by llama.cpp, and give api_endpoint")
        shown = ", ".join(sorted(names)[:10]) or "nothing"
        raise wrong(f"it lacks {CONFIG}; give the folder that save_pretrained wrote, not {shown}")
    if not any(map(has_weights, names)):
        pickles = [name for name in names if name.endswith(PICKLES)]
        if pickles:
            raise wrong(
                f"{pickles[0]} may hold code, so it is not loaded: save the model as safetensors, "
                "by save_pretrained of transformers"
            )
        raise wrong(f"it lacks weights: no model*{WEIGHTS} is there")


def has_weights(name: str) -> bool:
    """Whether a file holds weights as transformers names them: `model.safetensors`, or parts of it.
    Others, such as `consolidated.safetensors`, are the same once more for other libraries."""
    return name.startswith("model") and name.endswith(WEIGHTS) and "/" not in name


def size_of(folder: Path) -> int:
    """Bytes of its weights."""
    return sum(path.stat().st_size for path in folder.iterdir() if has_weights(path.name))


def wrong(reason: str) -> EvaluationError:
    """The error of a checkpoint that cannot be run."""
    return EvaluationError("model", f"the model.artifact cannot be run: {reason}")


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except ValueError as e:
        raise wrong(f"{path.name} is not JSON: {e}") from e
    if not isinstance(document, Mapping):
        raise wrong(f"{path.name} is not a JSON object")
    return dict(document)
