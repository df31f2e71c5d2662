"""docs/api.md runs from top to bottom and has every call; the README links each."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from tests.commands import bash
from tests.service import Service

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
REFUSED = 1
"""The page shows one error."""


def calls() -> dict[str, str]:
    """The REST calls of the contract by name: verb and path, as the README writes them."""
    paths = json.loads((ROOT / "gen" / "openapi.json").read_text())["paths"]
    return {
        operation["operationId"]: f"{verb.upper()} {shown(path)}"
        for path, verbs in paths.items()
        if path.startswith("/v1/evaluation/")
        for verb, operation in verbs.items()
    }


def shown(path: str) -> str:
    path = path.removeprefix("/v1/evaluation").replace("{namespace}/{name}", "NAMESPACE/NAME")
    return re.sub(r"\{\w+_id\}", "ID", path)


def test_every_call_has_a_link_and_an_example() -> None:
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"^\| \[(\w+)\]\(docs/api\.md#(\w+)\) \| `([^`]+)` \|", text, re.MULTILINE)
    assert {name: call for name, _, call in links} == calls()
    assert [anchor for _, anchor, _ in links] == [name.lower() for name, _, _ in links]
    sections = re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
    examples = {section.split("\n")[0] for section in sections if "```bash\n" in section}
    assert examples == calls().keys()


def test_examples(service: Service, tmp_path: Path) -> None:
    script = "".join(re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    printed = bash(script.replace("http://localhost:7331", service.rest), tmp_path)
    answers = [json.loads(line) for line in printed.splitlines()]
    assert sum("detail" in answer for answer in answers) == REFUSED
    assert [a["status"] for a in answers if a.get("type") in {"snapshot", "state"}][
        -1
    ] == "completed"
    [compared] = [a["comparisons"] for a in answers if "comparisons" in a]
    assert (compared[0]["wins"], compared[0]["difference"]) == (1, 0.5)
    for name in ("results.zip", "logs.zip"):
        assert zipfile.ZipFile(tmp_path / name).namelist()
