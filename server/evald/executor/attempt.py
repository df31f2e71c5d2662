"""One attempt: carries a claimed job through its run to its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, Protocol

import structlog

from evald.domain.attempts import Claim, Fence, JobQueue, SampleLog, StoredSample
from evald.domain.datasets import with_files
from evald.domain.states import JobStatus
from evald.errors import (
    EvaluationError,
    InvalidArgument,
    LeaseLost,
    ResourceExhausted,
    Unavailable,
)
from evald.executor import events
from evald.executor.backend import Backend, ChildDied, JobSpec, Run
from evald.executor.output import Output
from evald.executor.patience import Patience
from evald.executor.standing import after, at_start
from evald.settings import ClientSettings

log = structlog.get_logger()

PROGRESS_SECONDS = 0.5
"""Progress that no sample carries is written at most this often."""

TOLD, FORCED = 0.8, 0.1
"""Parts of the grace time that a run gets to end by itself: when it is told to, and when a drain
has spent the grace time already. Ending it by force takes time as well."""

MOST_SECONDS = 10
"""The most of the grace time that counts for a run that nobody wants any more."""

LAST_SECONDS = 60
"""How long an attempt whose run was ended may wait until it can write that."""

HOPELESS = frozenset({"memory", "output", "processes"})
"""Kinds of death that another attempt would die as well."""

LOST = "lease lost"
"""What the log says of an attempt that was overtaken."""

BROKEN = {"kind": "server", "message": "the server failed to carry the job"}


class Vault(Protocol):
    """Makes secrets readable."""

    def reveal(self, document: Any) -> Any:
        """A document with its secrets readable. Raises EvaluationError of kind `secret`."""


class Attempt:
    """Runs one claimed job on the calling thread; `stop` may be called from any other.

    It ends in exactly one of four ways: the job is finished; it is given back to the queue; it is
    left to be rescued, when the database stays away; or the lease was lost, and then nothing more
    is written.
    """

    def __init__(
        self,
        claim: Claim,
        *,
        devices: tuple[str, ...],
        queue: JobQueue,
        samples: SampleLog,
        backend: Backend,
        vault: Vault,
        output: Output,
        clients: ClientSettings,
        grace: float,
        max_runtime: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.fence: Fence = claim.fence
        self._claim = claim
        self._devices = devices
        self._queue = queue
        self._samples = samples
        self._backend = backend
        self._vault = vault
        self._output = output
        self._clients = clients
        self._grace = grace
        self._limit = claim.max_runtime or max_runtime
        self._clock = clock
        self._started = self._written = clock()
        self.deadline = math.inf
        """When the run has to end; what it waits for before it begins is none of its time."""
        self._patience = Patience()
        self._standing = at_start(claim.config)
        self._lock = Lock()
        self._run: Run | None = None
        self._reason: str | None = None

    @property
    def job_id(self) -> str:
        return self.fence.job_id

    def stop(self, reason: str) -> None:
        """Ends the run: `cancelled`, `deadline`, `drained`, `lost` or `broken`. The first reason
        counts."""
        if reason in ("drained", "lost"):
            self._patience.end()
        else:
            self._patience.limit(LAST_SECONDS)
        with self._lock:
            self._reason = self._reason or reason
            if self._run is not None:
                self._end(self._run)

    def run(self) -> None:
        """Returns when the job has ended, was given back, or was lost."""
        with structlog.contextvars.bound_contextvars(job=self.job_id, attempt=self.fence.attempt):
            log.info("attempt started", devices=list(self._devices))
            try:
                status = self._carry()
                log.info("attempt ended", status=str(status))
            except LeaseLost as e:
                self.stop("lost")
                log.warning(LOST, cause=e.message)
            except (Unavailable, ResourceExhausted) as e:
                said = LOST if self._reason == "lost" else "the job is left to be rescued"
                self.stop("lost")
                log.warning(said, cause=e.message)
            except Exception as e:
                self.stop("broken")
                self._break(e)
            finally:
                self._output.close()
                self._clear_up()

    def _clear_up(self) -> None:
        """Deletes the attempt's folder if nobody needs it any more: the job's files are published,
        and it has ended, which may not be known here."""
        with suppress(Unavailable):
            if self._output.published and self._queue.over([self.job_id]):
                self._output.leave()

    def _break(self, cause: Exception) -> None:
        """Gives the job back after a fault of ours. It is none when another attempt has the job,
        and with it the files."""
        try:
            with suppress(Unavailable, ResourceExhausted):
                self._release(BROKEN, counted=True)
        except LeaseLost as e:
            log.warning(LOST, cause=e.message, fault=repr(cause))
        else:
            log.error("attempt broke", exc_info=cause)

    def _end(self, run: Run) -> None:
        if self._reason == "drained":
            run.stop(self._grace * FORCED)
        else:
            run.stop(min(self._grace, MOST_SECONDS) * TOLD)

    def _carry(self) -> JobStatus:
        """Runs the job to its end; answers the state that it is left in."""
        self._write()  # if this server was stopped since the claim, the folder may be another's
        self._patience(self._output.open)
        try:
            spec = self._spec()
        except EvaluationError as e:
            return self._fail({"kind": e.kind, "message": e.message}, launched=False)
        except InvalidArgument as e:
            return self._fail({"kind": "dataset", "message": e.message}, launched=False)
        self._say("info", f"attempt {self.fence.attempt} started{self._on_devices()}")
        try:
            for event in self._begin(spec).events():
                match event:
                    case events.Done(result=result):
                        return self._complete(result)
                    case events.Failed(error=error):
                        return self._fail(error)
                self._take(event)
        except ChildDied as e:
            return self._died(e)
        return self._died(ChildDied("child", "the child ended without a result"))

    def _begin(self, spec: JobSpec) -> Run:
        """Starts the run, when there is what it runs on. Raises ChildDied when the attempt is told
        to end before."""

        def start() -> Run:
            if self._reason is not None:
                raise ChildDied("stopped", "the attempt was told to end before it began")
            return self._backend.start(spec)

        try:
            run = self._patience(start)
        except Unavailable as e:
            raise ChildDied("lost", e.message) from e
        self.deadline = self._clock() + self._limit
        with self._lock:
            self._run = run
            if self._reason is not None:
                self._end(run)
        return run

    def _spec(self) -> JobSpec:
        config = self._vault.reveal(with_files(self._claim.config))
        target = self._vault.reveal(with_files(self._claim.target))
        return JobSpec(
            job_id=self.job_id,
            attempt=self.fence.attempt,
            config=config,
            target=target,
            clients=self._clients,
            seconds=self._limit,
            devices=self._devices,
            kept=self._patience(lambda: self._output.keep(self._samples)),
            folder=self._output.folder,
        )

    def _take(self, event: events.Event) -> None:
        match event:
            case events.Samples():
                self._write(event.batch)
            case events.Progress():
                self._standing = after(self._standing, event)
                if self._clock() - self._written >= PROGRESS_SECONDS:
                    self._write()
            case events.Task():
                self._standing = after(self._standing, event)
                self._write()
            case events.Log():
                self._output.log(event.at, event.level, event.message)

    def _write(self, batch: Sequence[StoredSample] = ()) -> None:
        self._patience(lambda: self._samples.record(self.fence, batch, self._standing))
        self._written = self._clock()

    def _complete(self, result: Mapping[str, Any]) -> JobStatus:
        seconds = self._clock() - self._started
        self._say("info", f"completed: {self._standing.processed} samples in {seconds:.1f} s")
        self._publish(result=result)
        return self._finish(JobStatus.COMPLETED, result=result)

    def _fail(self, error: Mapping[str, Any], *, launched: bool = True) -> JobStatus:
        self._say("error", f"{error['kind']}: {error['message']}")
        self._publish(error=error)
        return self._finish(JobStatus.FAILED, error=error, launched=launched)

    def _died(self, death: ChildDied) -> JobStatus:
        """The child is gone: because it was told to stop, or by itself."""
        error = {"kind": death.kind, "message": str(death)}
        match self._reason:
            case "cancelled":
                self._say("info", "cancelled")
                self._publish()
                return self._finish(JobStatus.CANCELLED)
            case "deadline":
                message = (
                    f"the job ran for more than {self._limit:g} s; give it a greater max_runtime, "
                    "or fewer samples"
                )
                return self._fail({"kind": "deadline", "message": message})
            case "drained":
                return self._release(error, counted=False)
            case "lost":
                raise LeaseLost
        if death.kind in HOPELESS:
            return self._fail(error)
        self._say("error", f"{death.kind}: {death}")
        if self._claim.is_last:  # whoever sees that the job failed finds its files
            self._publish(error=error)
        return self._release(error, counted=True)

    def _release(self, error: Mapping[str, Any], *, counted: bool) -> JobStatus:
        return self._patience(lambda: self._queue.release(self.fence, counted=counted, error=error))

    def _publish(self, **said: Any) -> None:
        """Publishes the job's files, as long as it is this attempt's."""
        self._patience(lambda: self._output.publish(self._samples, check=self._write, **said))

    def _say(self, level: str, message: str) -> None:
        self._output.log(time.time(), level, message)

    def _on_devices(self) -> str:
        return f" on GPU {', '.join(self._devices)}" if self._devices else ""

    def _finish(self, status: JobStatus, **said: Any) -> JobStatus:
        return self._patience(lambda: self._queue.finish(self.fence, status, **said))
