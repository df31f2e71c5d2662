"""Verdicts are those of bfcl-eval's own checker, on right calls and on ones that are a little
different, of every category."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from evald.bfcl import java, javascript
from evald.bfcl.categories import ALL, Category
from evald.bfcl.checker import mistake
from evald.bfcl.dataset import packaged
from tests.bfcl import upstream
from tests.bfcl.mutations import expected, mutated

RECORDED = json.loads(Path(__file__).with_name("parsed_calls.json").read_text())["cases"]
ANSWERED = [category for category in ALL if "relevance" not in category.form]
FEW = 200
"""Questions of a category that mutations are drawn for."""

TEXTS = {
    java: [
        "1", "-5L", "2.5f", "2.5", "1e3", "true", "'a'", '"x y"', "name", "new int[]{1, 2, 3}",
        'new String[]{"a","b"}', 'new ArrayList<String>(Arrays.asList("a", "b"))', "new long[]{1L}",
        "new ArrayList<Integer>() {{ add(1); add(2); }}", "new ArrayList<>()", "new float[]{1.0f}",
        'new HashMap<String, Object>() {{ put("k", 1); put("l", true); put("m", "x"); }}',
        "new HashMap<String, String>()", "new boolean[]{true}",
    ],
    javascript: [
        "1", "-5n", "2.5", "true", "'a'", '"x y"', "name", "[1, 2, 3]", "['a', 'b']", "[[1,2],[3]]",
        "new Array(1,2)", "new Array([1],[2])", "{'a': 1}", '{"a": [1,2], "b": {"c": 2}}', "{}",
        "[]", "[{'a': 1}, {'b': 2}]", "{a: x, b: 'y'}", "[true, 1.5, 'z']", "[1n,2n]",
    ],
}  # fmt: skip


def questions(category: Category) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Questions, and right calls with names that have dots."""
    rng = random.Random(category.name)
    rows = packaged([category], None)
    if category.language == "python":
        yield from ((row, expected(row, False, rng)) for row in rows)
        return
    read = {case["question"]: case["calls"] for case in RECORDED if "question" in case}
    yield from ((row, read[row["id"]]) for row in rows if read[row["id"]])


def undotted(calls: list[Mapping[str, Any]]) -> list[Any]:
    return [{name.replace(".", "_"): a for name, a in call.items()} for call in calls]


def agree(row: Mapping[str, Any], calls: list[Any], category: Category, native: bool) -> bool:
    """The verdict, if both have the same."""
    calls = undotted(calls) if native else calls
    found = mistake(row["function"], calls, row["ground_truth"], category, underscores=native)
    assert upstream.right(row, calls, category, native) is (found is None), (found, calls, row)
    return found is None


@pytest.mark.parametrize("category", ANSWERED, ids=lambda c: c.name)
def test_right_calls(category: Category) -> None:
    verdicts = Counter(
        agree(row, calls, category, native)
        for row, calls in questions(category)
        for native in (True, False)
    )
    assert verdicts[True] > 0.8 * verdicts.total()


@pytest.mark.parametrize("category", ANSWERED, ids=lambda c: c.name)
def test_calls_that_differ(category: Category) -> None:
    rng = random.Random(category.name)
    rows = list(questions(category))
    verdicts: Counter[bool] = Counter()
    for row, calls in rng.sample(rows, min(len(rows), FEW)):
        for _ in range(max(4, 200 // len(rows))):
            verdicts[agree(row, mutated(calls, rng), category, rng.random() < 0.5)] += 1
    assert min(verdicts[True], verdicts[False]) > 0.02 * verdicts.total()


@pytest.mark.parametrize("language", TEXTS, ids=lambda m: m.__name__.rpartition(".")[2])
def test_values_of_other_languages(language: Any) -> None:
    rng = random.Random(1)
    short = {java: "java", javascript: "js"}[language]
    convertor = upstream.module(f"eval_checker.ast_eval.type_convertor.{short}_type_converter")
    theirs = getattr(convertor, f"{short}_type_converter")
    for _ in range(4000):
        text = rng.choice(TEXTS[language])
        for _ in range(rng.randrange(4)):
            index = rng.randrange(len(text) + 1)
            text = text[:index] + rng.choice(["", *"[]{}(),:'\" 1a.nLf-"]) + text[index + 1 :]
        kind = rng.choice(list(language.TYPES))
        entries = rng.choice(list(language.TYPES)) if "rray" in kind else None
        found = language.value(text, kind, entries)
        same = theirs(text, kind, entries) if entries else theirs(text, kind)
        assert repr(found) == repr(same), (text, kind, entries)
