"""The README's examples run as they stand; only the addresses are those of the test's service."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import bash, python
from tests.endpoint import Endpoint
from tests.service import Service

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("readme"), EVALD_GPUS="2x24") as service:
        yield service


def blocks(heading: str) -> list[tuple[str, str]]:
    """Language and text of the code blocks below a heading, up to the next one."""
    section = README.split(f"# {heading}\n", 1)[1]
    section = re.split(r"^#+ \w", section, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def run(heading: str, service: Service, folder: Path, model: str = "") -> str:
    """Runs the one block below a heading and answers what it prints."""
    [block] = blocks(heading)
    return run_block(block, service, folder, model)


def run_block(block: tuple[str, str], service: Service, folder: Path, model: str = "") -> str:
    """Runs a block and answers what it prints."""
    language, text = block
    for written, meant in (
        ("http://localhost:7331", service.rest),
        ("https://localhost:7331", service.rest),
        ("localhost:50051", service.grpc),
        ("http://localhost:8000/v1", model),
    ):
        text = text.replace(written, meant)
    runs = {"python": python, "bash": bash}
    return runs[language](text, folder, EVALD_DATA_DIR=str(service.data_dir))


def test_curl(service: Service, tmp_path: Path) -> None:
    printed = run("curl", service, tmp_path)
    assert '"message":"Job completed successfully"' in printed
    result = json.loads(printed[printed.index("\n") :])
    scores = result["tasks"]["qa"]["metrics"]["found"]["scores"]
    assert scores["string-check"]["value"] == pytest.approx(2 / 3)
    with zipfile.ZipFile(tmp_path / "results.zip") as archive:
        assert "results.json" in archive.namelist()


def test_python(service: Service, tmp_path: Path) -> None:
    printed = run("Python", service, tmp_path)
    assert printed.startswith("completed None\n{'value': 0.666")


def test_official_client(service: Service, tmp_path: Path) -> None:
    assert run("NeMo Evaluator's client", service, tmp_path) == "0.5\n"


def test_grpcurl(service: Service, tmp_path: Path) -> None:
    printed = run("grpcurl", service, tmp_path)
    assert "evaluation.v1.JobService" in printed
    assert "JOB_STATUS_COMPLETED" in printed
    assert re.search(r'"value": ?0\.5\b', printed)


def test_model(service: Service, tmp_path: Path) -> None:
    with Endpoint(reply="It is Paris.") as endpoint:
        printed = run("Evaluate a model", service, tmp_path, endpoint.url)
    assert re.search(r'"string-check": \{\s*"value": 0\.5,', printed)
    assert '"output_text": "It is Paris."' in printed
    assert '"status":"completed"' in printed  # as the watch told


def test_judges(service: Service, tmp_path: Path) -> None:
    with Endpoint(reply='{"quality": 5}') as judge:
        live = json.loads(run("Judges", service, tmp_path, judge.url))
        [request] = judge.requests
    metric = live["result"]["tasks"]["qa"]["metrics"]["judged"]
    assert metric["scores"]["quality"]["value"] == 5.0
    assert request.body["messages"][1]["content"] == "6 x 7?\n[BEGIN]\nIt is 42.\n[END]"


def test_gpus(service: Service, tmp_path: Path) -> None:
    answer, *table = run("GPUs", service, tmp_path).splitlines()
    assert [device["memory"] for device in json.loads(answer)["devices"]] == [24, 24]
    assert [line.split()[1:4] for line in table if "simulated" in line] == [
        ["0", "simulated", "24"],
        ["1", "simulated", "24"],
    ]


def test_metric() -> None:
    [(_, text), _] = blocks("Add a metric or a flow")
    defined: dict[str, object] = {"__name__": "length"}
    exec(text, defined)
    assert defined["Length"].compare(None, "abc", ["ab", "abcdef"]).values == {"length": 0.5}  # type: ignore[attr-defined]


def test_tokens(tmp_path: Path) -> None:
    with Service(tmp_path / "data", EVALD_GPUS="none", EVALD_AUTH="tokens") as service:
        printed = run("Who may do what", service, tmp_path)
    assert printed.count('"object"') == 2
    assert re.search(r"ci +writer +team", printed)
    assert printed.endswith("(ci) is revoked\n")


def test_tls(tmp_path: Path) -> None:
    [(_, make), calls] = blocks("TLS")
    bash(make, tmp_path)
    pair = {f"EVALD_TLS_{n.upper()}": str(tmp_path / f"{n}.pem") for n in ("cert", "key")}
    service = Service(tmp_path / "data", EVALD_GPUS="none", **pair)
    service.tls["verify"] = pair["EVALD_TLS_CERT"]
    with service:
        assert run_block(calls, service, tmp_path).count('"object"') == 2
