"""Live evaluations over REST: answered at once, bounded, and kept nowhere."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import requests
from nemo_microservices import NeMoMicroservices

from tests.e2e.test_process import await_gone
from tests.e2e.test_rest import ID, NAIVE_TIME, Rest, fresh, put
from tests.executor.conftest import PLUGIN
from tests.service import Service

SLOTS = 2


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that knows the flow of the executor's tests."""
    folder = tmp_path_factory.mktemp("live")
    with trial_service(folder, EVALD_LIVE_SLOTS=str(SLOTS)) as service:
        yield service


@pytest.fixture
def rest(service: Service) -> Rest:
    return Rest(service)


def trial_service(folder: Path, **settings: str) -> Service:
    paths = [str(PLUGIN), *filter(None, [os.environ.get("PYTHONPATH")])]
    return Service(folder, PYTHONPATH=os.pathsep.join(paths), EVALD_GPUS="1", **settings)


def rows(*answers: str) -> dict[str, Any]:
    return {"type": "rows", "rows": [{"answer": answer, "truth": "Paris"} for answer in answers]}


def data_config(**params: Any) -> dict[str, Any]:
    check = {"check": ["{{ answer }}", "contains", "{{ truth }}"]}
    metrics = {"accuracy": {"type": "string-check", "params": check}}
    tasks = {"qa": {"type": "data", "metrics": metrics}}
    return {"type": "custom", "params": params, "tasks": tasks}


class Hanging:
    """An evaluation that hangs, asked for on a connection of its own; `pid` is its child."""

    def __init__(self, service: Service, folder: Path, **job: Any) -> None:
        sign = folder / fresh()
        config = {"type": "trial", "params": {"extra": {"sign": str(sign)}}}
        body = {"target": rows("x"), "config": {**config, "tasks": {"qa": {"type": "sign"}}}, **job}
        self._connection = HTTPConnection(service.rest.removeprefix("http://"), timeout=30)
        headers = {"content-type": "application/json"}
        self._connection.request("POST", "/v1/evaluation/live", json.dumps(body), headers)
        deadline = time.monotonic() + 20
        while not sign.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.pid = int(sign.read_text())

    def answer(self) -> tuple[int, Any]:
        """Status and body."""
        with closing(self._connection), self._connection.getresponse() as answer:
            return answer.status, json.load(answer)

    def leave(self) -> None:
        self._connection.close()


def test_answer(rest: Rest) -> None:
    body = {"target": rows("Paris", "In Paris.", "Rome"), "config": data_config()}
    found = rest("POST", "/live", json={"namespace": "team", **body})
    assert list(found) == ["status", "status_details", "result", "logs"]
    assert found["status"] == "completed"
    assert found["status_details"] == {
        "message": "Job completed successfully",
        "task_status": {"qa": "completed"},
        "progress": 100.0,
        "samples_processed": 3,
    }
    result = found["result"]
    assert re.fullmatch(f"eval-{ID}", result.pop("job"))
    assert re.fullmatch(f"evaluation_result-{ID}", result.pop("id"))
    times = [result.pop("created_at"), result.pop("updated_at")]
    assert all(NAIVE_TIME.fullmatch(moment) for moment in times)
    assert times == sorted(times)
    scores = result.pop("tasks")["qa"]["metrics"]["accuracy"]["scores"]
    assert scores["string-check"]["value"] == pytest.approx(2 / 3)
    assert scores["string-check"]["stats"]["count"] == 3
    assert result == {"namespace": "team", "custom_fields": {}, "groups": {}}
    assert "completed: 3 samples" in found["logs"]["qa"]


