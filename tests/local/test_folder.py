"""Folders that cannot be run, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from evald.errors import EvaluationError
from evald.local import loading
from evald.local.checkpoint import Checkpoint
from evald.local.folder import examine
from tests.checkpoint import checkpoint


def drop(*names: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def put(name: str, text: str = "{}", *, without: tuple[str, ...] = ()) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        drop(*without)(folder)
        (folder / name).write_text(text)

    return change


def patch(name: str, **members: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        document = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**document, **members}))

    return change


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


WEIGHTS = ("model.safetensors",)

WRONG: dict[str, tuple[Callable[[Path], None], str]] = {
    "no config": (
        drop("config.json"),
        "it lacks config.json; give the folder that save_pretrained",
    ),
    "an adapter": (
        put("adapter_config.json", without=("config.json",)),
        "merge that into its model",
    ),
    "a GGUF": (put("m.gguf", without=("config.json", *WEIGHTS)), "it holds a GGUF file"),
    "no weights": (drop(*WEIGHTS), "it lacks weights"),
    "a pickle": (
        put("pytorch_model.bin", without=WEIGHTS),
        "pytorch_model.bin may hold code, so it is not loaded: save the model as safetensors",
    ),
    "no JSON": (put("config.json", "{"), "config.json is not JSON"),
    "no object": (put("config.json", "[]"), "config.json is not a JSON object"),
    "no shard": (
        put("model.safetensors.index.json", '{"weight_map": {"a": "model-1.safetensors"}}'),
        "it lacks model-1.safetensors, one of 1 files",
    ),
    "no tokenizer": (
        drop("tokenizer.json", "tokenizer_config.json"),
        "its tokenizer cannot be read",
    ),
    "half a file": (cut, "SafetensorError"),
    "unknown": (patch("config.json", model_type="unheard-of"), "unheard-of"),
    "code": (
        patch(
            "config.json",
            model_type="own",
            auto_map={"AutoConfig": "c.C", "AutoModelForCausalLM": "m.M"},
        ),
        "it needs code of its own, which is not run",
    ),
    "more layers": (patch("config.json", num_hidden_layers=3), "its weights lack model.layers.2"),
    "no decoder": (patch("config.json", model_type="bert"), "is it a model of another kind"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_folder_that_cannot_be_run(name: str, tmp_path: Path) -> None:
    change, why = WRONG[name]
    folder = checkpoint(tmp_path / "model")
    change(folder)
    with pytest.raises(EvaluationError) as caught:
        Checkpoint(folder)
    assert caught.value.kind == "model"
    assert caught.value.message.startswith("the model.artifact cannot be run: ")
    assert why in caught.value.message


def test_code_in_a_folder_is_not_run(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model")
    (folder / "m.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    patch("config.json", model_type="own", auto_map={"AutoConfig": "m.C"})(folder)
    with pytest.raises(EvaluationError):
        Checkpoint(folder)
    assert not (tmp_path / "ran").exists()


def test_a_model_too_big_for_the_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_available", lambda: 1000)
    with pytest.raises(EvaluationError, match=r"too much for this machine.* set params\.gpus"):
        Checkpoint(folder)


def test_precision(folder: Path) -> None:
    for precision, dtype in {None: "float32", "bf16": "bfloat16", "int8": "float32"}.items():
        assert Checkpoint(folder, precision=precision).dtype == dtype


def test_a_whole_folder_is_examined(folder: Path) -> None:
    assert examine(folder)["model_type"] == "llama"
