"""Ray: the process that speaks to it, and the task that runs an attempt on one of its nodes.

Ray has a process of its own, since it ends the one it is in when it loses its head: the server
imports neither this nor the inventory.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from threading import Event, Thread, Timer
from typing import Any, BinaryIO
from uuid import uuid4

import ray
from ray.exceptions import RayError, RayTaskError, TaskCancelledError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from evald.errors import EvaldError
from evald.executor import inventory, marker, node
from evald.executor.backend import ChildDied, JobSpec, Run
from evald.executor.gathered import Gathered
from evald.executor.guardian import guard
from evald.executor.limits import Limits
from evald.executor.local import LocalBackend
from evald.executor.notes import Died, Placed
from evald.executor.ray import Terms

STORE_BYTES = 128 * 2**20
"""Memory of the object store of a Ray that is started here: only large events pass through it."""

AHEAD = 8
"""Pieces of events that a task may be ahead of who reads them."""

WAITING = 100_000
"""More than attempts run at once."""

LATE_SECONDS = 10
"""How long a task may take to end after its grace is over; then Ray is told to kill it."""

PLACE_SECONDS = 1
"""How long an attempt that is told to end may be on its way to a node."""

LAST_SECONDS = 5
"""How long attempts may take to end when the server has."""

END_SECONDS = 10
"""How long Ray may take to let go of us."""


class Stops:
    """Where tasks hear that they are to end: an actor on which they all wait."""

    def __init__(self) -> None:
        self._graces: dict[str, asyncio.Future[float | None]] = {}

    async def wait(self, key: str) -> float | None:
        """Answers when the task is to end: the seconds that it gets; None when it has ended."""
        return await self._grace(key)

    async def tell(self, key: str, grace: float) -> None:
        if not self._grace(key).done():
            self._grace(key).set_result(grace)

    async def forget(self, key: str) -> None:
        if not self._grace(key).done():
            self._grace(key).set_result(None)
        del self._graces[key]

    def _grace(self, key: str) -> asyncio.Future[float | None]:
        return self._graces.setdefault(key, asyncio.get_running_loop().create_future())


@ray.remote(
    max_retries=0, max_calls=0, num_returns="streaming", _generator_backpressure_num_objects=AHEAD
)
def attempt(stops: Any, key: str, terms: Terms, spec: bytes, kept: bytes | None) -> Iterator[bytes]:
    """Runs a spec in a child of this worker. Yields lines: where it runs, its events, and at last
    how it died if it did."""
    # Named by this worker: when it is killed, the next one on its node removes it.
    with TemporaryDirectory(prefix=marker.folder_prefix()) as folder:
        path = None
        if kept is not None:
            path = Path(folder) / "kept.jsonl"
            path.write_bytes(kept)
        devices = tuple(ray.get_runtime_context().get_accelerator_ids().get("GPU", ()))
        try:
            asked = JobSpec.decode(spec)
            node.check(terms.version, asked)
            own = asked.folder if asked.folder and asked.folder.is_dir() else Path(folder)
            with backend_for(terms, devices) as backend:
                run = backend.start(replace(asked, devices=devices, kept=path, folder=own))
                stop_when_told(run, stops.wait.remote(key))
                yield Placed(ray.util.get_node_ip_address(), run.pid).encode()
                yield from Gathered(run)
        except ChildDied as e:
            yield Died(e.kind, str(e)).encode()
        except EvaldError as e:
            yield Died("node", e.message).encode()


@contextmanager
def backend_for(terms: Terms, devices: tuple[str, ...]) -> Iterator[LocalBackend]:
    """The backend of this worker, whose children wait for the next attempt. Not so with devices:
    the next attempt on them may run in another worker, and finds their memory free."""
    limits = (terms.job_memory, terms.job_processes, terms.job_output)
    if terms.keep and not devices:
        yield kept_backend(*limits)
        return
    backend = make_backend(*limits)
    try:
        yield backend
    finally:
        backend.close()


def make_backend(memory: int, processes: int, output: int) -> LocalBackend:
    return LocalBackend(Limits.here(memory, processes, output), warm=0)


kept_backend = cache(make_backend)


def stop_when_told(run: Run, grace: Any) -> None:
    """Stops a run when the reference `grace` has an answer."""

    def on_answer(answer: Any) -> None:
        with suppress(RayError):  # whoever tells is lost; the server has Ray kill us
            if (seconds := answer.result()) is not None:
                run.stop(seconds)

    grace.future().add_done_callback(on_answer)


class Carrier:
    """Carries one attempt between the server, at the other end of a socket, and its task."""

    def __init__(self, stops: Any, link: socket.socket) -> None:
        self._stops = stops
        self._link = link
        self._key = uuid4().hex
        self._stopped = False
        self._placed = Event()
        self._ended = Event()

    def carry(self) -> None:
        """Reads terms and spec, and writes what the task says until it has ended."""
        with self._link, self._link.makefile("rb") as lines, suppress(OSError):
            terms, spec = lines.readline(), lines.readline()
            if spec.endswith(b"\n"):
                self._follow(self._start(Terms(**json.loads(terms)), spec), lines)

    def _start(self, terms: Terms, line: bytes) -> Any:
        spec = JobSpec.decode(line)
        kept = spec.kept.read_bytes() if spec.kept is not None else None
        task = attempt.options(
            num_cpus=terms.cpus,
            num_gpus=len(spec.devices),
            name=f"{spec.job_id} attempt {spec.attempt}",
            scheduling_strategy=inventory.strategy(spec.devices),
        )
        return task.remote(self._stops, self._key, terms, line, kept)

    def _follow(self, stream: Any, lines: BinaryIO) -> None:
        Thread(target=self._listen, args=(stream, lines), daemon=True).start()
        try:
            for piece in stream:
                said = ray.get(piece)
                self._placed.set()
                with suppress(OSError):  # it is told to end when nobody listens
                    self._link.sendall(said)
        except RayError as e:
            kind = "stopped" if self._stopped else "lost"
            self._link.sendall(Died(kind, reason(e)).encode())
        finally:
            self._placed.set()
            self._ended.set()
            self._stops.forget.remote(self._key)
            self._link.shutdown(socket.SHUT_RDWR)

    def _listen(self, stream: Any, lines: BinaryIO) -> None:
        """Hears how many seconds are left; a server that is gone leaves none."""
        with suppress(OSError, ValueError):
            grace = float(lines.readline() or 0)
            if self._ended.is_set():
                return
            self._stopped = True
            self._stops.tell.remote(self._key, grace)
            if not self._placed.wait(PLACE_SECONDS) or not self._ended.wait(grace + LATE_SECONDS):
                ray.cancel(stream, force=True)


def reason(error: RayError) -> str:
    """What to say of a task that Ray has lost."""
    if isinstance(error, TaskCancelledError):
        return "the attempt was told to end"
    if isinstance(error, RayTaskError):
        return (
            f"the Ray task broke: {error.cause!r}; evald must be installed on every Ray node, "
            "in the same version"
        )
    first = re.split(r"\n|\. ", str(error).strip(), maxsplit=1)[0]
    return f"Ray lost the attempt, as when a node or a worker dies: {first}"[:500]


def connect(address: str | None, *, cpus: int, gpus: int, least_cpus: float) -> dict[str, Any]:
    """Connects to a cluster, or starts a Ray on this machine. Answers what there is of it."""
    if address is None:
        folder = mkdtemp(prefix="evald-ray-", dir="/tmp")  # sockets in it have short names
        # Agents of Ray that had just started wait for their node for another minute when it has
        # ended, and their titles are written over what marks them.
        guard(folder)
        ray.init(
            address="local",
            num_cpus=cpus,
            num_gpus=gpus,
            object_store_memory=STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=folder,
        )
    else:
        ray.init(address=address, log_to_driver=False)
    return inventory.take(ray.nodes(), least_cpus)


def serve(control: socket.socket, known: Mapping[str, Any], least_cpus: float) -> None:
    """Carries the attempts whose sockets come through `control`, until that ends, and says there
    what the nodes have when it is not what is `known` any more."""
    here = ray.get_runtime_context().get_node_id()
    over = Event()

    def watch() -> None:
        inventory.watch(control, known, least_cpus, here, over)
        if not over.is_set():  # without its node it is of no use; Ray knows of a lost head only
            os._exit(1)

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    actor = ray.remote(Stops).options(
        num_cpus=0,
        max_concurrency=WAITING,
        max_restarts=-1,
        max_task_retries=-1,
        scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=True),
    )
    stops = actor.remote()
    carriers: list[Thread] = []
    with suppress(OSError):  # of a server that is gone before it has heard all
        while links := socket.recv_fds(control, 1, 1)[1]:
            carrier = Carrier(stops, socket.socket(fileno=links[0]))
            carriers = [thread for thread in carriers if thread.is_alive()]
            carriers.append(Thread(target=carrier.carry, daemon=True))
            carriers[-1].start()
    over.set()
    watcher.join(LAST_SECONDS)  # it asks Ray, which must be there until it has heard
    # The server has told its attempts to end, or is gone, which tells them too.
    ends = time.monotonic() + LAST_SECONDS
    for thread in carriers:
        thread.join(max(0.0, ends - time.monotonic()))


def main(control: int) -> None:
    """Reads from `control` what to connect to, answers what there is or why not, and serves."""
    with socket.socket(fileno=control) as link:
        asked: Mapping[str, Any] = json.loads(link.makefile("rb").readline())
        try:
            answer = connect(**asked)
        except Exception as e:
            answer = {"error": f"{type(e).__name__}: {e}"}
        with suppress(OSError):  # the server may be gone, also before it has heard the answer
            link.sendall(json.dumps(answer).encode() + b"\n")
            if "error" not in answer:
                serve(link, answer, asked["least_cpus"])
    end = Timer(END_SECONDS, os._exit, [1])
    end.daemon = True
    end.start()
    ray.shutdown()
    os._exit(0)  # not to wait for what Ray may still run; the guardian ends that
