"""The child process: reads a job spec a line, runs its flow, says what happens, and waits for the
next one. The composition root of children: here clients get their concrete classes.

    python -m evald.executor.child EVENTS LIFELINE [TYPE...]

`EVENTS` is the file descriptor that events are written to, `LIFELINE` the reading end of a pipe
whose other end the server holds, and `TYPE` a config type that is likely to be asked for.
"""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import fcntl
import importlib
import io
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO

import orjson

from evald import registry
from evald.checkpoints import count_local
from evald.clients.datasets import FileDatasets
from evald.clients.leftovers import Leftovers
from evald.clients.milvus import MilvusIndexes
from evald.clients.model import ModelClients
from evald.clients.redact import keys_of, redact
from evald.clients.secrets import secret_values
from evald.errors import EvaldError, EvaluationError
from evald.executor.backend import JobSpec
from evald.executor.emitter import Emitter
from evald.executor.events import Done, Event, Failed
from evald.flows.flow import FlowContext, Kept
from evald.tasks import first_of

PRELOADED = (
    *("jinja2.sandbox", "sacrebleu", "numpy", "pandas", "scipy.special", "scipy.linalg"),
    *("scipy.optimize", "scipy.stats", "sklearn", "nltk", "rouge_score.rouge_scorer"),
)
"""Slow imports of common flows, done while there is nothing else to do. What imports others comes
after them: a job that is there waits for the one under way."""

CLEAN_UP_SECONDS = 2
"""How long a flow that is told to end may take to put things away."""

SPARE_SECONDS = 5.0
SPARE_PART = 0.1
"""What is left of an attempt's time when its models are asked no more; the lesser counts."""

MESSAGE_LIMIT = 2000
TRACE_LINES = 100


class Child:
    """Runs one job after another."""

    def __init__(self, specs: BinaryIO, events: int, types: Sequence[str] = ()) -> None:
        self._specs = specs
        self._events = events
        self._types = types
        self._cancel: Callable[[], object] | None = None
        self._stopping = False

    def serve(self) -> None:
        """Returns when there will be no more jobs."""
        signal.signal(signal.SIGTERM, self._on_terminate)
        self._preload()
        for line in self._specs:
            self._run(JobSpec.decode(line))

    def _preload(self) -> None:
        with suppress(Exception):  # a broken plugin is told of by the job that asks for it
            registry.metrics()
            registry.flows()
            for _ in chain(preload(), *map(prepare, self._types)):
                if select.select([self._specs], [], [], 0)[0]:
                    return

    def _run(self, spec: JobSpec) -> None:
        secrets = tuple(secret_values([spec.config, spec.target]))

        def clean(text: str) -> str:
            return redact(text, secrets)

        emitter = Emitter(self._events, clean, keys_of(secrets))
        # Each job anew: the one before may have changed it.
        signal.signal(signal.SIGTERM, self._on_terminate)
        last: Event | None
        try:
            last = asyncio.run(self._evaluate(spec, emitter, clean))
        except BaseException as e:
            last = self._failed(e, emitter, clean)
        self._cancel = None
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        try:
            emitter.close(None if self._stopping else last)
        except (TypeError, ValueError, RecursionError) as e:
            emitter.close(self._failed(e, emitter, clean))
        if self._stopping:
            os._exit(128 + signal.SIGTERM)

    async def _evaluate(
        self, spec: JobSpec, emitter: Emitter, clean: Callable[[str], str]
    ) -> Event | None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            kind = spec.config.get("type", "")
            try:
                flow = registry.flows()[kind]()
            except LookupError as e:
                raise EvaluationError("flow", str(e)) from None
            with ModelClients(
                spec.clients,
                deadline=deadline_of(spec),
                say=emitter.log,
                count=count_local(spec.target, spec.config),
            ) as models:
                return Done(await flow.run(context_of(spec, emitter, models)))
        except BaseException as e:
            return self._failed(e, emitter, clean)

    def _failed(
        self, error: BaseException, emitter: Emitter, clean: Callable[[str], str]
    ) -> Failed | None:
        cause = first_of(error)
        if self._stopping:
            return None
        if not isinstance(cause, EvaldError):
            trace = "".join(traceback.format_exception(cause)).splitlines()
            for line in trace[-TRACE_LINES:]:
                emitter.log("error", line)
        said = told(cause)
        return Failed({**said, "message": clean(said["message"])[:MESSAGE_LIMIT]})

    def _on_terminate(self, number: int, frame: object) -> None:
        """Cancels the flow. What blocks the event loop is ended by the alarm."""
        self._stopping = True
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CLEAN_UP_SECONDS)
        if self._cancel is None:
            os._exit(128 + number)
        with suppress(RuntimeError):
            self._cancel()


