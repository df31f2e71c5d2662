"""The `evald` command."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from evald import __version__
from evald.commands import datasets, flows, gpus, tokens
from evald.errors import EvaldError
from evald.settings import Settings, misspelt


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; ends with status 2 and one line when it cannot."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    given = parser().parse_args(words or ["--help"])
    options = {k: v for k, v in vars(given).items() if k in Settings.model_fields and v is not None}
    if wrong := misspelt(os.environ):
        hints = (f"{name} is no setting; did you mean {near}?" for name, near in wrong.items())
        fail("; ".join(hints))
    try:
        settings = Settings(**options)
        status = given.run(settings, given)
    except ValidationError as e:
        problems = (f"EVALD_{'.'.join(map(str, p['loc'])).upper()}: {p['msg']}" for p in e.errors())
        fail("; ".join(problems))
    except EvaldError as e:
        fail(e.message)
    except BrokenPipeError:  # as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as e:
        fail(f"{e.strerror or e}: {e.filename}" if e.filename else str(e))
    sys.exit(status)


def fail(message: str) -> NoReturn:
    """Ends with status 2."""
    print(f"evald: {message}", file=sys.stderr)
    sys.exit(2)


def parser() -> argparse.ArgumentParser:
    """The command line. Options win over EVALD_* variables."""
    top = argparse.ArgumentParser(
        prog="evald", description="A self-hosted evaluation service.", allow_abbrev=False
    )
    top.add_argument("--version", action="version", version=f"evald {__version__}")
    commands = top.add_subparsers(metavar="command", required=True)

    place = argparse.ArgumentParser(add_help=False)
    place.add_argument(
        "--data-dir", type=Path, help="folder of everything that evald keeps (default: .evald)"
    )
    listen = argparse.ArgumentParser(add_help=False, parents=[place])
    listen.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    listen.add_argument("--grpc-port", type=int, help="port of the gRPC server (default: 50051)")

    up = commands.add_parser(
        "up", parents=[listen], help="run the server and its REST gateway in the foreground"
    )
    up.add_argument("--rest-port", type=int, help="port of the REST gateway (default: 7331)")
    up.set_defaults(run=_up)

    serve = commands.add_parser(
        "serve", parents=[listen], help="run the gRPC server and the executor, without REST"
    )
    serve.set_defaults(run=_serve)

    datasets.add(commands, place)
    tokens.add(commands, place)
    gpus.add(commands, place)
    flows.add(commands)
    return top


def _up(settings: Settings, given: argparse.Namespace) -> int:
    from evald.app import run

    return asyncio.run(run(settings, gateway=True))


def _serve(settings: Settings, given: argparse.Namespace) -> int:
    from evald.app import run

    return asyncio.run(run(settings, gateway=False))
