"""What a REST body becomes on its way to the server."""

import pytest
from google.protobuf.json_format import MessageToDict

MODEL = {"api_endpoint": {"url": "http://m/v1", "model_id": "m", "format": "openai"}}


def test_a_string_is_a_reference_and_an_object_is_inline(gateway):
    job = gateway.received("/jobs", {"target": "ns/t", "config": {"type": "custom"}}).job
    assert job.target == "ns/t"
    assert job.inline_config.type == "custom"


def test_aliases_hold_at_any_depth(gateway):
    target = gateway.received("/targets", {"rag": {"pipeline": {"model": MODEL}}}).target
    endpoint = target.rag.pipeline.inline_model.api_endpoint
    assert MessageToDict(endpoint, preserving_proto_field_name=True) == {
        "url": "http://m/v1",
        "model_id": "m",
        "format": "API_FORMAT_OPENAI",
    }


def test_an_alias_of_another_type_is_refused(gateway):
    assert gateway.refused("/jobs", {"target": 5}) == {
        "loc": ["body", "target"],
        "msg": "Input should be a string or an object",
        "type": "string_or_dict_type",
    }


def test_the_proto_name_of_an_alias_is_unknown(gateway):
    reason = gateway.refused("/jobs", {"inline_target": {}})
    assert reason["loc"] == ["body", "inline_target"]


def test_one_value_stands_for_a_list(gateway):
    params = {"stop": "END"}
    assert gateway.received("/configs", {"params": params}).config.params.stop == ["END"]
    params = {"stop": ["a", "b"]}
    assert gateway.received("/configs", {"params": params}).config.params.stop == ["a", "b"]


def test_null_is_absent_everywhere(gateway):
    body = {
        "namespace": None,
        "description": None,
        "custom_fields": None,
        "ownership": None,
        "target": None,
        "status": None,
        "created_at": None,
        "config": {"tasks": None, "params": {"stop": None, "temperature": None}},
    }
    job = gateway.received("/jobs", body).job
    assert MessageToDict(job) == {"inlineConfig": {"params": {}}}


def test_null_in_a_value_field_is_absent_but_kept_inside_free_data(gateway):
    target = gateway.received("/targets", {"model": {"base_model": None}, "rows": [{"a": None}]})
    assert not target.target.inline_model.HasField("base_model")
    assert MessageToDict(target.target.rows[0]) == {"a": None}


def test_what_answers_hold_may_come_back(gateway):
    body = {
        "id": "eval-1",
        "created_at": "2025-03-19T22:50:15.684382",
        "updated_at": "2025-03-19T22:50:15+02:00",
        "status": "completed",
        "status_details": {"message": "m", "task_status": {"qa": "completed"}, "progress": 100},
        "result": "r",
    }
    job = gateway.received("/jobs", body).job
    assert job.created_at.ToJsonString() == "2025-03-19T22:50:15.684382Z"
    assert job.updated_at.ToJsonString() == "2025-03-19T20:50:15Z"
    assert (job.status, dict(job.status_details.task_status)) == (7, {"qa": 3})


@pytest.mark.parametrize(
    "moment",
    ["2025-02-30T00:00:00", "2025-13-01", "yesterday", "", "2025-01-01T24:00:00", "0000-01-01"],
)
def test_a_moment_that_does_not_exist_is_refused(gateway, moment):
    assert gateway.refused("/jobs", {"created_at": moment})["type"] == "datetime_parsing"


@pytest.mark.parametrize(
    ("key", "nearest"), [("modle", "model"), ("cachedoutputs", "cached_outputs"), ("xyzzy", None)]
)
def test_an_unknown_key_is_named_with_the_nearest(gateway, key, nearest):
    assert gateway.refused("/targets", {key: 1}) == {
        "loc": ["body", key],
        "msg": f"Unknown field '{key}'" + (f"; did you mean '{nearest}'?" if nearest else ""),
        "type": "extra_forbidden",
    }


