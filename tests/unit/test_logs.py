"""Log lines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import structlog
from evald import logs
from evald.settings import Settings
logs.configure(Settings())
def fail(argument):
    local = "can" + "ary"
    raise RuntimeError("told to fail")
try:
    fail("can" + "ary")
except RuntimeError as e:
    structlog.get_logger().error("unexpected error", exc_info=e)
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
