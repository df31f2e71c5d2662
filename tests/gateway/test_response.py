"""What REST shows of the server's answers."""

from google.protobuf import timestamp_pb2

from evaluation.v1 import (
    config_pb2,
    job_pb2,
    job_service_pb2,
    page_pb2,
    result_pb2,
    target_pb2,
)

NULL_ENTITY = {
    "description": None,
    "project": None,
    "created_at": None,
    "updated_at": None,
    "custom_fields": None,
    "ownership": None,
}


def moment(text):
    timestamp = timestamp_pb2.Timestamp()
    timestamp.FromJsonString(text)
    return timestamp


def shown(gateway, method, message, path):
    """The REST text of a message, decoded."""
    gateway.stub.answers[method] = message
    answer = gateway.get(path)
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    return answer.json()


def test_a_job_shows_null_for_what_is_unset(gateway):
    job = job_pb2.Job(
        id="eval-1",
        namespace="default",
        status=job_pb2.JOB_STATUS_CREATED,
        inline_target=target_pb2.Target(id="t", type=target_pb2.TARGET_TYPE_MODEL, model="ns/m"),
        inline_config=config_pb2.Config(
            id="c", type="custom", tasks={"qa": config_pb2.TaskConfig(type="data")}
        ),
        status_details=job_pb2.JobStatusDetails(),
    )
    assert shown(gateway, "GetJob", job, "/jobs/eval-1") == NULL_ENTITY | {
        "id": "eval-1",
        "namespace": "default",
        "target": NULL_ENTITY
        | {"id": "t", "name": "", "namespace": "", "schema_version": None, "type_prefix": None}
        | {"type": "model", "model": "ns/m", "cached_outputs": None, "retriever": None}
        | {"rag": None, "rows": None, "dataset": None},
        "config": NULL_ENTITY
        | {"id": "c", "name": "", "namespace": "", "schema_version": None, "type_prefix": None}
        | {"type": "custom", "params": None, "groups": None}
        | {"tasks": {"qa": {"type": "data", "params": None, "dataset": None, "metrics": None}}},
        "result": None,
        "output_files_url": None,
        "status": "created",
        "status_details": {"message": None, "task_status": {}, "progress": None},
    }


def test_a_status_has_its_nulls_and_leaves_out_what_is_new(gateway):
    path = "/jobs/eval-1/status"
    details = job_pb2.JobStatusDetails()
    assert shown(gateway, "GetJobStatus", details, path) == {
        "message": None,
        "task_status": {},
        "progress": None,
    }
    details = job_pb2.JobStatusDetails(
        message="Job is running.",
        task_status={"qa": job_pb2.TASK_STATUS_RUNNING},
        progress=0,
        samples_processed=0,
        status=job_pb2.JOB_STATUS_RUNNING,
        error=job_pb2.JobError(kind="timeout", message="m"),
    )
    assert shown(gateway, "GetJobStatus", details, path) == {
        "message": "Job is running.",
        "task_status": {"qa": "running"},
        "progress": 0.0,
        "samples_processed": 0,
        "status": "running",
        "error": {"kind": "timeout", "message": "m", "task": None, "sample": None},
    }


def test_what_was_added_to_jobs_is_shown_when_set(gateway):
    change = job_pb2.StateChange(
        status=job_pb2.JOB_STATUS_PENDING, at=moment("2025-01-02T03:04:05Z"), attempt=1
    )
    job = job_pb2.Job(state_history=[change], attempts=1, max_runtime=60)
    answer = shown(gateway, "GetJob", job, "/jobs/eval-1")
    assert answer["state_history"] == [
        {"status": "pending", "at": "2025-01-02T03:04:05.000000", "attempt": 1}
    ]
    assert (answer["attempts"], answer["max_runtime"]) == (1, 60)


