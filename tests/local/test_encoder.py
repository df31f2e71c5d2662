"""Vectors of texts, as transformers' states make them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from evald.clients.model import ModelClients
from evald.errors import EvaluationError
from evald.settings import Settings
from tests.checkpoint import tokenizer_of

TEXTS = ["Paris is the capital of France.", "A fox", "", "What does the user say? " * 40]


def bert(folder: Path, kind: str = "Bert", **given: Any) -> Path:
    """A random BERT, or another model of its `kind`."""
    import torch
    import transformers

    tokenizer = tokenizer_of(None)
    torch.manual_seed(0)
    base = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "initializer_range": 0.5,
    }
    config = getattr(transformers, f"{kind}Config")(**{**base, **given})
    getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def as_sentence_transformers(folder: Path, pooling: str, *, normalizes: bool) -> None:
    """What that library writes beside a model."""
    modes = ("pooling_mode_cls_token", "pooling_mode_mean_tokens", "pooling_mode_lasttoken")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 32, **{mode: mode == pooling for mode in modes}})
    )
    kinds = ["Transformer", "Pooling", *["Normalize"] * normalizes]
    modules = [{"idx": i, "type": f"sentence_transformers.{k}"} for i, k in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "query: ", "document": "passage: "}})
    )


def embed(folder: Path, texts: list[str], kind: Any = None) -> list[list[float]]:
    settings = Settings(data_dir=folder.parent / "data", file_roots=(str(folder),)).clients

    async def run() -> list[list[float]]:
        model = {"artifact": {"files_url": f"file://{folder}"}}
        with ModelClients(settings) as models:
            client = models.embedder(model, {})
            try:
                return [list(vector) for vector in await client.embed(texts, kind)]
            finally:
                await client.close()

    return asyncio.run(run())


def states(folder: Path, text: str) -> Any:
    """The last layer's states at a text's tokens, read alone."""
    import torch
    import transformers

    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=64)
    inputs.pop("token_type_ids", None)
    with torch.inference_mode():
        return model(**inputs).last_hidden_state[0]


def test_the_mean_of_the_states(tmp_path: Path) -> None:
    import torch

    folder = bert(tmp_path / "bert")
    found = embed(folder, TEXTS)
    for vector, text in zip(found, TEXTS, strict=True):
        mean = torch.nn.functional.normalize(states(folder, text).mean(0), dim=0)
        assert vector == pytest.approx(mean.tolist(), abs=1e-5)


@pytest.mark.parametrize(
    ("pooling", "place"), [("pooling_mode_cls_token", 0), ("pooling_mode_lasttoken", -1)]
)
def test_a_folder_says_how_states_become_a_vector(tmp_path: Path, pooling: str, place: int) -> None:
    folder = bert(tmp_path / "bert")
    as_sentence_transformers(folder, pooling, normalizes=False)
    for kind, before in {"query": "query: ", "passage": "passage: ", None: ""}.items():
        found = embed(folder, TEXTS, kind)
        for vector, text in zip(found, TEXTS, strict=True):
            own = states(folder, before + text)[place]
            assert vector == pytest.approx(own.tolist(), abs=1e-5)


def test_a_pooling_that_is_not_known(tmp_path: Path) -> None:
    folder = bert(tmp_path / "bert")
    as_sentence_transformers(folder, "pooling_mode_max_tokens", normalizes=True)
    with pytest.raises(EvaluationError, match="its pooling of no kind is not known") as caught:
        embed(folder, TEXTS)
    assert caught.value.kind == "model"


def test_a_module_that_is_not_known(tmp_path: Path) -> None:
    """Left out, it would make other vectors without a word."""
    folder = bert(tmp_path / "bert")
    as_sentence_transformers(folder, "pooling_mode_mean_tokens", normalizes=True)
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 3, "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EvaluationError, match="its module Dense is not known") as e:
        embed(folder, ["a"])
    assert e.value.kind == "model"


def test_a_long_text_of_a_model_whose_first_places_are_none(tmp_path: Path) -> None:
    """RoBERTa and its like count them from behind the padding."""
    folder = bert(tmp_path / "roberta", "Roberta", max_position_embeddings=34, pad_token_id=1)
    assert len(embed(folder, ["word " * 100])[0]) == 32