def test_an_unknown_key_is_named_by_its_whole_path(gateway):
    metric = {"type": "bleu", "parms": {}}
    tasks = {"my.task": {"type": "data", "metrics": {"m": metric}}}
    reason = gateway.refused("/jobs", {"config": {"tasks": tasks}})
    assert reason["loc"] == ["body", "config", "tasks", "my.task", "metrics", "m", "parms"]
    assert reason["msg"] == "Unknown field 'parms'; did you mean 'params'?"


@pytest.mark.parametrize(
    ("path", "body", "loc", "kind"),
    [
        ("/targets", {"type": 1}, ["type"], "string_type"),
        ("/targets", {"type": "models"}, ["type"], "enum"),
        ("/targets", {"type": "TARGET_TYPE_MODEL"}, ["type"], "enum"),
        ("/targets", {"type": "unspecified"}, ["type"], "enum"),
        ("/targets", {"name": {"a": 1}}, ["name"], "string_type"),
        ("/targets", {"rows": {"a": 1}}, ["rows"], "list_type"),
        ("/targets", {"rows": "text"}, ["rows"], "dict_type"),
        ("/targets", {"rows": [{}, 1]}, ["rows", 1], "dict_type"),
        ("/targets", {"rows": [None]}, ["rows", 0], "dict_type"),
        ("/targets", {"custom_fields": []}, ["custom_fields"], "dict_type"),
        ("/targets", {"rag": "x"}, ["rag"], "dict_type"),
        ("/configs", {"tasks": []}, ["tasks"], "dict_type"),
        ("/configs", {"tasks": {"a": 1}}, ["tasks", "a"], "dict_type"),
        ("/configs", {"params": {"stop": [1]}}, ["params", "stop", 0], "string_type"),
        ("/configs", {"params": {"stop": {"a": 1}}}, ["params", "stop"], "list_type"),
        ("/configs", {"params": {"parallelism": "8"}}, ["params", "parallelism"], "int_type"),
        ("/configs", {"params": {"parallelism": 1.5}}, ["params", "parallelism"], "int_from_float"),
        ("/configs", {"params": {"parallelism": 2**31}}, ["params", "parallelism"], "int_range"),
        ("/configs", {"params": {"temperature": "NaN"}}, ["params", "temperature"], "float_type"),
        ("/configs", {"params": {"temperature": True}}, ["params", "temperature"], "float_type"),
        (
            "/targets",
            {"model": {"spec": {"is_chat": 1}}},
            ["model", "spec", "is_chat"],
            "bool_type",
        ),
        ("/targets", {"rows": [{"n": 2**53 + 1}]}, ["rows", 0], "int_inexact"),
        ("/jobs", {"custom_fields": {"n": -(2**63) + 1}}, ["custom_fields"], "int_inexact"),
        ("/targets", [], [], "dict_type"),
        ("/targets", "null", [], "dict_type"),
    ],
)
def test_a_wrong_type_is_refused_where_it_stands(gateway, path, body, loc, kind):
    reason = gateway.refused(path, body)
    assert (reason["loc"], reason["type"]) == (["body", *loc], kind)


def test_an_unknown_enum_value_is_told_the_known_ones(gateway):
    message = gateway.refused("/targets", {"type": "prompt"})["msg"]
    assert message.endswith("'model', 'cached_outputs', 'retriever', 'rag', 'rows', 'dataset'")


def test_numbers_that_fit_pass(gateway):
    extra = {"exact": 2**53, "power": 2**62, "tiny": 1e-300, "negative": -(2**53)}
    params = gateway.received(
        "/configs", {"params": {"extra": extra, "top_p": 1, "max_tokens": 5.0}}
    )
    assert dict(params.config.params.extra) == extra
    assert (params.config.params.top_p, params.config.params.max_tokens) == (1.0, 5)
    body = '{"params": {"max_tokens": 1e3, "temperature": 1E-1}}'
    params = gateway.received("/configs", body).config.params
    assert (params.max_tokens, params.temperature) == (1000, 0.1)