def test_a_target_leaves_out_what_is_unset(gateway):
    target = target_pb2.Target(id="t", name="n", namespace="s", type=target_pb2.TARGET_TYPE_ROWS)
    target.custom_fields.SetInParent()
    target.rows.add().update({"a": None, "b": [], "c": {}, "inline_model": {"x": "2025Z"}})
    assert shown(gateway, "GetTarget", target, "/targets/s/n") == {
        "id": "t",
        "name": "n",
        "namespace": "s",
        "custom_fields": {},
        "type": "rows",
        "rows": [{"a": None, "b": [], "c": {}, "inline_model": {"x": "2025Z"}}],
    }


def test_an_alias_has_one_key(gateway):
    target = target_pb2.Target()
    target.inline_model.name = "m"
    target.inline_model.base_model.string_value = "b"
    answer = shown(gateway, "GetTarget", target, "/targets/s/n")
    assert (answer["model"]["name"], answer["model"]["base_model"]) == ("m", "b")
    assert "inline_model" not in answer


def test_timestamps_are_naive_with_six_digits(gateway):
    for sent, expected in {
        "2025-03-19T22:50:15Z": "2025-03-19T22:50:15.000000",
        "2025-03-19T22:50:15.684Z": "2025-03-19T22:50:15.684000",
        "2025-03-19T22:50:15.684382Z": "2025-03-19T22:50:15.684382",
        "2025-03-19T22:50:15.684382999Z": "2025-03-19T22:50:15.684382",
    }.items():
        target = target_pb2.Target(created_at=moment(sent))
        assert shown(gateway, "GetTarget", target, "/targets/s/n")["created_at"] == expected


def test_a_result_keeps_empty_maps_and_a_null_value(gateway):
    result = result_pb2.Result(id="r", job="j")
    scores = result.tasks["qa"].metrics["bleu"].scores
    scores["none"].SetInParent()
    scores["nan"].value = float("nan")
    scores["some"].value = 0.25
    scores["some"].stats.count = 4
    answer = shown(gateway, "GetResult", result, "/results/r")
    assert answer == {
        "id": "r",
        "job": "j",
        "namespace": "",
        "tasks": {
            "qa": {
                "metrics": {
                    "bleu": {
                        "scores": {
                            "none": {"value": None},
                            "nan": {"value": None},
                            "some": {"value": 0.25, "stats": {"count": 4}},
                        }
                    }
                }
            }
        },
        "groups": {},
    }


def test_a_delete_answers_json(gateway):
    gateway.stub.answers["DeleteTarget"] = page_pb2.DeleteResponse(message="gone", id="t")
    answer = gateway.send("DELETE", "/targets/s/n")
    assert answer.status_code == 200
    assert answer.json() == {"message": "gone", "id": "t", "deleted_at": None}
    answer = gateway.send("DELETE", "/jobs/eval-1")
    assert (answer.status_code, answer.json()) == (200, {})


def test_a_create_answers_201_and_an_action_200(gateway):
    for path in ("/targets", "/configs", "/jobs", "/results"):
        assert gateway.post(path, {}).status_code == 201
    for path in ("/jobs/eval-1/cancel", "/jobs:compare", "/live"):
        assert gateway.post(path, {}).status_code == 200


def test_a_list_holds_entities_as_they_are_alone(gateway):
    page = page_pb2.Pagination(page=3, page_size=10)
    jobs = job_service_pb2.ListJobsResponse(object="list", data=[job_pb2.Job()], pagination=page)
    alone = shown(gateway, "GetJob", job_pb2.Job(), "/jobs/eval-1")
    assert shown(gateway, "ListJobs", jobs, "/jobs") == {
        "object": "list",
        "data": [alone],
        "pagination": {
            "page": 3,
            "page_size": 10,
            "current_page_size": 0,
            "total_pages": 0,
            "total_results": 0,
        },
    }


def test_keys_of_maps_survive(gateway):
    keys = ['a"b', "é\n", "", "\\", "\U0001f600", "with.dot"]
    config = config_pb2.Config(tasks={key: config_pb2.TaskConfig() for key in keys})
    assert set(shown(gateway, "GetConfig", config, "/configs/s/n")["tasks"]) == set(keys)