def test_data_set_and_references(rest: Rest, service: Service, rows_file: Path) -> None:
    ns = fresh()
    dataset = {"files_url": put(service, f"{ns}/data", rows_file)}
    check = {"check": ["{{ prompt }}", "equals", "{{ ideal_response }}"]}
    metrics = {"same": {"type": "string-check", "params": check}}
    config = {"type": "custom", "tasks": {"qa": {"type": "data", "metrics": metrics}}}
    target = {"type": "dataset", "dataset": dataset}
    for kind, entity in (("targets", target), ("configs", config)):
        rest("POST", f"/{kind}", 201, json={"namespace": ns, "name": "it", **entity})
    found = rest("POST", "/live", json={"target": f"{ns}/it", "config": f"{ns}/it"})
    scores = found["result"]["tasks"]["qa"]["metrics"]["same"]["scores"]
    assert scores["string-check"]["value"] == pytest.approx(0.6)
    inline = rest("POST", "/live", json={"target": target, "config": config})
    assert inline["result"]["tasks"] == found["result"]["tasks"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_official_client(service: Service) -> None:
    with NeMoMicroservices(base_url=service.rest) as client:
        found = client.evaluation.live(target=rows("Paris", "Rome"), config=data_config())
    assert found.status == "completed"
    assert found.status_details.progress == 100.0
    score = found.result.tasks["qa"].metrics["accuracy"].scores["string-check"]
    assert (score.value, score.stats.count) == (0.5, 2)
    assert "2 samples" in found.logs["qa"]


def test_failures_are_answers(rest: Rest) -> None:
    unanswered = {"type": "rows", "rows": [{"truth": "Paris"}]}
    missing = {"type": "dataset", "dataset": {"files_url": "hf://datasets/no/where"}}
    for target, kind in ((unanswered, "template"), (missing, "dataset")):
        found = rest("POST", "/live", json={"target": target, "config": data_config()})
        assert found["status"] == "failed"
        details = found["status_details"]
        assert (details["message"], details["error"]["kind"]) == ("Job failed", kind)
        assert details["task_status"] == {"qa": "failed"}
        assert found["result"]["tasks"] == {}
        assert f"ERROR {kind}: " in found["logs"]["qa"]


@pytest.mark.parametrize(
    ("changes", "loc"),
    [
        ({"target": {"type": "model", "model": "m"}}, ["target", "type"]),
        ({"config": data_config(gpus=1)}, ["config", "params", "gpus"]),
        ({"config": {"type": "custom"}}, ["config", "tasks"]),
        ({"target": None}, ["target"]),
    ],
)
def test_refused(rest: Rest, changes: dict[str, Any], loc: list[str]) -> None:
    body = {"target": rows("Paris"), "config": data_config(), **changes}
    [problem] = rest("POST", "/live", 422, json=body)["detail"]
    assert problem["loc"] == ["body", *loc]


def kept(service: Service) -> tuple[dict[str, list[Any]], set[Path]]:
    """Every row of every table but that of servers, which say that they are alive, and every path
    but those of the database itself."""
    with closing(sqlite3.connect(service.data_dir / "evald.db")) as database:
        names = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        tables = {
            name: database.execute(f"select * from {name}").fetchall()
            for (name,) in names
            if name != "server"
        }
    paths = {path for path in service.data_dir.rglob("*") if not path.name.startswith("evald.db")}
    return tables, paths


def test_nothing_is_kept(rest: Rest, service: Service, tmp_path: Path) -> None:
    body = {"target": rows("Paris"), "config": data_config(extra={"hf_token": "x"})}
    rest("POST", "/live", json=body)  # what the first secret leaves is the key for all
    before = kept(service)
    assert {"job", "result", "sample", "job_event", "target", "config"} <= set(before[0])
    found = rest("POST", "/live", json=body)
    rest("POST", "/live", json={**body, "target": {"type": "rows", "rows": [{"x": 1}]}})
    assert Hanging(service, tmp_path, max_runtime=5).answer()[0] == 504
    assert kept(service) == before
    rest("GET", f"/jobs/{found['result']['job']}", 404)
    rest("GET", f"/results/{found['result']['id']}", 404)


def test_time_is_up(service: Service, tmp_path: Path) -> None:
    hanging = Hanging(service, tmp_path, max_runtime=5)
    status, said = hanging.answer()
    assert status == 504
    assert "create a job instead" in said["detail"]
    await_gone([hanging.pid])


def test_slots(rest: Rest, service: Service, tmp_path: Path) -> None:
    body = {"target": rows("Paris"), "config": data_config()}
    held = [Hanging(service, tmp_path) for _ in range(SLOTS)]
    refused = requests.post(f"{rest.base}/live", json=body, timeout=30)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert "try again later" in refused.json()["detail"]
    job = rest("POST", "/jobs", 201, json=body)  # jobs have slots of their own
    assert rest.finish(job["id"])["status"] == "completed"
    for hanging in held:
        hanging.leave()
    await_gone([hanging.pid for hanging in held])
    assert rest("POST", "/live", json=body)["status"] == "completed"


def test_end_of_the_server(tmp_path: Path) -> None:
    service = trial_service(tmp_path / "data", EVALD_GRACE_SECONDS="1")
    service.start()
    try:
        hanging = Hanging(service, tmp_path)
    finally:
        status = service.stop()
    assert status == 0
    await_gone([hanging.pid])
    hanging.leave()
