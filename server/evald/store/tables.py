"""The tables. A row turns to and from a document: the entity's plain form, as REST shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from evald.domain import ids
from evald.domain.documents import Document, write_time
from evald.domain.states import JobStatus
from evald.store.clock import UtcDateTime
from evald.store.columns import SORTS, json_column, list_indexes, time_column


class Entity(SQLModel):
    """What every entity has."""

    id: str = Field(primary_key=True)
    namespace: str
    description: str | None = Field(default=None, sa_type=Text)
    project: str | None = None
    custom_fields: Any = json_column()
    ownership: Any = json_column()
    created_at: datetime = time_column()
    updated_at: datetime = time_column()
    # the create that made it: `namespace/request_id`, and a fingerprint of what was asked for
    request_key: str | None = None
    request_digest: str | None = None

    def common(self) -> Document:
        return {
            "id": self.id,
            "namespace": self.namespace,
            "description": self.description,
            "project": self.project,
            "custom_fields": self.custom_fields or {},
            "ownership": self.ownership,
            "created_at": write_time(self.created_at),
            "updated_at": write_time(self.updated_at),
        }


class NamedEntity(Entity):
    """An entity with a name that is unique in its namespace. `spec` holds its own members."""

    prefix: ClassVar[str]

    name: str
    type: str
    spec: Any = json_column(nullable=False)

    @classmethod
    def from_document(cls, document: Document) -> NamedEntity:
        return cls(**cls._columns(document))

    def update(self, document: Document) -> None:
        """Makes the row hold `document` instead."""
        for name, value in self._columns(document).items():
            setattr(self, name, value)

    @classmethod
    def _columns(cls, document: Document) -> Document:
        fields = cls.model_fields
        columns = {k: v for k, v in document.items() if k in fields}
        for field in ("created_at", "updated_at"):
            columns[field] = datetime.fromisoformat(columns[field]).replace(tzinfo=UTC)
        for field in ("description", "project", "ownership"):
            columns.setdefault(field, None)
        return {**columns, "spec": {k: v for k, v in document.items() if k not in fields}}

    def document(self) -> Document:
        entity = {**self.common(), "name": self.name, "type": self.type, **self.spec}
        return {k: v for k, v in entity.items() if v is not None}


class TargetRow(NamedEntity, table=True):
    """A target."""

    __tablename__ = "target"
    __table_args__ = (
        UniqueConstraint("namespace", "name"),
        Index("target_request", "request_key", unique=True),
        *list_indexes("target", *SORTS, "name"),
    )
    prefix = ids.TARGET


class ConfigRow(NamedEntity, table=True):
    """A config."""

    __tablename__ = "config"
    __table_args__ = (
        UniqueConstraint("namespace", "name"),
        Index("config_request", "request_key", unique=True),
        *list_indexes("config", *SORTS, "name"),
    )
    prefix = ids.CONFIG


class JobRow(Entity, table=True):
    """A job, and its place in the queue."""

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("request_key"),
        *list_indexes("job", *SORTS),
        Index("job_target_id", "target_id"),
        Index("job_config_id", "config_id"),
        CheckConstraint(
            "status in ({})".format(", ".join(f"'{s}'" for s in JobStatus)), name="job_status"
        ),
    )

    target: Any = json_column(nullable=False)
    config: Any = json_column(nullable=False)
    target_id: str
    config_id: str
    target_ref: str
    config_ref: str
    status: str = JobStatus.CREATED
    message: str | None = Field(default=None, sa_type=Text)
    progress: float | None = None
    samples_processed: int | None = None
    task_status: Any = json_column()
    error: Any = json_column()
    result_id: str | None = None
    output_files_url: str | None = None
    max_runtime: int | None = None
    priority: int = 0
    gpus: int = 0
    gpu_memory: int = 0  # MiB of each; 0 for any
    revision: int = 0
    # the lease of the attempt that holds the job
    attempt: int = 0
    failures: int = 0
    worker: str | None = None
    lease_until: float | None = None
    not_before: float = 0.0
    devices: Any = json_column()

    @classmethod
    def from_document(cls, document: Document) -> JobRow:
        """A new job of `document`, whose target and config are whole."""
        parts = {}
        for key in ("target", "config"):
            part = document[key]
            parts[f"{key}_id"] = part["id"]
            parts[f"{key}_ref"] = f"{part['namespace']}/{part['name']}"
        return cls(**document, **parts)

    def document(self) -> Document:
        job = {
            **self.common(),
            "target": self.target,
            "config": self.config,
            "result": self.result_id,
            "output_files_url": self.output_files_url,
            "status": self.status,
            "status_details": self.details(),
            "error": self.error,
            "attempts": self.attempt or None,
            "max_runtime": self.max_runtime,
            "priority": self.priority or None,
        }
        return {k: v for k, v in job.items() if v is not None}

    def details(self) -> Document:
        details = {
            "message": self.message,
            "task_status": self.task_status or {},
            "progress": self.progress,
            "samples_processed": self.samples_processed,
        }
        return {k: v for k, v in details.items() if v is not None}


class JobEventRow(SQLModel, table=True):
    """A step in the life of a job, written with the step itself."""

    __tablename__ = "job_event"

    job_id: str = Field(
        sa_column=Column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    )
    revision: int = Field(primary_key=True)
    at: datetime = time_column()
    status: str
    attempt: int
    worker: str | None = None


class SampleRow(SQLModel, table=True):
    """One row of a data set, asked and scored. JSON that nobody queries is kept as text."""

    __tablename__ = "sample"
    __table_args__ = (UniqueConstraint("job_id", "task", "index"),)

    id: int | None = Field(default=None, primary_key=True)
    job_id: str = Field(sa_column=Column(ForeignKey("job.id", ondelete="CASCADE"), nullable=False))
    task: str
    index: int
    attempt: int
    item: str = Field(sa_type=Text)
    sample: str | None = Field(default=None, sa_type=Text)
    scores: str = Field(sa_type=Text)
    parts: str | None = Field(default=None, sa_type=Text)
    error: str | None = Field(default=None, sa_type=Text)


class ResultRow(Entity, table=True):
    """What a job found."""

    __tablename__ = "result"
    __table_args__ = (
        Index("result_request", "request_key", unique=True),
        *list_indexes("result", *SORTS),
    )

    job_id: str = Field(
        sa_column=Column(ForeignKey("job.id", ondelete="CASCADE"), nullable=False, unique=True)
    )
    files_url: str | None = None
    tasks: Any = json_column()
    groups: Any = json_column()

    @classmethod
    def from_document(cls, document: Document) -> ResultRow:
        """A new result of `document`."""
        return cls(**{"job_id" if k == "job" else k: v for k, v in document.items()})

    def update(self, changes: Document) -> None:
        """Sets the members that `changes` has."""
        for key, value in changes.items():
            setattr(self, "job_id" if key == "job" else key, value)

    def document(self) -> Document:
        result = {
            **self.common(),
            "job": self.job_id,
            "files_url": self.files_url,
            "tasks": self.tasks or {},
            "groups": self.groups or {},
        }
        return {k: v for k, v in result.items() if v is not None}


class TokenRow(SQLModel, table=True):
    """A token that calls show. Of its secret only the SHA-256 is kept."""

    __tablename__ = "token"

    id: str = Field(primary_key=True)
    name: str
    role: str
    namespaces: Any = json_column()
    digest: str = Field(unique=True)
    created_at: datetime = time_column()
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ServerRow(SQLModel, table=True):
    """A server that claims jobs. `seen_at` and `seen_until` are by the database's clock, in seconds
    since 1970; one that was not seen until then is dead."""

    __tablename__ = "server"

    id: str = Field(primary_key=True)
    host: str
    slots: int
    namespace_slots: int
    gpu_sharing: bool
    devices: Any = json_column(nullable=False)
    started_at: datetime = time_column()
    seen_at: float
    seen_until: float
