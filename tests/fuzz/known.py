"""What a run has made on the server so far, so that later messages find something."""

from __future__ import annotations

from threading import Lock

from google.protobuf.message import Message

from tests.fuzz.methods import Method

REMEMBERED = 200
"""Entities of one kind that messages are about at most: the newest."""

KINDS = ("Target", "Config", "Job", "Result")


class Known:
    """Entities by kind, as the server answered them, and pages that go on. Safe to use from several
    threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entities: dict[str, dict[str, Message]] = {kind: {} for kind in KINDS}
        self._pages: dict[str, list[Message]] = {}
        self.made: dict[str, set[str]] = {kind: set() for kind in KINDS}
        """Ids of all that creates have made and nothing has deleted."""

    def pick(self, kind: str, number: int) -> Message | None:
        """One of the newest entities of a kind, if there is any."""
        with self._lock:
            newest = list(self._entities[kind].values())[-REMEMBERED:]
        return newest[number % len(newest)] if newest else None

    def page(self, method: Method, number: int) -> Message | None:
        """A list request with the token of its next page, if there is any."""
        with self._lock:
            pages = self._pages.get(method.name, [])
            return pages[number % len(pages)] if pages else None

    def note(self, method: Method, request: Message, answer: Message) -> None:
        """Remembers what an answer tells."""
        kind = type(answer).__name__
        with self._lock:
            if method.name.startswith("Delete"):
                deleted = getattr(answer, "id", "") or getattr(request, "job_id", "")
                for kind in KINDS:
                    self._entities[kind].pop(deleted, None)
                    self.made[kind].discard(deleted)
                results = self._entities["Result"]
                for gone in [key for key, result in results.items() if result.job == deleted]:
                    del results[gone]
            elif kind in KINDS and not getattr(request, "validate_only", False):
                self._entities[kind][answer.id] = answer
                if method.name.startswith("Create"):
                    self.made[kind].add(answer.id)
            elif getattr(answer, "next_page_token", ""):
                again = type(request)()
                again.CopyFrom(request)
                again.ClearField("page")
                again.page_token = answer.next_page_token
                self._pages[method.name] = [again, *self._pages.get(method.name, [])][:REMEMBERED]

    def forget(self) -> None:
        """There is nothing left."""
        with self._lock:
            for ids in (*self._entities.values(), *self.made.values()):
                ids.clear()
            self._pages.clear()
