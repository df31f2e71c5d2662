"""Jobs: create, watch, cancel, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from evald.checkpoints import gpus_of_local
from evald.domain import ids
from evald.domain.access import caller
from evald.domain.comparison import SampleReader, compare
from evald.domain.devices import Need
from evald.domain.documents import SCHEMA_VERSION, Document, check_lengths
from evald.domain.entities import Entities, Vault
from evald.domain.judges import with_judges
from evald.domain.listing import ListQuery, Page
from evald.domain.references import DEFAULT_NAMESPACE, check_name, parse_reference
from evald.domain.requests import Request
from evald.domain.states import FINAL, JobStatus
from evald.errors import Conflict, InvalidArgument

SORTS = ("created_at", "updated_at")

MAX_PRIORITY = 100


HIDING = ("target", "config", "custom_fields", "ownership")
"""Members that secrets may be in."""


class JobRepository(Protocol):
    """Where jobs are kept."""

    def made(self, request: Request) -> Document | None:
        """The job that the same request made before. Raises Conflict when the request's key was
        used for another job."""

    def add(self, job: Document, request: Request) -> Document:
        """Answers the job, or the one that the same request made before. Raises Conflict when the
        request's key was used for another job."""

    def get(self, job_id: str) -> Document: ...

    def status(self, job_id: str) -> Document:
        """The status of a job, what it says of itself, and its error. Raises NotFound."""

    def page(self, query: ListQuery) -> Page: ...

    def cancel(self, job_id: str) -> Document: ...

    def delete(self, job_id: str) -> None: ...


class SampleRepository(SampleReader, Protocol):
    """Where samples are kept."""

    def page(
        self, job_id: str, task: str | None, query: ListQuery, *, failed: bool | None = None
    ) -> Page: ...


class Runner(Protocol):
    """What runs jobs."""

    def check(self, need: Need) -> None:
        """Raises InvalidArgument when no server could ever lease these GPUs."""

    def wake(self) -> None:
        """There is something new in the queue."""

    def cancel(self, job_id: str) -> None:
        """Ends the job's attempt if it runs here."""


class JobFiles(Protocol):
    """The files of jobs."""

    def delete(self, job_id: str) -> None:
        """Deletes all files of a job."""


