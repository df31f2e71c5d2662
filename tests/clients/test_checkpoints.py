"""Checkpoints: where they may lie, and what of them is fetched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from evald.clients.checkpoints import Checkpoints
from evald.clients.model import ModelClients
from evald.errors import EvaluationError
from evald.settings import ClientSettings
from tests.clients.hub import FakeHub, serving
from tests.clients.test_s3 import bucket

__all__ = ["bucket"]

FILES = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "tokenizer.json": b"tokens",
    "1_Pooling/config.json": b"pooling",
}
OTHERS = {
    "README.md": b"#",
    "pytorch_model.bin": b"code",
    "consolidated.safetensors": b"twice",
    "onnx/model.safetensors": b"other",
}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving() as hub:
        yield hub


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def linked(settings: ClientSettings, folder: Path, url: str, **artifact: Any) -> dict[str, bytes]:
    folder.mkdir()
    Checkpoints(settings).link({"files_url": url, **artifact}, folder)
    found = (Path(at, name) for at, _, names in os.walk(folder) for name in names)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def failure(settings: ClientSettings, folder: Path, url: str, **artifact: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        linked(settings, folder, url, **artifact)
    assert caught.value.kind == "model"
    return caught.value.message


def test_a_folder_of_this_machine(settings: ClientSettings, tmp_path: Path) -> None:
    there = write(tmp_path / "roots" / "tiny", FILES | OTHERS)
    opened = settings.model_copy(update={"file_roots": (str(there.parent),)})
    assert linked(opened, tmp_path / "one", f"file://{there}") == FILES
    assert linked(opened, tmp_path / "two", str(there)) == FILES
    assert "EVALD_FILE_ROOTS" in failure(settings, tmp_path / "three", f"file://{there}")
    assert "is one file" in failure(opened, tmp_path / "four", f"file://{there}/config.json")
    (there / "model.safetensors").unlink()
    (there / "model.safetensors").symlink_to("/etc/passwd")
    assert "leads out" in failure(opened, tmp_path / "five", str(there))


@pytest.mark.parametrize("url", ["hf://datasets/ns/tiny", "hf://ns/tiny", "hf://models/ns/tiny"])
def test_the_embedded_store(settings: ClientSettings, tmp_path: Path, url: str) -> None:
    write(settings.data_dir / "datasets" / "ns" / "tiny", FILES | OTHERS)
    assert linked(settings, tmp_path / "one", url) == FILES
    assert "evald datasets put ns/none" in failure(settings, tmp_path / "two", "hf://ns/none")


def test_a_model_of_a_hub(settings: ClientSettings, tmp_path: Path, hub: FakeHub) -> None:
    hub.models["ns/tiny"] = FILES | OTHERS
    hub.models["ns/many"] = {f"8b/{name}": content for name, content in FILES.items()}
    there = settings.model_copy(update={"data_store_url": hub.url})
    assert linked(there, tmp_path / "one", "hf://ns/tiny") == FILES
    asked = {path.rpartition("/")[2] for method, path, _ in hub.requests if "/resolve/" in path}
    assert asked == {"config.json", "model.safetensors", "tokenizer.json"}
    assert linked(there, tmp_path / "two", "hf://ns/many/8b") == FILES
    assert "ns/none" in failure(there, tmp_path / "three", "hf://ns/none")


def test_an_object_store(settings: ClientSettings, tmp_path: Path, bucket: str) -> None:
    s3 = boto3.client("s3")
    for name, content in (FILES | OTHERS).items():
        s3.put_object(Bucket="evaluation", Key=f"models/tiny/{name}", Body=content)
    assert linked(settings, tmp_path / "one", f"{bucket}/models/tiny") == FILES
    cache = settings.data_dir / "cache" / "models"
    fetched = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert len(fetched) == len(FILES)
    s3.put_object(Bucket="evaluation", Key="models/tiny/config.json", Body=b'{"new": 1}')
    s3.close()
    changed = linked(settings, tmp_path / "two", f"{bucket}/models/tiny/")
    assert changed == FILES | {"config.json": b'{"new": 1}'}
    kept = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert fetched.items() <= kept.items()
    assert len(kept) == len(FILES) + 1


def test_what_is_no_checkpoint(settings: ClientSettings, tmp_path: Path) -> None:
    cases: dict[str, dict[str, Any]] = {
        "say where its files are": {"url": ""},
        "is one file": {"url": "https://example.com/model.safetensors"},
        "is made for nemo": {"url": "hf://ns/tiny", "backend_engine": "nemo"},
        "must begin with one of": {"url": "ftp://host/tiny"},
    }
    for number, (why, given) in enumerate(cases.items()):
        assert why in failure(settings, tmp_path / str(number), **given)
    write(settings.data_dir / "datasets" / "ns" / "old", {"config.json": b"{}", "m.bin": b""})
    assert "m.bin may hold code" in failure(settings, tmp_path / "old", "hf://ns/old")


def test_models_that_only_rank_have_an_endpoint(settings: ClientSettings) -> None:
    model = {"artifact": {"files_url": "hf://ns/tiny"}}
    with ModelClients(settings) as models, pytest.raises(EvaluationError) as caught:
        models.reranker(model, {})
    assert caught.value.kind == "model"
