"""The demo of retrieval with models that answer at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from demo import rag, stage
from demo.reranker import rank
from evald.clients.docstrings import described
from tests.endpoint import Endpoint
from tests.judge import verdict


def test_shows_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo"
    stage.clear(folder)

    def reply(request: Mapping[str, Any]) -> str:
        if "response_format" not in request:
            return "It is so."
        is_first = f"<question>\n{described()[0][1]}\n" in request["messages"][0]["content"]
        return "well" if is_first else verdict(request)

    with Endpoint(reply=reply, more={"/ranking": rank}) as endpoint:
        for served in ("Embedder", "Reranker", "Model"):
            monkeypatch.setattr(rag, served, lambda log: nullcontext(endpoint))
        rag.run(folder)
    printed = capsys.readouterr().out
    assert printed.count("completed  100.0 %") == 3
    rows = re.findall(r"^  (\S+) +(\S+) +([01]\.\d{4}) .* (\d+)$", printed, re.MULTILINE)
    assert len(rows) == 2 * len(rag.MEASURES) + 1 + len(rag.GRADES)
    counts = {name: int(number) for name, *_, number in rows}
    assert counts["rag.context_relevance"] == rag.QUESTIONS - 1
    assert set(counts.values()) == {rag.QUERIES, rag.QUESTIONS, rag.QUESTIONS - 1}
    assert "\n  failed: 1 (each score" in printed
    assert re.search(r"^  failed +context_relevance: there is no JSON", printed, re.MULTILINE)
    assert printed.count("\n  question  ") == printed.count("\n  answer  ") == 3
    assert "context_relevance 1.000" in printed
