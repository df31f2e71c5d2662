"""What is generated from the protos."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def generate(*arguments):
    command = [sys.executable, ROOT / "protos" / "generate.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_gen_is_what_the_protos_give():
    check = generate("--check", ROOT / "gen")
    assert check.returncode == 0, check.stdout + check.stderr


def test_a_difference_is_named(tmp_path):
    out = tmp_path / "gen"
    shutil.copytree(ROOT / "gen", out, ignore=shutil.ignore_patterns("__pycache__"))
    (out / "rest_schema.lua").write_text("return {}")
    (out / "stray.txt").touch()
    (out / "evaluation" / "v1" / "job_pb2.py").unlink()
    check = generate("--check", out)
    assert check.returncode == 1
    for name in ("evaluation/v1/job_pb2.py", "rest_schema.lua", "stray.txt"):
        assert name in check.stderr

    assert generate(out).returncode == 0
    assert generate("--check", out).returncode == 0
