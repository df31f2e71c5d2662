"""Models and tokenizers of transformers, loaded onto the GPUs that there are."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path
from typing import Any

from evald.errors import EvaluationError
from evald.local.folder import examine, size_of, wrong

GIB = 2**30

DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
"""Precisions of an artifact that are a type of numbers; others are as the files have them."""

PART = 0.4
"""Of the memory that weights leave, the part for what is kept of texts: it is there twice while
rows join."""


def model(folder: Path, kind: str, precision: str | None) -> Any:
    """A model, by the name of an auto class. Its numbers are as its files have them, unless the
    precision says so. Nothing of the folder is run. Raises EvaluationError of kind `model`."""
    config = examine(folder)
    torch, transformers = _libraries()
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    _check_memory(size_of(folder), gpus)
    place = {} if gpus == 0 else {"device_map": {"": 0} if gpus == 1 else "auto"}
    try:
        loaded, info = getattr(transformers, kind).from_pretrained(
            folder,
            dtype=DTYPES.get(precision or "", "auto"),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            **place,
        )
    except torch.OutOfMemoryError as e:
        raise _too_big(size_of(folder), gpus) from e
    except Exception as e:
        if "auto_map" in config and "trust_remote_code" in str(e):
            reason = "it needs code of its own, which is not run: serve it, and give api_endpoint"
            raise wrong(reason) from e
        raise wrong(_said(e)) from e
    if lacking := sorted(info["missing_keys"]):
        raise wrong(
            f"its weights lack {lacking[0]} and {len(lacking) - 1} more that "
            f"{type(loaded).__name__} needs: is it a model of another kind?"
        )
    return loaded.eval()


def tokenizer(folder: Path) -> Any:
    """Raises EvaluationError of kind `model`."""
    _, transformers = _libraries()
    try:
        return transformers.AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    except Exception as e:
        raise wrong(f"its tokenizer cannot be read: {_said(e)}") from e


def room() -> int:
    """Bytes for what is kept of texts, once the weights are there."""
    torch, _ = _libraries()
    if torch.cuda.is_available():
        frees = [torch.cuda.mem_get_info(i)[0] for i in range(torch.cuda.device_count())]
        return int(sum(frees) * PART)
    return int(min(4 * GIB, _available() * PART))


def free() -> None:
    """Gives back memory that nothing uses any more, on GPUs too."""
    torch, _ = _libraries()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def _libraries() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as e:
        raise EvaluationError(
            "model",
            "a model.artifact needs torch and transformers: pip install 'evald[gpu]', or serve the "
            "model and give api_endpoint",
        ) from e
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return torch, transformers


def _check_memory(size: int, gpus: int) -> None:
    """Raises EvaluationError when weights of so many bytes have no room."""
    import torch

    frees = [torch.cuda.mem_get_info(i)[0] for i in range(gpus)]
    there = sum(frees) if gpus else _available()
    if size > there:
        raise _too_big(size, gpus, there)


def _too_big(size: int, gpus: int, there: int | None = None) -> EvaluationError:
    what = f"the {gpus} GPU{'s' * (gpus > 1)} of this job" if gpus else "this machine"
    has = f", which has {there / GIB:.1f} GiB free" if there is not None else ""
    return wrong(
        f"its weights take {size / GIB:.1f} GiB, too much for {what}{has}: set params.gpus or "
        "params.gpu_memory to more, or give a smaller or quantized one"
    )


def _available() -> int:
    """Bytes of memory that processes could still get."""
    if sys.platform == "linux":
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
