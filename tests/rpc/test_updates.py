"""Updates, results and repeated creates over a real gRPC channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from evaluation.v1 import (
    config_pb2,
    config_service_pb2,
    job_service_pb2,
    model_pb2,
    result_pb2,
    result_service_pb2,
    target_pb2,
    target_service_pb2,
)
from tests.rpc.calls import Stubs, custom_config, detail, error_of, new_job, rows_target

CODES = grpc.StatusCode


def violated(status: Any) -> list[str]:
    return [v.field for v in detail(status, error_details_pb2.BadRequest).field_violations]


def create_target(stubs: Stubs, **fields: Any) -> target_pb2.Target:
    request = target_service_pb2.CreateTargetRequest(target=rows_target(**fields))
    return stubs.targets.CreateTarget(request)


def update_target(**fields: Any) -> target_service_pb2.UpdateTargetRequest:
    return target_service_pb2.UpdateTargetRequest(namespace="ns", name="n", **fields)


def test_fields_that_are_set_change_and_others_stay(stubs: Stubs) -> None:
    before = create_target(stubs, namespace="ns", name="n", description="old", project="p")
    changes = target_pb2.Target(description="new")
    changed = stubs.targets.UpdateTarget(update_target(target=changes))
    assert changed.description == "new"
    assert changed.updated_at.ToDatetime() > before.updated_at.ToDatetime()
    assert (changed.id, changed.project, changed.rows, changed.created_at) == (
        before.id,
        "p",
        before.rows,
        before.created_at,
    )
    get = target_service_pb2.GetTargetRequest(namespace="ns", name=before.id)
    assert stubs.targets.GetTarget(get) == changed


def test_a_mask_names_what_changes_and_takes_away_what_is_unset(stubs: Stubs) -> None:
    create_target(stubs, namespace="ns", name="n", description="old", project="p")
    changes = target_pb2.Target(description="ignored")
    mask = {"paths": ["project"]}
    changed = stubs.targets.UpdateTarget(update_target(target=changes, update_mask=mask))
    assert changed.description == "old"
    assert not changed.HasField("project")


def test_the_type_of_a_target_changes_with_its_member(stubs: Stubs) -> None:
    create_target(stubs, namespace="ns", name="n")
    model = target_pb2.Target(type=target_pb2.TARGET_TYPE_MODEL, model="ns/m")
    changed = stubs.targets.UpdateTarget(update_target(target=model))
    assert (changed.type, changed.model) == (target_pb2.TARGET_TYPE_MODEL, "ns/m")
    inline = model_pb2.Model(api_endpoint={"url": "http://h/v1", "model_id": "m"})
    mask = {"paths": ["inline_model", "rows"]}
    changed = stubs.targets.UpdateTarget(
        update_target(target=target_pb2.Target(inline_model=inline), update_mask=mask)
    )
    assert changed.WhichOneof("model_source") == "inline_model"
    assert changed.inline_model.id.startswith("model-")
    assert not changed.rows


@pytest.mark.parametrize(
    ("changes", "paths", "field"),
    [
        ({"name": "other"}, [], "name"),
        ({"namespace": "other"}, [], "namespace"),
        ({"type": target_pb2.TARGET_TYPE_MODEL}, [], "model"),
        ({}, ["rows"], "rows"),
        ({}, ["colour"], "update_mask"),
        ({}, ["inline_model.name"], "update_mask"),
    ],
)
def test_an_update_that_cannot_be_changes_nothing(
    stubs: Stubs, changes: dict[str, Any], paths: list[str], field: str
) -> None:
    before = create_target(stubs, namespace="ns", name="n")
    request = update_target(target=changes, update_mask={"paths": paths})
    error, status = error_of(stubs.targets.UpdateTarget, request)
    assert error.code() == CODES.INVALID_ARGUMENT
    assert violated(status) == [field]
    get = target_service_pb2.GetTargetRequest(namespace="ns", name="n")
    assert stubs.targets.GetTarget(get) == before


def test_a_config_is_renamed_and_moved(stubs: Stubs) -> None:
    def create(name: str) -> config_pb2.Config:
        config = custom_config(namespace="ns", name=name)
        request = config_service_pb2.CreateConfigRequest(config=config)
        return stubs.configs.CreateConfig(request)

    created = create("n")
    create("taken")
    request = config_service_pb2.UpdateConfigRequest(namespace="ns", name="n")
    request.config.name = "taken"
    error, _ = error_of(stubs.configs.UpdateConfig, request)
    assert error.code() == CODES.ALREADY_EXISTS
    request.config.name, request.config.namespace = "m", "other"
    moved = stubs.configs.UpdateConfig(request)
    assert (moved.id, moved.namespace, moved.name) == (created.id, "other", "m")
    get = config_service_pb2.GetConfigRequest(namespace="ns", name="n")
    error, _ = error_of(stubs.configs.GetConfig, get)
    assert error.code() == CODES.NOT_FOUND


def test_a_job_keeps_its_config_as_it_was(stubs: Stubs) -> None:
    config = custom_config(namespace="ns", name="n", description="old")
    stubs.configs.CreateConfig(config_service_pb2.CreateConfigRequest(config=config))
    request = new_job()
    request.job.config = "ns/n"
    job = stubs.jobs.CreateJob(request)
    changes = config_service_pb2.UpdateConfigRequest(namespace="ns", name="n")
    changes.config.description = "new"
    assert stubs.configs.UpdateConfig(changes).description == "new"
    get = job_service_pb2.GetJobRequest(job_id=job.id)
    assert stubs.jobs.GetJob(get).inline_config == job.inline_config
    assert job.inline_config.description == "old"


def test_result_of_a_job_created_changed_deleted(stubs: Stubs) -> None:
    request = new_job()
    request.job.namespace = "ns"
    job = stubs.jobs.CreateJob(request)
    result = result_pb2.Result(job=job.id, description="old")
    result.tasks["qa"].metrics["m"].scores["s"].value = 0.5
    create = result_service_pb2.CreateResultRequest(result=result, request_id="key")
    created = stubs.results.CreateResult(create)
    assert created.id.startswith("evaluation_result-")
    assert (created.namespace, created.tasks) == ("ns", result.tasks)
    assert stubs.results.CreateResult(create) == created
    of_job = job_service_pb2.GetJobResultRequest(job_id=job.id)
    assert stubs.jobs.GetJobResult(of_job) == created

    update = result_service_pb2.UpdateResultRequest(result_id=created.id)
    update.result.groups["g"].metrics["m"].scores["s"].value = 1
    update.update_mask.paths.extend(["groups", "description"])
    changed = stubs.results.UpdateResult(update)
    assert changed.groups == update.result.groups
    assert changed.tasks == result.tasks
    assert not changed.HasField("description")

    delete = result_service_pb2.DeleteResultRequest(result_id=created.id)
    assert stubs.results.DeleteResult(delete).id == created.id
    error, _ = error_of(stubs.results.DeleteResult, delete)
    assert error.code() == CODES.NOT_FOUND


@pytest.mark.parametrize(
    ("result", "code", "said"),
    [
        ({}, CODES.INVALID_ARGUMENT, "job: say which job's result"),
        ({"job": "eval-none"}, CODES.NOT_FOUND, "eval-none"),
    ],
)
def test_a_result_needs_a_job(
    stubs: Stubs, result: dict[str, Any], code: grpc.StatusCode, said: str
) -> None:
    request = result_service_pb2.CreateResultRequest(result=result)
    error, status = error_of(stubs.results.CreateResult, request)
    assert error.code() == code
    assert said in status.message


def creates(stubs: Stubs) -> list[tuple[Callable[..., Any], Any, str]]:
    """Each create with a request, and the member that holds the entity."""
    return [
        (
            stubs.targets.CreateTarget,
            target_service_pb2.CreateTargetRequest(target=rows_target(name="n")),
            "target",
        ),
        (
            stubs.configs.CreateConfig,
            config_service_pb2.CreateConfigRequest(config=custom_config(name="n")),
            "config",
        ),
        (stubs.jobs.CreateJob, new_job(), "job"),
    ]


@pytest.mark.parametrize("kind", range(3))
def test_a_create_with_the_same_key_answers_the_first(stubs: Stubs, kind: int) -> None:
    create, request, member = creates(stubs)[kind]
    request.request_id = "key"
    first = create(request)
    assert create(request).id == first.id
    getattr(request, member).description = "another"
    error, status = error_of(create, request)
    assert error.code() == CODES.FAILED_PRECONDITION
    assert first.id in status.message
    getattr(request, member).namespace = "elsewhere"
    assert create(request).id != first.id
    request.request_id = "k" * 256
    error, status = error_of(create, request)
    assert violated(status) == ["request_id"]


def change_config(**changes: str) -> Callable[[Stubs], Any]:
    request = config_service_pb2.UpdateConfigRequest(namespace="ns", name="c", config=changes)
    return lambda stubs: stubs.configs.UpdateConfig(request)


def change_target(stubs: Stubs) -> None:
    """Into one that similarity metrics do not take."""
    stubs.targets.UpdateTarget(update_target(target=rows_target()))


def make_job_of_stored_parts(stubs: Stubs) -> Any:
    """The request of a job that there is; its parts are in `ns`."""
    model = target_pb2.Target(type="TARGET_TYPE_MODEL", model="m", namespace="ns", name="n")
    stubs.targets.CreateTarget(target_service_pb2.CreateTargetRequest(target=model))
    config = config_pb2.Config(type="similarity_metrics", namespace="ns", name="c")
    stubs.configs.CreateConfig(config_service_pb2.CreateConfigRequest(config=config))
    job = {"namespace": "ns", "target": "ns/n", "config": "ns/c"}
    return job_service_pb2.CreateJobRequest(job=job, request_id="key")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (change_config(name="renamed"), CODES.NOT_FOUND),
        (change_config(namespace="elsewhere"), CODES.NOT_FOUND),
        (change_target, CODES.INVALID_ARGUMENT),
    ],
)
def test_a_repeated_job_is_the_first_whatever_became_of_its_parts(
    stubs: Stubs, change: Callable[[Stubs], Any], code: grpc.StatusCode
) -> None:
    request = make_job_of_stored_parts(stubs)
    first = stubs.jobs.CreateJob(request)
    change(stubs)
    assert stubs.jobs.CreateJob(request) == first
    request.job.description = "another"
    error, status = error_of(stubs.jobs.CreateJob, request)
    assert error.code() == CODES.FAILED_PRECONDITION
    assert first.id in status.message
    request.request_id = "fresh"
    assert error_of(stubs.jobs.CreateJob, request)[0].code() == code


def test_a_request_whose_job_was_deleted_makes_another(stubs: Stubs) -> None:
    request = make_job_of_stored_parts(stubs)
    first = stubs.jobs.CreateJob(request)
    stubs.jobs.CancelJob(job_service_pb2.CancelJobRequest(job_id=first.id))
    stubs.jobs.DeleteJob(job_service_pb2.DeleteJobRequest(job_id=first.id))
    assert stubs.jobs.CreateJob(request).id != first.id


def test_a_repeated_config_is_the_first_wherever_it_went(stubs: Stubs) -> None:
    config = custom_config(namespace="ns", name="mine")
    request = config_service_pb2.CreateConfigRequest(config=config, request_id="key")
    first = stubs.configs.CreateConfig(request)
    moved = {"namespace": "elsewhere", "name": "n"}
    stubs.configs.UpdateConfig(
        config_service_pb2.UpdateConfigRequest(namespace="ns", name="mine", config=moved)
    )
    again = stubs.configs.CreateConfig(request)
    assert (again.id, again.namespace, again.name) == (first.id, "elsewhere", "n")


@pytest.mark.parametrize("kind", range(3))
def test_validate_only_stores_nothing(stubs: Stubs, kind: int) -> None:
    create, request, _ = creates(stubs)[kind]
    request.validate_only = True
    create(request)
    create(request)
    assert not stubs.targets.ListTargets(target_service_pb2.ListTargetsRequest()).data
    assert not stubs.configs.ListConfigs(config_service_pb2.ListConfigsRequest()).data
    assert not stubs.jobs.ListJobs(job_service_pb2.ListJobsRequest()).data
