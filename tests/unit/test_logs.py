"""Log lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import structlog
from evald import logs
from evald.settings import Settings
logs.configure(Settings())
log = structlog.get_logger()
def fail(argument):
    local = "can" + "ary"
    raise RuntimeError("told to fail")
try:
    fail("can" + "ary")
except RuntimeError as e:
    log.error("unexpected error", exc_info=e)
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_shows_no_local_variables(form: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"EVALD_LOG_FORMAT": form},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "RuntimeError: told to fail" in done.stderr
    assert "canary" not in done.stderr


def test_lines_of_several_servers_in_one_log_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    program = PROGRAM + "for i in range(2000):\n log.info('line', i=i)\n"
    environment = {"EVALD_LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1"}
    with path.open("ab") as log:
        servers = [
            subprocess.Popen([sys.executable, "-c", program], stderr=log, env=environment)
            for _ in range(2)
        ]
    assert [server.wait(60) for server in servers] == [0, 0]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sum(line["event"] == "line" for line in lines) == 4000


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    with Path("/dev/full").open("w") as full:
        program = PROGRAM.replace("told to fail", "x" * 100_000) + "print('done')"
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.stdout == "done\n"
