"""What the package bfcl-eval has: questions, right answers, and the words of prompts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from evald.bfcl.categories import Category
from evald.errors import EvaluationError

PACKAGE, MODULE = "bfcl-eval", "bfcl_eval"
PARSERS = "tree_sitter"
ROOT = "BFCL_PROJECT_ROOT"

INSTALL = (
    f"install its questions and parsers: pip install 'evald[bfcl]', and pip install --no-deps "
    f"{PACKAGE} (its dependencies are not needed)"
)


def missing() -> str | None:
    """What has to be installed."""
    return None if find_spec(MODULE) and find_spec(PARSERS) else INSTALL


def questions(category: Category) -> Iterator[dict[str, Any]]:
    """`{"id", "question", "function", "ground_truth"?}` each. Raises EvaluationError of kind `flow`
    when the package is missing."""
    name = f"BFCL_v4_{category.source}.json"
    answers = {}
    if category.form not in ("irrelevance", "relevance"):
        answers = {row["id"]: row for row in rows(f"possible_answer/{name}")}
    for row in rows(name):
        yield {**row, **answers.get(row["id"], {})}


def rows(path: str) -> Iterator[dict[str, Any]]:
    try:
        folder = Path(str(distribution(PACKAGE).locate_file(f"{MODULE}/data")))
    except PackageNotFoundError:
        raise EvaluationError("flow", f"BFCL needs data: {INSTALL}") from None
    with (folder / path).open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def explained(functions: Sequence[Mapping[str, Any]], category: Category) -> list[dict[str, Any]]:
    """Functions with what BFCL adds to their descriptions: the language, and what their arguments
    are where all of them are written as texts."""
    copies = [deepcopy(dict(function)) for function in functions]
    for copy in copies:
        copy.setdefault("description", "")
    for copy in copies if category.language != "python" else ():
        for described in copy["parameters"]["properties"].values():
            described.setdefault("description", "")
    entry = {"id": f"{category.source}_0", "function": copies}
    [found] = utilities().add_language_specific_hint_to_function_doc([entry])
    told: list[dict[str, Any]] = found["function"]
    return told


def instructions(functions: Sequence[Mapping[str, Any]]) -> str:
    """The system prompt of models that are to write calls as text."""
    from bfcl_eval.constants import default_prompts as prompts

    style = prompts.PROMPT_STYLE_TEMPLATES["classic"]
    calls = style["tool_call_no_tag"].format(
        output_format=prompts.OUTPUT_FORMAT_MAPPING["python"],
        param_types=prompts.PARAM_TYPE_MAPPING["python"],
    )
    tools = style["available_tools"].format(
        format="json", functions=json.dumps(functions, indent=4)
    )
    return str(
        prompts.PROMPT_TEMPLATE_MAPPING["plaintext"].format(
            persona=style["persona"],
            task=style["task"],
            tool_call_format=calls,
            multiturn_behavior=style["multiturn_behavior"],
            available_tools=tools,
        )
    )


@cache
def utilities() -> ModuleType:
    """The package's helpers. They make folders when they are imported, beside the package if they
    are not told another place."""
    told = os.environ.get(ROOT)
    with TemporaryDirectory() as folder:
        os.environ[ROOT] = folder
        try:
            from bfcl_eval import utils
        finally:
            os.environ.pop(ROOT)
            if told is not None:
                os.environ[ROOT] = told
    return utils  # type: ignore[no-any-return]
