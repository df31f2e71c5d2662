"""The demo of retrieval with models that answer at once."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path

import pytest

from demo import rag, stage
from demo.reranker import rank
from tests.endpoint import Endpoint
from tests.judge import verdict


def test_shows_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo"
    stage.clear(folder)

    def reply(request: object) -> str:
        return verdict(request) if "response_format" in request else "It is so."  # type: ignore

    with Endpoint(reply=reply, more={"/ranking": rank}) as endpoint:
        for served in ("Embedder", "Reranker", "Model"):
            monkeypatch.setattr(rag, served, lambda log: nullcontext(endpoint))
        rag.run(folder)
    printed = capsys.readouterr().out
    assert printed.count("completed  100.0 %") == 3
    rows = re.findall(r"^  (\S+) +(\S+) +([01]\.\d{4}) .* (\d+)$", printed, re.MULTILINE)
    assert len(rows) == 2 * len(rag.MEASURES) + 1 + len(rag.GRADES)
    assert {int(count) for *_, count in rows} == {rag.QUERIES, rag.QUESTIONS}
    assert printed.count("\n  question  ") == printed.count("\n  answer  ") == 3
    assert "context_relevance 1.000" in printed
