"""Nodes of a Ray cluster that die."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.robustness.world import Run

ROOT = Path(__file__).parents[3]
TESTS = "tests/executor/test_ray_cluster.py"


def nodes(run: Run) -> None:
    """Runs the tests of a cluster whose nodes come and go."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", TESTS],
        env={**os.environ, "TEST_RAY_CLUSTER": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout[-4000:], flush=True)
    run.figure(
        "a node, the driver, the head or the server of a cluster dies",
        "its attempts are lost, their jobs go on, and nothing is left",
        done.stdout.strip().splitlines()[-1],
        done.returncode == 0,
    )