def preload() -> Iterator[None]:
    """Imports what common flows need, a module at a time."""
    for name in PRELOADED:
        with suppress(ImportError):
            importlib.import_module(name)
        yield


def prepare(kind: str) -> Iterator[None]:
    """Does ahead what jobs of a config type need, a step at a time."""
    with suppress(LookupError):
        yield from registry.flows()[kind].prepare()


def context_of(spec: JobSpec, emitter: Emitter, models: ModelClients) -> FlowContext:
    """All that the flow of a spec sees of the world."""
    return FlowContext(
        config=spec.config,
        target=spec.target,
        datasets=FileDatasets(spec.clients),
        models=models,
        indexes=MilvusIndexes(
            spec.clients.milvus_url,
            spec.folder,
            spec.job_id,
            Leftovers(spec.clients.collections),
            say=emitter.log,
        ),
        emit=emitter,
        kept=kept_in(spec.kept),
    )


def deadline_of(spec: JobSpec) -> float | None:
    """When to ask models no more, on the monotonic clock: a little before the server ends the
    attempt, so that it can still say what became of its samples."""
    if spec.seconds is None:
        return None
    return time.monotonic() + spec.seconds - min(SPARE_SECONDS, spec.seconds * SPARE_PART)


def told(error: BaseException) -> dict[str, Any]:
    """An error as a job's `error`."""
    if isinstance(error, EvaluationError):
        told = {"kind": error.kind, "message": error.message}
        places = {"task": error.task, "sample": error.sample}
        return told | {k: v for k, v in places.items() if v is not None}
    if isinstance(error, EvaldError):
        return {"kind": "flow", "message": error.message}
    if isinstance(error, MemoryError):
        return {"kind": "memory", "message": "the job needs more memory than it may have"}
    return {"kind": "flow", "message": f"{type(error).__name__}: {error}".removesuffix(": ")}


def kept_in(path: Path | None) -> Callable[[str], Iterator[Kept]]:
    """Reads the samples of a task from a spec's `kept` file."""

    def kept(task: str) -> Iterator[Kept]:
        if path is None:
            return
        name = orjson.dumps(task)
        with path.open("rb") as lines:
            for line in lines:
                if name in line:  # most tasks of a job with many are others
                    told = orjson.loads(line)
                    if told.pop("task") == task:
                        yield Kept(**told)

    return kept


def hold(lifeline: int) -> None:
    """Ends this process, and its group, when the server is gone.

    On Linux the kernel does it, even while a C library keeps Python from running: the break of a
    pipe is a signal to whoever asked for one, and that may be a group, and the signal SIGKILL.
    """
    if sys.platform == "linux":
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp() if leads() else os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
    Thread(target=_end_with, args=[lifeline], name="lifeline", daemon=True).start()


def _end_with(lifeline: int) -> None:
    with suppress(OSError):
        os.read(lifeline, 1)
    if leads():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def leads() -> bool:
    """Whether the process group is this process's own."""
    return os.getpgrp() == os.getpid()


def adopt() -> None:
    """Makes orphans of what this process starts its own children, so that the server sees them."""
    if sys.platform == "linux":
        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def volunteer() -> None:
    """Of all processes, this one goes first when the machine's memory runs out."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def private_stdin() -> BinaryIO:
    """Standard input, which has the secrets, for this process alone; others get an empty one."""
    specs = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return specs


def main(events: int, lifeline: int, types: Sequence[str]) -> None:
    """Serves until standard input ends."""
    for fd in (events, lifeline):
        os.set_inheritable(fd, False)
    hold(lifeline)
    adopt()
    volunteer()
    faulthandler.enable()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    with private_stdin() as specs:
        Child(specs, events, types).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
