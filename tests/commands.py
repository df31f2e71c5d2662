"""Runs what the README and the demo tell one to paste."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent

GRPCURL = """
grpcurl() {  # by buf, which the tests have
  local scheme=https options=(--protocol grpc)
  while true; do
    case "$1" in
      -plaintext) scheme=http; options+=(--http2-prior-knowledge); shift ;;
      -cacert) options+=(--cacert "$2"); shift 2 ;;
      -H) options+=(--header "$2" --reflect-header "$2"); shift 2 ;;
      -d) options+=(--data "$2"); shift 2 ;;
      *) break ;;
    esac
  done
  if [ "$2" = list ]; then set -- "$1" "" --list-methods; fi
  buf curl "${options[@]}" "$scheme://$1/$2" "${@:3}"
}
"""


def bash(script: str, folder: Path, **variables: str) -> str:
    """Runs a script in a folder, with the commands of the tests' environment and grpcurl."""
    return run(["bash", "-euc", GRPCURL + script], folder, **variables)


def python(script: str, folder: Path, **variables: str) -> str:
    """Runs a Python script in a folder."""
    return run([sys.executable, "-c", script], folder, **variables)


def run(command: list[str], folder: Path, **variables: str) -> str:
    """Runs a command and answers what it prints; it must succeed."""
    path = f"{BIN}:{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
