"""JobService."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from threading import Event
from typing import Any, Protocol

from google.api import httpbody_pb2
from google.protobuf import empty_pb2

from evald.domain.jobs import Jobs
from evald.domain.live import LiveEvaluations
from evald.domain.results import Results
from evald.domain.watch import Watches
from evald.rpc.downloads import Downloads
from evald.rpc.lane import Lane
from evald.rpc.plain import to_document, to_message
from evald.rpc.reply import listing
from evaluation.v1 import (
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
    result_pb2,
)


class Files(Protocol):
    """The files of jobs, as ZIP archives."""

    def results(self, job_id: str) -> Iterator[bytes]:
        """All files of a job that has ended. Raises NotFound or Conflict."""

    def logs(self, job_id: str) -> Iterator[bytes]:
        """The logs of a job so far. Raises NotFound."""


class JobServicer(job_service_pb2_grpc.JobServiceServicer):
    """Runs evaluations."""

    def __init__(
        self,
        jobs: Jobs,
        results: Results,
        files: Files,
        watches: Watches,
        live: LiveEvaluations,
        *,
        downloads: Downloads,
        lane: Lane,
    ) -> None:
        self._jobs = jobs
        self._results = results
        self._files = files
        self._watches = watches
        self._live = live
        self._downloads = downloads
        self._lane = lane

    def CreateJob(self, request: Any, context: Any) -> job_pb2.Job:
        created = self._jobs.create(
            to_document(request.job),
            request_id=request.request_id,
            validate_only=request.validate_only,
        )
        return to_message(created, job_pb2.Job)

    def GetJob(self, request: Any, context: Any) -> job_pb2.Job:
        return to_message(self._jobs.get(request.job_id), job_pb2.Job)

    def ListJobs(self, request: Any, context: Any) -> job_service_pb2.ListJobsResponse:
        asked = to_document(request)
        return listing(asked, *self._jobs.page(asked), job_service_pb2.ListJobsResponse)

    def DeleteJob(self, request: Any, context: Any) -> empty_pb2.Empty:
        self._jobs.delete(request.job_id)
        return empty_pb2.Empty()

    def CancelJob(self, request: Any, context: Any) -> job_pb2.Job:
        return to_message(self._jobs.cancel(request.job_id), job_pb2.Job)

    def GetJobStatus(self, request: Any, context: Any) -> job_pb2.JobStatusDetails:
        return to_message(self._jobs.status(request.job_id), job_pb2.JobStatusDetails)

    def GetJobResult(self, request: Any, context: Any) -> result_pb2.Result:
        return to_message(self._results.of_job(request.job_id), result_pb2.Result)

    def ListJobSamples(self, request: Any, context: Any) -> job_service_pb2.ListJobSamplesResponse:
        asked = to_document(request)
        return listing(
            asked, *self._jobs.sample_page(asked), job_service_pb2.ListJobSamplesResponse
        )

    async def DownloadJobResults(
        self, request: Any, context: Any
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        async for part in self._downloads.send(
            self._files.results, request.job_id, "results", context
        ):
            yield part

    async def DownloadJobLogs(
        self, request: Any, context: Any
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        async for part in self._downloads.send(self._files.logs, request.job_id, "logs", context):
            yield part

    async def WatchJob(self, request: Any, context: Any) -> AsyncIterator[job_pb2.JobEvent]:
        asked = to_document(request)
        events = self._watches.watch(
            asked.get("job_id", ""), asked.get("after_revision"), asked.get("heartbeat_seconds")
        )
        async for event in events:
            yield to_message(event, job_pb2.JobEvent)

    def CompareJobs(self, request: Any, context: Any) -> job_service_pb2.CompareJobsResponse:
        compared = self._jobs.compare(request.baseline_job_id, request.candidate_job_id)
        return to_message({"comparisons": compared}, job_service_pb2.CompareJobsResponse)

    async def EvaluateLive(self, request: Any, context: Any) -> job_service_pb2.LiveEvaluation:
        def evaluate(over: Event) -> job_service_pb2.LiveEvaluation:
            found = self._live.evaluate(
                to_document(request.job), over=over, seconds=context.time_remaining()
            )
            return to_message(found, job_service_pb2.LiveEvaluation)

        return await self._lane.run(evaluate)