class Jobs:
    """What can be done with jobs. `fits` raises InvalidArgument when a target and a config cannot
    work together."""

    def __init__(
        self,
        repository: JobRepository,
        samples: SampleRepository,
        targets: Entities,
        configs: Entities,
        vault: Vault,
        runner: Runner,
        files: JobFiles,
        fits: Callable[[Mapping[str, Any], Mapping[str, Any]], None],
        *,
        new_id: Callable[[str], str] = ids.new_id,
    ) -> None:
        self._repository = repository
        self._samples = samples
        self._targets = targets
        self._configs = configs
        self._vault = vault
        self._runner = runner
        self._files = files
        self._fits = fits
        self._new_id = new_id

    def create(
        self, document: Document, *, request_id: str | None = None, validate_only: bool = False
    ) -> Document:
        """Queues a job, or answers the one that the same request made before, whatever has become
        of its target and config since. Raises InvalidArgument, PermissionDenied, NotFound or
        Conflict."""
        if validate_only:
            job = self.checked(document)
            kept = ("namespace", "target", "config", "custom_fields", "max_runtime", "priority")
            return self._masked({k: job[k] for k in kept if job[k] not in (None, 0)})
        namespace = document.get("namespace") or DEFAULT_NAMESPACE
        request = Request.of(namespace, request_id, document)
        first = self._repository.made(request) if caller().sees(namespace) else None
        if first is not None:
            return self._masked(first)
        stored = self._repository.add(self.checked(document), request)
        self._runner.wake()
        return self._masked(stored)

    def checked(self, document: Document) -> Document:
        """The job that a document asks for: its target and config whole, fit for each other and for
        this server, all secrets sealed. It is stored nowhere.

        Raises InvalidArgument, PermissionDenied or NotFound.
        """
        target = self._part(document, "target", self._targets, ids.TARGET)
        config = self._part(document, "config", self._configs, ids.CONFIG)
        self._fits(target, config)
        try:
            config = with_judges(config, self._targets.sealed)
            need = self._need(target, config)
        except InvalidArgument as e:
            raise e.under("config") from e
        max_runtime = document.get("max_runtime")
        if max_runtime is not None and max_runtime < 1:
            raise InvalidArgument.of(
                "max_runtime", f"{max_runtime} is not a number of seconds from 1"
            )
        priority = document.get("priority", 0)
        if abs(priority) > MAX_PRIORITY:
            message = f"{priority} is not within -{MAX_PRIORITY} and {MAX_PRIORITY}"
            raise InvalidArgument.of("priority", message)
        namespace = document.get("namespace") or DEFAULT_NAMESPACE
        check_name(namespace, "namespace")
        check_lengths(document)
        caller().check_namespace(namespace)
        return {
            "id": self._new_id(ids.JOB),
            "namespace": namespace,
            "target": target,
            "config": config,
            "gpus": need.gpus,
            "gpu_memory": need.memory_mib,
            "max_runtime": max_runtime,
            "priority": priority,
            **{k: document.get(k) for k in ("description", "project")},
            **self._vault.seal(
                {
                    "custom_fields": document.get("custom_fields") or {},
                    "ownership": document.get("ownership"),
                }
            ),
        }

    def _need(self, target: Document, config: Document) -> Need:
        """The GPUs that params ask for. Where they say nothing, models that the job runs itself,
        judges among them, get those that they are made for, if there are any at all. Raises
        InvalidArgument."""
        params = config.get("params") or {}
        wanted = gpus_of_local(target, config)
        if wanted and params.get("gpus") is None and self._has_gpus():
            params = {**params, "gpus": wanted}
        need = Need.of(params)
        self._runner.check(need)
        return need

    def _has_gpus(self) -> bool:
        try:
            self._runner.check(Need(1))
        except InvalidArgument:
            return False
        return True

    def get(self, job_id: str) -> Document:
        """Raises NotFound."""
        return self._masked(self._repository.get(job_id))

    def status(self, job_id: str) -> Document:
        """What a job says of itself. Raises NotFound."""
        return self._repository.status(job_id)

    def page(self, request: Mapping[str, Any]) -> tuple[ListQuery, Page]:
        """Raises InvalidArgument naming the parameter that is wrong."""
        query = ListQuery.parse(request, SORTS)
        return query, self._repository.page(query).each(self._masked)

    def cancel(self, job_id: str) -> Document:
        """Asks for the end of a job; one that has ended stays as it is. Raises NotFound."""
        job = self._repository.cancel(job_id)
        self._runner.cancel(job_id)
        return self._masked(job)

    def delete(self, job_id: str) -> None:
        """Deletes a job with its result, samples and files. Raises NotFound, or Conflict when the
        job runs."""
        if self._repository.status(job_id)["status"] not in FINAL:
            cancelled = self._repository.cancel(job_id)
            self._runner.cancel(job_id)
            if cancelled["status"] not in FINAL:
                raise Conflict(f"job {job_id!r} is being cancelled; delete it when it has ended")
        self._repository.delete(job_id)
        self._files.delete(job_id)

    def sample_page(self, request: Mapping[str, Any]) -> tuple[ListQuery, Page]:
        """The samples of `job_id`, of its `task` if given, those with an error or without as
        `failed` says. Raises NotFound or InvalidArgument."""
        query = ListQuery.parse(request, SORTS)
        task, failed = request.get("task"), request.get("failed")
        return query, self._samples.page(request.get("job_id", ""), task, query, failed=failed)

    def compare(self, baseline_job_id: str, candidate_job_id: str) -> list[Document]:
        """How the scores of a candidate differ from those of a baseline, score by score.

        Raises InvalidArgument, NotFound, or Conflict when a job has not completed or the two asked
        about different rows.
        """
        jobs = []
        for field, job_id in (
            ("baseline_job_id", baseline_job_id),
            ("candidate_job_id", candidate_job_id),
        ):
            if not job_id:
                raise InvalidArgument.of(field, "say which job")
            job = self._repository.get(job_id)
            if job["status"] != JobStatus.COMPLETED:
                raise Conflict(f"job {job_id!r} is {job['status']}; compare jobs that completed")
            jobs.append(job)
        return compare(self._samples, *jobs)

    def _part(self, document: Document, key: str, entities: Entities, prefix: str) -> Document:
        """The target or config of a job, by reference or inline."""
        given = document.get(key)
        if given is None or given == "":
            raise InvalidArgument.of(key, f"give 'namespace/name' of a {key}, or the {key} itself")
        reference = parse_reference(given, key) if isinstance(given, str) else None
        try:
            part = entities.make(given) if reference is None else entities.sealed(reference)
            check_lengths(part)  # an earlier version may have stored it
        except InvalidArgument as e:
            raise e.under(key) from e
        return {**part, "schema_version": SCHEMA_VERSION, "type_prefix": prefix}

    def _masked(self, job: Document) -> Document:
        return {**job, **{k: self._vault.mask(job[k]) for k in HIDING if k in job}}
