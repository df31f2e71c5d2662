"""Asks the rows of a JSONL file with lm-eval, and prints the seconds that it takes.

    python lm_eval_chat.py FILE URL PARALLELISM

It runs in an environment of lm-eval's own, so it imports nothing of evald's. The whole call is what
`lm-eval run` does, and what that counts as its time: find the task among all that there are, then
evaluate it. Python's start and the import of lm-eval are not in it.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager


def main(rows: str, url: str, parallelism: str) -> None:
    """Prints seconds and the score as JSON."""
    task = {
        "task": "qa",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": rows}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{ideal_response}}",
        "generation_kwargs": {"until": [], "max_gen_toks": 64},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean"}],
    }
    arguments = (
        f"model=m,base_url={url}/chat/completions,num_concurrent={parallelism},"
        "tokenized_requests=False,tokenizer_backend=None"
    )
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        (Path(folder) / "qa.yaml").write_text(json.dumps(task))  # JSON is YAML too
        began = time.perf_counter()
        tasks = TaskManager(include_path=folder)
        found = time.perf_counter()
        done = simple_evaluate(
            model="local-chat-completions",
            model_args=arguments,
            tasks=["qa"],
            task_manager=tasks,
            apply_chat_template=True,
            log_samples=True,
        )
        ended = time.perf_counter()
    score = done["results"]["qa"]["exact_match,none"]
    print(json.dumps({"whole": ended - began, "evaluation": ended - found, "score": score}))


if __name__ == "__main__":
    main(*sys.argv[1:])
