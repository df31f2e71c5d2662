"""Targets and configs: create, get, list, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from evald.domain.documents import Document, Maker
from evald.domain.listing import ListQuery, Page
from evald.domain.references import Reference, check_name

SORTS = ("created_at", "updated_at", "name")


class EntityRepository(Protocol):
    """Where entities of one kind are kept."""

    def add(self, document: Document) -> None:
        """Raises AlreadyExists when the name is taken in its namespace."""

    def get(self, reference: Reference) -> Document:
        """By name, else by id. Raises NotFound."""

    def page(self, query: ListQuery) -> Page: ...

    def delete(self, reference: Reference) -> str:
        """Answers the id. Raises NotFound, or Conflict when a job uses the entity."""


class Vault(Protocol):
    """Keeps secrets out of sight: `seal` before storing, `mask` before answering."""

    def seal(self, document: Document) -> Document: ...

    def mask(self, document: Document) -> Document: ...


class Entities:
    """What can be done with the entities of one kind. `check` raises InvalidArgument."""

    def __init__(
        self,
        repository: EntityRepository,
        vault: Vault,
        maker: Maker,
        prefix: str,
        check: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._repository = repository
        self._vault = vault
        self._maker = maker
        self._prefix = prefix
        self._check = check

    def make(self, document: Document) -> Document:
        """A checked entity with an identity, not stored; its secrets are sealed."""
        entity = self._maker.entity(document, self._prefix)
        self._check(entity)
        return self._vault.seal(entity)

    def create(self, document: Document, *, validate_only: bool = False) -> Document:
        """Raises InvalidArgument or AlreadyExists."""
        entity = self.make(document)
        if not validate_only:
            self._repository.add(entity)
        return self._vault.mask(entity)

    def get(self, namespace: str, name: str) -> Document:
        """By name, else by id. Raises NotFound."""
        return self._vault.mask(self.sealed(Reference(namespace, name)))

    def sealed(self, reference: Reference) -> Document:
        """As stored, to be copied into a job. Raises NotFound."""
        return self._repository.get(reference)

    def page(self, request: Mapping[str, Any]) -> tuple[ListQuery, Page]:
        """Raises InvalidArgument naming the parameter that is wrong."""
        query = ListQuery.parse(request, SORTS)
        page = self._repository.page(query)
        return query, Page([self._vault.mask(dict(e)) for e in page.entries], page.total)

    def delete(self, namespace: str, name: str) -> str:
        """Answers the id. Raises NotFound, or Conflict when a job uses the entity."""
        check_name(namespace, "namespace")
        return self._repository.delete(Reference(namespace, name))
