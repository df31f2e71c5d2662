"""Results: create, get, list, update, delete."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from evald.domain import ids
from evald.domain.access import caller
from evald.domain.documents import Document
from evald.domain.entities import Vault
from evald.domain.listing import ListQuery, Page
from evald.domain.references import check_name
from evald.domain.requests import Request
from evald.errors import InvalidArgument

SORTS = ("created_at", "updated_at")

OWN = ("description", "project", "custom_fields", "ownership", "files_url", "tasks", "groups")
"""Members that a caller gives as it likes; `job` and `namespace` are checked."""


class ResultRepository(Protocol):
    """Where results are kept."""

    def add(self, document: Document, request: Request) -> Document:
        """Answers what is stored: the document, in its job's namespace unless it says another one,
        or what an earlier create of the same request made.

        Raises NotFound without the job, AlreadyExists when it has a result, or Conflict when the
        request's key was used for something else.
        """

    def get(self, result_id: str) -> Document:
        """Raises NotFound."""

    def of_job(self, job_id: str) -> Document:
        """Raises NotFound."""

    def page(self, query: ListQuery) -> Page: ...

    def update(
        self, result_id: str, job_id: str | None, change: Callable[[Document], Document]
    ) -> Document:
        """Sets members that `change` makes of what is stored; None takes one away. `job_id` is the
        new job, if there is one. Raises NotFound without the result or its new job, or Conflict
        when that job has a result or the old one runs."""

    def delete(self, result_id: str) -> None:
        """Raises NotFound, or Conflict when the job runs."""


class Results:
    """What can be done with results."""

    def __init__(
        self,
        repository: ResultRepository,
        vault: Vault,
        namespace_of: Callable[[str], str],
        *,
        new_id: Callable[[str], str] = ids.new_id,
    ) -> None:
        """`namespace_of` says where a job is. Raises NotFound."""
        self._repository = repository
        self._vault = vault
        self._namespace_of = namespace_of
        self._new_id = new_id

    def create(
        self, document: Document, *, request_id: str | None = None, validate_only: bool = False
    ) -> Document:
        """Raises InvalidArgument, PermissionDenied, NotFound, AlreadyExists or Conflict."""
        job_id = document.get("job")
        if not job_id:
            raise InvalidArgument.of("job", "say which job's result this is")
        namespace = document.get("namespace") or self._namespace_of(job_id)
        check_name(namespace, "namespace")
        caller().check_namespace(namespace)
        result = self._vault.seal(
            {
                **{k: document[k] for k in OWN if k in document},
                "id": self._new_id(ids.RESULT),
                "job": job_id,
                "namespace": namespace,
            }
        )
        if not validate_only:
            result = self._repository.add(result, Request.of(namespace, request_id, document))
        return self._vault.mask(result)

    def get(self, result_id: str) -> Document:
        """Raises NotFound."""
        return self._vault.mask(self._repository.get(result_id))

    def of_job(self, job_id: str) -> Document:
        """The result of a job that has started. Raises NotFound."""
        return self._vault.mask(self._repository.of_job(job_id))

    def page(self, request: Mapping[str, Any]) -> tuple[ListQuery, Page]:
        """Raises InvalidArgument naming the parameter that is wrong."""
        query = ListQuery.parse(request, SORTS)
        return query, self._repository.page(query).each(self._vault.mask)

    def update(
        self, result_id: str, changes: Document, keys: Collection[str] | None = None
    ) -> Document:
        """Changes top-level members: those in `keys`, by default those that `changes` has. One that
        is in `keys` alone is taken away.

        Raises InvalidArgument, PermissionDenied, NotFound or Conflict.
        """
        given = set(changes if keys is None else keys)
        wanted = {key: changes.get(key) for key in OWN if key in given}
        for key in ("job", "namespace"):
            if key in given:
                if not changes.get(key):
                    raise InvalidArgument.of(key, "it cannot be taken away")
                wanted[key] = changes[key]
        if namespace := wanted.get("namespace"):
            check_name(namespace, "namespace")
            caller().check_namespace(namespace)
        updated = self._repository.update(
            result_id, wanted.get("job"), lambda stored: self._vault.seal(wanted, stored)
        )
        return self._vault.mask(updated)

    def delete(self, result_id: str) -> None:
        """Raises NotFound, or Conflict when the job runs."""
        self._repository.delete(result_id)
