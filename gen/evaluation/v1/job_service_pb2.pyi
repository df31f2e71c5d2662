from evaluation.v1 import config_service_pb2 as _config_service_pb2
from evaluation.v1 import job_pb2 as _job_pb2
from evaluation.v1 import page_pb2 as _page_pb2
from evaluation.v1 import rest_pb2 as _rest_pb2
from evaluation.v1 import result_pb2 as _result_pb2
from evaluation.v1 import target_service_pb2 as _target_service_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import httpbody_pb2 as _httpbody_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateJobRequest(_message.Message):
    __slots__ = ("job", "request_id", "validate_only")
    JOB_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    request_id: str
    validate_only: bool
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("page", "page_size", "sort", "filter", "search", "page_token")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page: int
    page_size: int
    sort: str
    filter: JobFilter
    search: JobSearch
    page_token: str
    def __init__(self, page: _Optional[int] = ..., page_size: _Optional[int] = ..., sort: _Optional[str] = ..., filter: _Optional[_Union[JobFilter, _Mapping]] = ..., search: _Optional[_Union[JobSearch, _Mapping]] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("object", "data", "pagination", "sort", "filter", "search", "next_page_token")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PAGINATION_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    object: str
    data: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    pagination: _page_pb2.Pagination
    sort: str
    filter: JobFilter
    search: JobSearch
    next_page_token: str
    def __init__(self, object: _Optional[str] = ..., data: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., pagination: _Optional[_Union[_page_pb2.Pagination, _Mapping]] = ..., sort: _Optional[str] = ..., filter: _Optional[_Union[JobFilter, _Mapping]] = ..., search: _Optional[_Union[JobSearch, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class JobFilter(_message.Message):
    __slots__ = ("namespace", "project", "status", "created_at", "inline_created_at", "custom_fields", "target", "inline_target", "config", "inline_config")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    INLINE_CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELDS_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    INLINE_TARGET_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    INLINE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    project: str
    status: _job_pb2.JobStatus
    created_at: str
    inline_created_at: _page_pb2.DateTimeFilter
    custom_fields: _containers.RepeatedScalarFieldContainer[str]
    target: str
    inline_target: _target_service_pb2.TargetFilter
    config: str
    inline_config: _config_service_pb2.ConfigFilter
    def __init__(self, namespace: _Optional[str] = ..., project: _Optional[str] = ..., status: _Optional[_Union[_job_pb2.JobStatus, str]] = ..., created_at: _Optional[str] = ..., inline_created_at: _Optional[_Union[_page_pb2.DateTimeFilter, _Mapping]] = ..., custom_fields: _Optional[_Iterable[str]] = ..., target: _Optional[str] = ..., inline_target: _Optional[_Union[_target_service_pb2.TargetFilter, _Mapping]] = ..., config: _Optional[str] = ..., inline_config: _Optional[_Union[_config_service_pb2.ConfigFilter, _Mapping]] = ...) -> None: ...

class JobSearch(_message.Message):
    __slots__ = ("id", "config", "target", "status", "description", "namespace", "project", "output_files_url", "result", "custom_fields", "ownership", "status_details", "created_at", "updated_at", "config_members", "target_members", "ownership_members", "status_details_members")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FILES_URL_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELDS_FIELD_NUMBER: _ClassVar[int]
    OWNERSHIP_FIELD_NUMBER: _ClassVar[int]
    STATUS_DETAILS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    CONFIG_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    TARGET_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    OWNERSHIP_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    STATUS_DETAILS_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    id: _containers.RepeatedScalarFieldContainer[str]
    config: _containers.RepeatedScalarFieldContainer[str]
    target: _containers.RepeatedScalarFieldContainer[str]
    status: _containers.RepeatedScalarFieldContainer[str]
    description: _containers.RepeatedScalarFieldContainer[str]
    namespace: _containers.RepeatedScalarFieldContainer[str]
    project: _containers.RepeatedScalarFieldContainer[str]
    output_files_url: _containers.RepeatedScalarFieldContainer[str]
    result: _containers.RepeatedScalarFieldContainer[str]
    custom_fields: _containers.RepeatedScalarFieldContainer[str]
    ownership: _containers.RepeatedScalarFieldContainer[str]
    status_details: _containers.RepeatedScalarFieldContainer[str]
    created_at: _page_pb2.DateRange
    updated_at: _page_pb2.DateRange
    config_members: _containers.RepeatedScalarFieldContainer[str]
    target_members: _containers.RepeatedScalarFieldContainer[str]
    ownership_members: _containers.RepeatedScalarFieldContainer[str]
    status_details_members: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[_Iterable[str]] = ..., config: _Optional[_Iterable[str]] = ..., target: _Optional[_Iterable[str]] = ..., status: _Optional[_Iterable[str]] = ..., description: _Optional[_Iterable[str]] = ..., namespace: _Optional[_Iterable[str]] = ..., project: _Optional[_Iterable[str]] = ..., output_files_url: _Optional[_Iterable[str]] = ..., result: _Optional[_Iterable[str]] = ..., custom_fields: _Optional[_Iterable[str]] = ..., ownership: _Optional[_Iterable[str]] = ..., status_details: _Optional[_Iterable[str]] = ..., created_at: _Optional[_Union[_page_pb2.DateRange, _Mapping]] = ..., updated_at: _Optional[_Union[_page_pb2.DateRange, _Mapping]] = ..., config_members: _Optional[_Iterable[str]] = ..., target_members: _Optional[_Iterable[str]] = ..., ownership_members: _Optional[_Iterable[str]] = ..., status_details_members: _Optional[_Iterable[str]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class DeleteJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class GetJobStatusRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class GetJobResultRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class DownloadJobResultsRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class DownloadJobLogsRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class ListJobSamplesRequest(_message.Message):
    __slots__ = ("job_id", "task", "page", "page_size", "page_token", "failed")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    task: str
    page: int
    page_size: int
    page_token: str
    failed: bool
    def __init__(self, job_id: _Optional[str] = ..., task: _Optional[str] = ..., page: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., failed: _Optional[bool] = ...) -> None: ...

class ListJobSamplesResponse(_message.Message):
    __slots__ = ("object", "data", "pagination", "next_page_token")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PAGINATION_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    object: str
    data: _containers.RepeatedCompositeFieldContainer[_job_pb2.Sample]
    pagination: _page_pb2.Pagination
    next_page_token: str
    def __init__(self, object: _Optional[str] = ..., data: _Optional[_Iterable[_Union[_job_pb2.Sample, _Mapping]]] = ..., pagination: _Optional[_Union[_page_pb2.Pagination, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchJobRequest(_message.Message):
    __slots__ = ("job_id", "after_revision", "heartbeat_seconds")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_REVISION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    after_revision: int
    heartbeat_seconds: int
    def __init__(self, job_id: _Optional[str] = ..., after_revision: _Optional[int] = ..., heartbeat_seconds: _Optional[int] = ...) -> None: ...

class CompareJobsRequest(_message.Message):
    __slots__ = ("baseline_job_id", "candidate_job_id")
    BASELINE_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    baseline_job_id: str
    candidate_job_id: str
    def __init__(self, baseline_job_id: _Optional[str] = ..., candidate_job_id: _Optional[str] = ...) -> None: ...

class CompareJobsResponse(_message.Message):
    __slots__ = ("comparisons",)
    COMPARISONS_FIELD_NUMBER: _ClassVar[int]
    comparisons: _containers.RepeatedCompositeFieldContainer[ScoreComparison]
    def __init__(self, comparisons: _Optional[_Iterable[_Union[ScoreComparison, _Mapping]]] = ...) -> None: ...

class ScoreComparison(_message.Message):
    __slots__ = ("task", "metric", "score", "pairs", "baseline_mean", "candidate_mean", "p_value", "difference", "stderr", "interval_low", "interval_high", "wins", "losses", "ties")
    TASK_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    BASELINE_MEAN_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_MEAN_FIELD_NUMBER: _ClassVar[int]
    P_VALUE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_LOW_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_HIGH_FIELD_NUMBER: _ClassVar[int]
    WINS_FIELD_NUMBER: _ClassVar[int]
    LOSSES_FIELD_NUMBER: _ClassVar[int]
    TIES_FIELD_NUMBER: _ClassVar[int]
    task: str
    metric: str
    score: str
    pairs: int
    baseline_mean: float
    candidate_mean: float
    p_value: float
    difference: float
    stderr: float
    interval_low: float
    interval_high: float
    wins: int
    losses: int
    ties: int
    def __init__(self, task: _Optional[str] = ..., metric: _Optional[str] = ..., score: _Optional[str] = ..., pairs: _Optional[int] = ..., baseline_mean: _Optional[float] = ..., candidate_mean: _Optional[float] = ..., p_value: _Optional[float] = ..., difference: _Optional[float] = ..., stderr: _Optional[float] = ..., interval_low: _Optional[float] = ..., interval_high: _Optional[float] = ..., wins: _Optional[int] = ..., losses: _Optional[int] = ..., ties: _Optional[int] = ...) -> None: ...

class EvaluateLiveRequest(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class LiveEvaluation(_message.Message):
    __slots__ = ("status", "status_details", "result", "logs")
    class LogsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_DETAILS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    status: _job_pb2.JobStatus
    status_details: _job_pb2.JobStatusDetails
    result: _result_pb2.Result
    logs: _containers.ScalarMap[str, str]
    def __init__(self, status: _Optional[_Union[_job_pb2.JobStatus, str]] = ..., status_details: _Optional[_Union[_job_pb2.JobStatusDetails, _Mapping]] = ..., result: _Optional[_Union[_result_pb2.Result, _Mapping]] = ..., logs: _Optional[_Mapping[str, str]] = ...) -> None: ...
