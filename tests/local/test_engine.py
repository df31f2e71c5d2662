"""The engine writes what transformers writes, whoever else is in the batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evald.errors import EvaluationError
from evald.local.ask import Ask, Row, Sampling
from evald.local.checkpoint import Checkpoint
from evald.local.engine import Engine
from tests.checkpoint import checkpoint

GREEDY = Sampling(temperature=0)
TEXTS = [
    "The quick",
    "Paris is the capital of France, and",
    "2 + 2 =",
    "What does the user say? Answer: naïve café " * 3,
    "Pack my box",
    "Rome " * 20,
]
KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
    "opt": {"word_embed_proj_dim": 32, "ffn_dim": 64},  # counts places in its masks
    "bloom": {"n_layer": 2, "n_head": 4},  # knows no places, only distances
    "mistral": {"sliding_window": 8},
    "gemma3_text": {
        "head_dim": 8,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "bamba": {"mamba_d_head": 8, "mamba_n_heads": 8, "mamba_d_state": 8, "attn_layer_indices": [1]},
    "lfm2": {"layer_types": ["conv", "full_attention"]},  # keeps states of another kind
}


@contextmanager
def running(folder: Path, memory: int = 2**30) -> Iterator[tuple[Checkpoint, Engine]]:
    checkpoint = Checkpoint(folder)
    engine = Engine(checkpoint, memory=memory)
    try:
        yield checkpoint, engine
    finally:
        engine.close()
        checkpoint.close()


def written(engine: Engine, asks: list[Ask]) -> list[Row]:
    rows = [engine.submit(ask) for ask in asks]
    return [row.answer.result(60) for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_is_what_transformers_generates(
    kind: str, tmp_path: Path, generate: Callable[..., Any]
) -> None:
    folder = checkpoint(tmp_path / kind, kind=kind, **KINDS[kind])
    with running(folder) as (model, engine):
        prompts = [model.tokens(text, special=True) for text in TEXTS]
        rows = written(engine, [Ask(p, 12 + 3 * i, GREEDY) for i, p in enumerate(prompts)])
    write = generate(folder)
    assert [r.written for r in rows] == [write(p, 12 + 3 * i) for i, p in enumerate(prompts)]
    assert any(row.text for row in rows)


def test_rows_join_leave_and_are_put_back(folder: Path, generate: Callable[..., Any]) -> None:
    with running(folder, memory=40_000) as (model, engine):  # some 150 tokens
        prompts = [model.tokens(text, special=True) for text in TEXTS * 4]
        lengths = [1 + 7 * i % 40 for i in range(len(prompts))]
        first = written(engine, [Ask(prompts[0], lengths[0], GREEDY)])
        rest = [Ask(p, n, GREEDY) for p, n in zip(prompts[1:], lengths[1:], strict=True)]
        rows = [*first, *written(engine, rest)]
    write = generate(folder)
    for row, prompt, length in zip(rows, prompts, lengths, strict=True):
        assert row.written == write(prompt, length)


def test_logprobs_are_the_models_own(folder: Path) -> None:
    import torch
    import transformers

    with running(folder) as (model, engine):
        prompts = [model.tokens(text, special=True) for text in TEXTS]
        rows = written(engine, [Ask(p, 3, GREEDY, logprobs=2, echo=True) for p in prompts])
    own = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    for prompt, row in zip(prompts, rows, strict=True):
        whole = [*prompt, *row.written]
        with torch.inference_mode():
            known = own(torch.tensor([whole])).logits[0].log_softmax(-1)
        told = [*row.read, *row.told]
        assert [one.token for one in told] == whole
        assert told[0].logprob is None
        for place, one in enumerate(told[1:]):
            assert one.logprob == pytest.approx(float(known[place, one.token]), abs=1e-4)
            best = known[place].topk(2)
            assert [t for t, _ in one.top] == best.indices.tolist()
            assert [v for _, v in one.top] == pytest.approx(best.values.tolist(), abs=1e-4)


def test_a_seed_says_what_is_drawn_whoever_is_beside(folder: Path) -> None:
    with running(folder) as (model, engine):
        prompt = model.tokens("The quick brown", special=True)

        def ask(seed: str | None) -> Ask:
            return Ask(prompt, 20, Sampling(temperature=1.5), seed=seed)

        alone = written(engine, [ask("7")])[0]
        beside = written(engine, [ask(None), ask("7"), ask("8"), ask("8")])
        assert beside[1].written == alone.written
        assert beside[2].written == beside[3].written != alone.written


@pytest.mark.parametrize(
    ("sampling", "options"),
    [
        (Sampling(temperature=2.0, top_k=3), {"temperature": 2.0, "top_k": 3}),
        (Sampling(temperature=1.5, top_p=0.6), {"temperature": 1.5, "top_p": 0.6, "top_k": 0}),
        (Sampling(temperature=2.0, min_p=0.2), {"temperature": 2.0, "min_p": 0.2, "top_k": 0}),
        (
            Sampling(top_k=20, top_p=0.7, repetition_penalty=1.3),
            {"top_k": 20, "top_p": 0.7, "repetition_penalty": 1.3},
        ),
    ],
)
def test_tokens_are_drawn_as_transformers_draws_them(
    folder: Path, generate: Callable[..., Any], sampling: Sampling, options: dict[str, Any]
) -> None:
    """The first token of many texts: as often as its probability, as transformers processes it."""
    import torch
    import transformers

    with running(folder) as (model, engine):
        prompt = model.tokens("The quick brown fox jumps", special=True)
        rows = written(engine, [Ask(prompt, 1, sampling, seed=str(i)) for i in range(2000)])
    own = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    found = own.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=1,
        do_sample=True,
        pad_token_id=0,
        output_scores=True,
        return_dict_in_generate=True,
        **options,
    )
    shares = found.scores[0][0].softmax(-1)
    drawn = torch.zeros_like(shares)
    for row in rows:
        drawn[row.written[0] if row.written else 2] += 1 / len(rows)
    assert bool((drawn[shares == 0] == 0).all())
    assert float((drawn - shares).abs().max()) < 0.05  # four standard deviations


def test_repetition_is_penalised_as_transformers_does(
    folder: Path, generate: Callable[..., Any]
) -> None:
    with running(folder) as (model, engine):
        prompt = model.tokens(TEXTS[1], special=True)
        row = written(engine, [Ask(prompt, 30, Sampling(temperature=0, repetition_penalty=1.8))])[0]
    assert row.written == generate(folder)(prompt, 30, repetition_penalty=1.8)


def test_openai_penalties_leave_no_token_twice(folder: Path) -> None:
    with running(folder) as (model, engine):
        prompt = model.tokens(TEXTS[0], special=True)
        plain, once = written(
            engine,
            [
                Ask(prompt, 60, GREEDY),
                Ask(prompt, 60, Sampling(temperature=0, presence_penalty=100)),
            ],
        )
    assert len(set(plain.written)) < len(plain.written)
    assert len(set(once.written)) == len(once.written)


def test_stop_words_end_a_text_before_them(folder: Path) -> None:
    with running(folder) as (model, engine):
        prompt = model.tokens("Paris is", special=True)
        whole = written(engine, [Ask(prompt, 40, GREEDY)])[0].text
        word = whole[8:11]
        row = written(engine, [Ask(prompt, 40, GREEDY, stop=("nowhere", word))])[0]
    assert row.text == whole[: whole.index(word)]
    assert row.finish == "stop"
    assert len(row.written) < 40


def test_who_waits_no_more_is_not_written_for(folder: Path) -> None:
    with running(folder) as (model, engine):
        prompt = model.tokens("Paris", special=True)
        gone = engine.submit(Ask(prompt, 500, Sampling(temperature=0, presence_penalty=1)))
        gone.answer.cancel()
        assert written(engine, [Ask(prompt, 5, GREEDY)])[0].finish == "length"
        assert len(gone.written) < 500


def test_a_model_that_gives_no_numbers_is_told_of(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "broken")
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with running(folder) as (model, engine):
        row = engine.submit(Ask(model.tokens("Paris", special=True), 5))
        with pytest.raises(EvaluationError, match="outputs are not numbers") as caught:
            row.answer.result(60)
        assert caught.value.kind == "model"


def test_an_engine_that_is_closed_takes_nothing(folder: Path) -> None:
    with running(folder) as (model, engine):
        ask = Ask(model.tokens("Paris", special=True), 400, Sampling(temperature=1, top_k=50))
        rows = [engine.submit(ask) for _ in range(3)]
    assert all(row.answer.cancelled() or row.finish for row in rows)
    with pytest.raises(EvaluationError, match="put away"):
        engine.submit(ask)


def test_rows_that_cannot_leave_hold_nobody_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written is answered, the others are told, and the engine goes on."""
    import torch

    with running(folder) as (model, engine):
        prompt = model.tokens("Paris", special=True)
        leave, failed = engine._batch.leave, []

        def failing(rows: list[Row]) -> None:
            if rows and not failed and len(engine._batch.rows) > len(rows):
                failed.append(True)
                raise torch.OutOfMemoryError("none left")
            leave(rows)

        monkeypatch.setattr(engine._batch, "leave", failing)
        long = engine.submit(Ask(prompt, 500, Sampling(temperature=0, presence_penalty=1)))
        while not long.written:
            time.sleep(0.001)
        short = engine.submit(Ask(prompt, 3, GREEDY))
        assert short.answer.result(60).finish == "length"
        with pytest.raises(EvaluationError, match="OutOfMemoryError"):
            long.answer.result(60)
        assert failed
        assert written(engine, [Ask(prompt, 3, GREEDY)])[0].finish == "length"
