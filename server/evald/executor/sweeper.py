"""Has dropped what jobs have left, on this machine or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Event, Thread
from typing import Protocol

import structlog

from evald.errors import EvaldError

log = structlog.get_logger()

EVERY_SECONDS = 1.0
"""How often one looks, unless said otherwise; that reads a folder, which is empty as long as no job
has left anything."""

LONGEST_SECONDS = 300.0
"""The longest wait after a failure; it doubles from one to the next."""


class Dropper(Protocol):
    """Drops things of one kind."""

    @property
    def kind(self) -> str:
        """What they are, such as `collections`."""

    def idle(self) -> Mapping[str, str]:
        """The names of those that no process uses, and the job of each."""

    def drop(self, names: Sequence[str]) -> Mapping[str, str]:
        """Answers why some could not be dropped, of those that could not."""

    def close(self) -> None:
        """Ends what goes on."""


class Sweeper:
    """Drops what jobs have left that have ended, or were deleted, because the process that should
    have done so was killed, told to end, or could not. Its own thread does it, as long as it
    takes."""

    def __init__(
        self,
        over: Callable[[Iterable[str]], set[str]],
        dropper: Dropper,
        *,
        every: float = EVERY_SECONDS,
    ) -> None:
        """`over` tells which of some jobs need nothing any more; `every` is the seconds between
        looks."""
        self._over = over
        self._dropper = dropper
        self._every = every
        self._closing = Event()
        self._thread = Thread(target=self._sweep_forever, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What is not dropped yet is dropped when a server starts again."""
        self._closing.set()
        self._dropper.close()
        if self._thread.ident is not None:
            self._thread.join()

    def sweep(self) -> bool:
        """Drops what there is to drop. Answers whether that went well. Raises EvaldError."""
        idle = self._dropper.idle()
        if not idle:
            return True
        over = self._over(set(idle.values()))
        if not (left := sorted(name for name, job_id in idle.items() if job_id in over)):
            return True
        failed = self._dropper.drop(left)
        if done := [name for name in left if name not in failed]:
            log.info("dropped what jobs had left", kind=self._dropper.kind, names=done)
        if failed and not self._closing.is_set():
            what = {"kind": self._dropper.kind, "causes": dict(failed)}
            log.warning("not dropped what jobs have left; this is tried again", **what)
        return not failed

    def _sweep_forever(self) -> None:
        wait = 0.0
        while not self._closing.wait(wait):
            try:
                went_well = self.sweep()
            except EvaldError as e:
                log.warning("jobs that have left something not looked up", cause=e.message)
                went_well = False
            except Exception as e:
                log.error("sweeping failed", exc_info=e)
                went_well = False
            wait = self._every if went_well else min(max(wait, 1) * 2, LONGEST_SECONDS)
