"""`evald up` whose attempts run on a Ray that it starts itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from evald.processes import children
from tests.e2e.test_process import await_gone, await_that
from tests.e2e.test_rest import Rest, chat_config, model_target
from tests.endpoint import Endpoint
from tests.service import Service

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(180)]


def test_jobs_run_on_ray(tmp_path: Path, rows_file: Path) -> None:
    given = {"EVALD_EXECUTOR": "ray", "EVALD_GPUS": "1", "EVALD_GRACE_SECONDS": "2"}
    with Endpoint() as quick, Endpoint(latency=30) as slow, Service(tmp_path, **given) as service:
        service.run("datasets", "put", "ns/data", str(rows_file))
        rest = Rest(service)
        config = chat_config("hf://datasets/ns/data", gpus=1)
        done, ended = (
            rest("POST", "/jobs", 201, json={"target": model_target(model), "config": config})["id"]
            for model in (quick, slow)
        )
        job = rest.finish(done)
        assert (job["status"], job["attempts"]) == ("completed", 1)
        assert job["status_details"]["samples_processed"] == 10
        await_that(lambda: slow.in_flight)
        [lease] = rest("GET", "/executor")["leases"]
        assert (lease["job"], lease["gpus"]) == (ended, 1)
        body = {"target": model_target(slow), "config": config}
        waiting = rest("POST", "/jobs", 201, json=body)["id"]
        shown = service.run("gpus")
        assert f"simulated  0    0     {ended}" in shown
        assert f"{waiting}  default    0         needs 1 GPU, 0 free" in shown
        rest("POST", f"/jobs/{waiting}/cancel", json={})
        rest("POST", f"/jobs/{ended}/cancel", json={})
        assert rest.finish(ended)["status"] == "cancelled"
        assert rest("GET", "/executor")["leases"] == []
        started_by = children(service.pid)
    await_gone(started_by)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{service.rest}/health", timeout=2)
