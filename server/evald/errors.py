"""Every error that a user can meet.

EvaldError
├── InvalidArgument         the request is wrong; says which fields
├── Unauthenticated         nobody knows who calls
├── PermissionDenied        the caller is known, and may not
├── NotFound
├── AlreadyExists
├── Conflict                something else stands in the way
├── ResourceExhausted       too much at once; try later
├── Unavailable             the server cannot do it now; try later
├── DeadlineExceeded
├── LeaseLost               an attempt that was overtaken tries to write
└── EvaluationError         a job or a sample cannot be evaluated; carries a kind
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with one field. `field` is a dotted path from the top of the entity."""

    field: str
    message: str


class EvaldError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__ or "")

    @property
    def message(self) -> str:
        return str(self.args[0])


class InvalidArgument(EvaldError):
    """The request is not valid."""

    def __init__(self, message: str, violations: Iterable[Violation] = ()) -> None:
        super().__init__(message)
        self.violations = tuple(violations)

    @classmethod
    def of(cls, field: str, message: str) -> InvalidArgument:
        """The error of one field."""
        return cls.all([Violation(field, message)])

    @classmethod
    def all(cls, violations: Collection[Violation]) -> InvalidArgument:
        """The error of several fields."""
        return cls("; ".join(f"{v.field}: {v.message}" for v in violations), violations)

    def under(self, prefix: str) -> InvalidArgument:
        """The same error, seen from an entity that holds this one at `prefix`."""
        violations = [Violation(f"{prefix}.{v.field}", v.message) for v in self.violations]
        return self.all(violations) if violations else self


class Unauthenticated(EvaldError):
    """Show a token that holds: `authorization: Bearer evald_...`."""


class PermissionDenied(EvaldError):
    """This caller may not do that."""


class NotFound(EvaldError):
    """There is no such thing."""


class AlreadyExists(EvaldError):
    """There is one of that name already."""


class Conflict(EvaldError):
    """Something else stands in the way."""


class ResourceExhausted(EvaldError):
    """Too much at once; try again later."""


class Unavailable(EvaldError):
    """The server cannot do this now; try again later."""


class Uncertain(Unavailable):
    """The connection to the database broke while something was stored: it may be there or not."""


class DeadlineExceeded(EvaldError):
    """The time for this request is over."""


class LeaseLost(EvaldError):
    """Another attempt holds the job."""


class EvaluationError(EvaldError):
    """A job or a sample cannot be evaluated.

    `kind` is one short word that programs can branch on, such as `connection`, `timeout`, `http`,
    `response`, `template`, `dataset`, `metric` or `flow`.
    """

    def __init__(
        self, kind: str, message: str, *, task: str | None = None, sample: int | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.task = task
        self.sample = sample
