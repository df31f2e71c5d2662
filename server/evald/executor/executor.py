"""The executor: a pool of threads, each of which carries one attempt from claim to finish."""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Event, Lock, Thread
from typing import Protocol

import structlog

from evald.domain.attempts import Claim, JobQueue
from evald.domain.devices import Need
from evald.domain.fleet import FleetStore, Server
from evald.domain.states import JobStatus
from evald.errors import EvaldError, EvaluationError, Uncertain
from evald.executor.attempt import BROKEN, Attempt
from evald.executor.gpus import Gpus, Lease
from evald.executor.sight import Sight
from evald.executor.turns import Turns

log = structlog.get_logger()

POLL_SECONDS = 0.5
"""How often the queue is looked at when nobody says that there is something new."""


class MakeAttempt(Protocol):
    """Makes the attempt of a claim."""

    def __call__(self, claim: Claim, devices: tuple[str, ...]) -> Attempt: ...


class Executor:
    """Places waiting jobs on free slots and GPUs, each in its turn, and runs them.

    One thread places, so that a slot and the GPUs of a job are taken together; one keeps: it ends
    attempts that were cancelled, overtaken or ran too long, at each third of a lease renews the
    leases and says that this server is alive, and rescues jobs whose leases have run out.
    """

    def __init__(
        self,
        queue: JobQueue,
        gpus: Gpus,
        make_attempt: MakeAttempt,
        files_url: Callable[[str], str],
        fleet: FleetStore,
        *,
        server: Server,
        lease_seconds: float,
    ) -> None:
        """`server` is this one, as others see it."""
        self._queue = queue
        self._gpus = gpus
        self._make_attempt = make_attempt
        self._files_url = files_url
        self._fleet = fleet
        self._server = server
        self._worker = server.id
        self._turns = Turns(gpus, cap=server.namespace_slots)
        self._lease_seconds = lease_seconds
        self._attempts: set[Attempt] = set()
        self._unsure: set[str] = set()
        self._sight = Sight(lease_seconds)
        self._lock = Lock()
        self._news = Event()
        self._closing = Event()
        self._ended = Event()
        self._done = Event()
        self._pool = ThreadPoolExecutor(server.slots, thread_name_prefix="attempt")
        self._placer = Thread(target=self._place_forever, name="placer", daemon=True)
        self._keeper = Thread(target=self._keep_forever, name="keeper", daemon=True)

    def start(self) -> None:
        """Takes up what this worker held when it died, and begins to place jobs."""
        self._say_alive()
        self._look_for_rivals()
        rescued = self._queue.rescue(worker=self._worker)
        if rescued:
            log.info("jobs rescued", jobs=rescued)
        self._placer.start()
        self._keeper.start()

    def check(self, need: Need) -> None:
        """Raises InvalidArgument when no server could ever lease these GPUs. Of a cluster, a node
        that was there may be back."""
        if not need.fits(self._gpus.largest):
            others = (s.devices for s in self._fleet.servers() if s.id != self._server.id)
            need.check([self._gpus.largest, *others])

    def wake(self) -> None:
        """There is something new in the queue."""
        self._news.set()

    def cancel(self, job_id: str) -> None:
        """Ends the job's attempt if it runs here."""
        for attempt in self._running():
            if attempt.job_id == job_id:
                attempt.stop("cancelled")

    def _running(self) -> list[Attempt]:
        """The attempts that run here now."""
        with self._lock:
            return list(self._attempts)

    def stop(self, grace: float) -> None:
        """Places nothing more, lets attempts run for `grace` seconds, and gives the others back to
        the queue. None runs when it returns. Stopping twice does no harm."""
        self._closing.set()
        self._news.set()
        if self._placer.ident is not None:
            self._placer.join()
        deadline = time.monotonic() + grace
        while self._attempts and time.monotonic() < deadline:
            self._ended.clear()
            if self._attempts:
                self._ended.wait(deadline - time.monotonic())
        for attempt in self._running():
            attempt.stop("drained")
        self._pool.shutdown(wait=True)
        self._done.set()
        if self._keeper.ident is not None:
            self._keeper.join()
            self._leave()

    def _leave(self) -> None:
        try:
            self._fleet.leave(self._server.id)
        except EvaldError as e:
            log.warning("the database does not know that this server ends", cause=e.message)

    def _say_alive(self) -> None:
        """Says what devices it has as well."""
        server = replace(self._server, devices=self._gpus.devices)
        self._fleet.renew(server, seconds=self._lease_seconds)
        self._server = server

    def _look_for_rivals(self) -> None:
        """Warns of servers that lease GPUs which this one leases as well, as on one machine."""
        own = {device.uuid for device in self._server.devices if not device.simulated}
        for server in self._fleet.servers():
            both = own & {device.uuid for device in server.devices}
            if both and server.id != self._server.id:
                log.warning(
                    "another server leases the same GPUs; give each its own by "
                    "CUDA_VISIBLE_DEVICES or, on Ray, EVALD_GPUS",
                    server=server.id,
                    gpus=sorted(both),
                )

    def _place_forever(self) -> None:
        while not self._closing.is_set():
            self._news.clear()
            try:
                self._place()
            except EvaldError as e:
                log.warning("queue unreachable", cause=e.message)
            except Exception as e:
                log.error("placing failed", exc_info=e)
            self._news.wait(POLL_SECONDS)
        with suppress(EvaldError):
            self._disown()

    def _disown(self) -> None:
        """Gives back what this server may have claimed, and does not run."""
        if self._unsure:
            self._queue.disown(self._worker, self._unsure)
            self._unsure.clear()

    def _place(self) -> None:
        self._disown()
        waiting = self._queue.waiting()
        ending = self._end_overtaken({job.job_id for job in waiting})
        waiting = [job for job in waiting if job.job_id not in ending]
        if not waiting:
            return
        running = self._queue.running() if self._server.namespace_slots else {}
        slots = self._server.slots - len(self._attempts)
        begun = set()
        for job, lease in self._turns.take(waiting, running, slots):
            self._begin(job.job_id, lease)
            begun.add(job.job_id)
            if self._closing.is_set():
                return
        held = [
            job.job_id
            for job in waiting
            if job.status == JobStatus.CREATED and job.job_id not in begun
        ]
        if held:
            self._queue.hold(held)

    def _end_overtaken(self, waiting: Set[str]) -> set[str]:
        """Ends the attempts here of jobs that wait, since another server overtook them; answers
        those jobs. The next attempt of each is given its folder."""
        overtaken = [attempt for attempt in self._running() if attempt.job_id in waiting]
        for attempt in overtaken:
            attempt.stop("lost")
        return {attempt.job_id for attempt in overtaken}

    def _begin(self, job_id: str, lease: Lease) -> None:
        """Claims a job for which there is a slot and GPUs, and hands it to a thread."""
        claim = None
        try:
            claim = self._queue.claim(
                job_id,
                self._worker,
                devices=lease.visible,
                lease_seconds=self._lease_seconds,
                files_url=self._files_url(job_id),
            )
        except Uncertain:
            self._unsure.add(job_id)
            raise
        finally:
            if claim is None:
                lease.release()
        if claim is None:
            return
        try:
            attempt = self._make_attempt(claim, lease.visible)
        except Exception as e:
            lease.release()
            self._give_up(claim, e)
            return
        with self._lock:
            self._attempts.add(attempt)
        self._pool.submit(self._carry, attempt, lease)

    def _give_up(self, claim: Claim, cause: Exception) -> None:
        """Ends a claim that no attempt can be made of."""
        if isinstance(cause, EvaluationError):
            error = {"kind": cause.kind, "message": cause.message}
            self._queue.finish(claim.fence, JobStatus.FAILED, error=error, launched=False)
            return
        log.error("no attempt can be made", job=claim.fence.job_id, exc_info=cause)
        self._queue.release(claim.fence, counted=True, error=BROKEN)

    def _carry(self, attempt: Attempt, lease: Lease) -> None:
        try:
            attempt.run()
        except Exception as e:
            log.error("attempt broke", job=attempt.job_id, exc_info=e)
        finally:
            lease.release()
            with self._lock:
                self._attempts.discard(attempt)
            self._ended.set()
            self._news.set()

    def _keep_forever(self) -> None:
        # A third of a lease must not become a half because it is waited for in larger steps.
        interval = min(POLL_SECONDS, self._lease_seconds / 6)
        renewed = time.monotonic()
        while not self._done.wait(interval):
            now = time.monotonic()
            attempts = self._running()
            for attempt in attempts:
                if now > attempt.deadline:
                    attempt.stop("deadline")
            try:
                if attempts:
                    self._heed()
                expired = self._queue.has_expired()
                self._sight.saw()
                if self._gpus.devices != self._server.devices:
                    self._say_alive()
                if now - renewed >= self._lease_seconds / 3 or (expired and self._sight.clear):
                    self._keep(attempts)
                    renewed = now
            except EvaldError as e:
                log.warning("leases not renewed", cause=e.message)
            except Exception as e:
                log.error("keeping failed", exc_info=e)

    def _heed(self) -> None:
        """Ends attempts whose jobs were cancelled, which may have happened on another server."""
        for job_id in self._queue.cancelling(self._worker):
            self.cancel(job_id)

    def _keep(self, attempts: list[Attempt]) -> None:
        """Renews before it rescues: if this server slept, its own leases have expired."""
        fences = [attempt.fence for attempt in attempts]
        held = self._queue.renew(fences, lease_seconds=self._lease_seconds)
        for attempt in attempts:
            if attempt.job_id not in held:
                attempt.stop("lost")
        self._sight.saw()
        self._say_alive()
        self._sight.saw()
        if not self._sight.clear:
            return
        self._fleet.end_dead()
        if rescued := self._queue.rescue():
            log.info("jobs rescued", jobs=rescued)
            self._news.set()
            self._sight.saw()