def test_keys_may_be_escaped(gateway):
    body = '{"n\\u0061me": "\\ud83d\\ude00", "custom_fields": {"\\u00e9\\"\\\\": "\\n"}}'
    target = gateway.received("/targets", body).target
    assert (target.name, dict(target.custom_fields)) == ("\N{GRINNING FACE}", {'é"\\': "\n"})
    task = gateway.received("/configs", '{"tasks": {"\\u00e9\\"\\ud83d\\ude00": {}}}').config.tasks
    assert list(task) == ['é"\N{GRINNING FACE}']


def test_only_the_fields_given_reach_an_update(gateway):
    answer = gateway.send("PATCH", "/targets/ns/t", {"description": "new"})
    assert answer.status_code == 200
    request = gateway.stub.requests.pop()
    assert (request.namespace, request.name) == ("ns", "t")
    assert MessageToDict(request.target) == {"description": "new"}
    assert request.update_mask.paths == ["description"]


def test_null_takes_a_field_away(gateway):
    body = {"description": None, "model": None, "custom_fields": {"description": 1}}
    assert gateway.send("PATCH", "/targets/ns/t?", body).status_code == 200
    request = gateway.stub.requests.pop()
    assert MessageToDict(request.target) == {"customFields": {"description": 1}}
    assert request.update_mask.paths == ["description", "model", "custom_fields"]


def test_a_mask_of_the_callers_own_counts(gateway):
    answer = gateway.send("PATCH", "/targets/ns/t?update_mask=project", {"description": "new"})
    assert answer.status_code == 200
    assert gateway.stub.requests.pop().update_mask.paths == ["project"]


def test_an_empty_update_has_no_mask(gateway):
    assert gateway.send("PATCH", "/configs/ns/t", {}).status_code == 200
    assert not gateway.stub.requests.pop().HasField("update_mask")


def test_an_idempotency_key_is_the_request_id(gateway):
    headers = {"Idempotency-Key": "a b&c=%e"}
    assert gateway.post("/jobs?validate_only=true", {}, headers=headers).status_code == 201
    request = gateway.stub.requests.pop()
    assert (request.request_id, request.validate_only) == ("a b&c=%e", True)
    gateway.post("/targets?request_id=mine", {}, headers=headers)
    assert gateway.stub.requests.pop().request_id == "mine"
    assert gateway.get("/jobs", headers=headers).status_code == 200


@pytest.mark.parametrize("body", [None, ""])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/zip"])
def test_an_action_takes_an_empty_body_of_any_type(gateway, body, content_type):
    answer = gateway.post("/jobs/eval-1/cancel", body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["id"]) == (200, "")
    assert gateway.stub.requests.pop().job_id == "eval-1"


def test_a_body_field_that_the_path_binds_is_unknown(gateway):
    assert gateway.refused("/jobs/eval-1/cancel", {"job_id": "eval-2"})["type"] == "extra_forbidden"


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"]
)
def test_a_body_says_that_it_is_json(gateway, content_type):
    headers = {"Content-Type": content_type}
    assert gateway.post("/targets", '{"type": "rows"}', headers=headers).status_code == 201


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"],
)
def test_a_body_that_says_something_else_is_refused(gateway, content_type):
    headers = {"Content-Type": content_type}
    answer = gateway.post("/jobs/eval-1/cancel", "{}", headers=headers)
    assert answer.status_code == 415
    assert "Content-Type: application/json" in answer.json()["detail"]
    assert gateway.stub.requests == []


def test_a_compressed_body_is_refused(gateway):
    answer = gateway.post("/targets", b"x", headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (415, 3)


@pytest.mark.parametrize("body", ["hello", '{"name": "other", "page": 2}', b"\xff", ""])
@pytest.mark.parametrize("verb", ["GET", "DELETE"])
def test_a_body_where_none_belongs_is_ignored(gateway, verb, body):
    answer = gateway.send(verb, "/targets/ns/t", body)
    assert answer.status_code == 200, answer.text
    request = gateway.stub.requests.pop()
    assert (request.namespace, request.name) == ("ns", "t")
