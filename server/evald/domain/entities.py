"""Targets and configs: create, get, list, update, delete."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from evald.domain.access import caller, check_data
from evald.domain.documents import Document, Maker
from evald.domain.listing import ListQuery, Page
from evald.domain.references import DEFAULT_NAMESPACE, Reference, check_name
from evald.domain.requests import Request

SORTS = ("created_at", "updated_at", "name")


class EntityRepository(Protocol):
    """Where entities of one kind are kept."""

    def made(self, request: Request) -> Document | None:
        """What an earlier create of the same request made. Raises Conflict when the request's key
        was used for something else."""

    def add(self, document: Document, request: Request) -> Document:
        """Answers what is stored: the document, or what an earlier create of the same request made.

        Raises AlreadyExists when the name is taken in its namespace, or Conflict when the request's
        key was used for something else.
        """

    def get(self, reference: Reference) -> Document:
        """By name, else by id. Raises NotFound."""

    def page(self, query: ListQuery) -> Page: ...

    def update(self, reference: Reference, change: Callable[[Document], Document]) -> Document:
        """Puts what `change` makes of the entity in its place. When somebody else has changed it
        meanwhile, `change` is called again, with what that left.

        Raises NotFound, AlreadyExists, and what `change` raises.
        """

    def delete(self, reference: Reference) -> str:
        """Answers the id. Raises NotFound, or Conflict when a job uses the entity."""


class Vault(Protocol):
    """Keeps secrets out of sight: `seal` before storing, `mask` before answering."""

    def seal(self, document: Document, stored: Document | None = None) -> Document:
        """A secret sent back as it is shown stays what it is in `stored`; else InvalidArgument."""

    def mask(self, document: Document) -> Document: ...


class Entities:
    """What can be done with the entities of one kind. `check` raises InvalidArgument; `fixed` are
    members that an update cannot change; `store` is the endpoint of `hf://` URLs, if any."""

    def __init__(
        self,
        repository: EntityRepository,
        vault: Vault,
        maker: Maker,
        prefix: str,
        check: Callable[[Mapping[str, Any]], None],
        fixed: Collection[str] = (),
        store: str | None = None,
    ) -> None:
        self._repository = repository
        self._vault = vault
        self._maker = maker
        self._prefix = prefix
        self._check = check
        self._fixed = fixed
        self._store = store

    def make(self, document: Document) -> Document:
        """A checked entity with an identity, not stored; its secrets are sealed."""
        entity = self._maker.entity(document, self._prefix)
        self._check(entity)
        check_data(entity, self._store)
        return self._vault.seal(entity)

    def create(
        self, document: Document, *, request_id: str | None = None, validate_only: bool = False
    ) -> Document:
        """Answers what the same request made before, if it did. Raises InvalidArgument,
        PermissionDenied, AlreadyExists, or Conflict."""
        namespace = document.get("namespace") or DEFAULT_NAMESPACE
        request = Request.of(namespace, None if validate_only else request_id, document)
        entity = self._repository.made(request) if caller().sees(namespace) else None
        if entity is None:
            entity = self.make(document)
            caller().check_namespace(namespace)
            if not validate_only:
                entity = self._repository.add(entity, request)
        return self._vault.mask(entity)

    def update(
        self, namespace: str, name: str, changes: Document, keys: Collection[str] | None = None
    ) -> Document:
        """Changes top-level members: those in `keys`, by default those that `changes` has. One that
        is in `keys` alone is taken away.

        Raises InvalidArgument, PermissionDenied, NotFound, or AlreadyExists when the new name is
        taken.
        """
        reference = Reference(namespace, name)

        def change(stored: Document) -> Document:
            changed = self._maker.changed(stored, changes, keys, self._fixed)
            self._check(changed)
            check_data(changed, self._store)
            caller().check_namespace(changed["namespace"])
            return self._vault.seal(changed, stored)

        return self._vault.mask(self._repository.update(reference, change))

    def get(self, namespace: str, name: str) -> Document:
        """By name, else by id. Raises NotFound."""
        return self._vault.mask(self.sealed(Reference(namespace, name)))

    def sealed(self, reference: Reference) -> Document:
        """As stored, to be copied into a job. Raises NotFound."""
        return self._repository.get(reference)

    def page(self, request: Mapping[str, Any]) -> tuple[ListQuery, Page]:
        """Raises InvalidArgument naming the parameter that is wrong."""
        query = ListQuery.parse(request, SORTS)
        return query, self._repository.page(query).each(self._vault.mask)

    def delete(self, namespace: str, name: str) -> str:
        """Answers the id. Raises NotFound, or Conflict when a job uses the entity."""
        check_name(namespace, "namespace")
        return self._repository.delete(Reference(namespace, name))
