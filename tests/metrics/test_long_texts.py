"""Metrics on texts that are long or many: time and memory stay small, the scores the same."""

from __future__ import annotations

import random
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer, _lcs_table
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

from evald.metrics.bleu import Bleu
from evald.metrics.rouge import Rouge
from evald.metrics.subsequence import common_length
from evald.templates import Templates

WORDS = st.lists(st.sampled_from("abcd"), max_size=90)


def text(length: int, seed: int) -> str:
    """Words without meaning, the same for a seed."""
    return " ".join(random.Random(seed).choices([f"word{i}" for i in range(300)], k=length))


@given(WORDS, WORDS)
def test_the_longest_common_subsequence_is_that_of_the_table(
    left: list[str], right: list[str]
) -> None:
    assert common_length(left, right) == _lcs_table(left, right)[-1][-1]


@pytest.mark.parametrize("reference", ["", "?!", "running dogs", text(300, 1)])
@pytest.mark.parametrize("candidate", ["", "...", "the dogs ran", text(200, 2), text(300, 1)])
def test_rouge_is_that_of_the_library(candidate: str, reference: str) -> None:
    rouge = Rouge(Rouge.Params.model_validate({"reference": "x"}), Templates())
    scorer = RougeScorer(["rouge1", "rouge2", "rouge3", "rougeL"], use_stemmer=True)
    wanted = [score.fmeasure for score in scorer.score(reference, candidate).values()]
    assert list(rouge.compare(candidate, [reference]).values.values()) == wanted


def test_rouge_of_a_long_answer_holds_nobody_up() -> None:
    rouge = Rouge(Rouge.Params.model_validate({"reference": "x"}), Templates())
    rouge.compare("warm", ["up"])
    candidate, reference = text(5000, 3), text(5000, 4)
    started = time.thread_time()
    rouge.compare(candidate, [reference])
    assert time.thread_time() - started < 1
    tracemalloc.start()
    common_length(candidate.split(), reference.split())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * 2**20


def test_bleu_keeps_no_texts() -> None:
    bleu = Bleu(Bleu.Params.model_validate({"reference": "x"}), Templates())
    for seed in range(10):
        bleu.compare(text(20, seed), [text(20, seed + 1), text(20, seed + 2)])
    for tokenizer in (Tokenizer13a, TokenizerRegexp):
        assert tokenizer.__call__.cache_info().currsize == 0
