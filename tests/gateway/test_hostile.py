"""Bodies that are no JSON, or JSON meant to hurt."""

import json

import pytest

from evaluation.v1 import config_pb2

MEBIBYTE = 1 << 20


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[",
        "x",
        '{"name"',
        '{"name":',
        '{"name":"',
        '{"name":"a"',
        '{"name":"a",',
        '{"name":"a",}',
        '{"name" "a"}',
        '{"name":"a"} x',
        '{"name":"a"}{}',
        "{'name':'a'}",
        '{name:"a"}',
        '{"name":"\\x"}',
        '{"name":"\\u12"}',
        '{"name":"\n"}',
        '{"name":"\0"}',
        '{"name":"\\ud800"}',
        '{"name":"\\udc00\\ud800"}',
        '{"name":nul}',
        '{"name":nope}',
        '{"rows":[{"a":tru}]}',
        '{"rows":[{"a":1,}]}',
        '{"rows":[{},]}',
        '{"rows":[{} {}]}',
        '{"custom_fields":{"a":01}}',
        '{"custom_fields":{"a":1.}}',
        '{"custom_fields":{"a":.5}}',
        '{"custom_fields":{"a":+1}}',
        '{"custom_fields":{"a":1e}}',
        '{"custom_fields":{"a":-}}',
        '{"custom_fields":{"a":NaN}}',
        '{"custom_fields":{"a":Infinity}}',
        '{"custom_fields":{"a":[1}}',
        '{"custom_fields":{1:1}}',
        '{"name":"a"/**/}',
        b'{"name":"\xff"}',
        b'{"name":"\xc0\x80"}',
        b'{"name":"\xed\xa0\x80"}',
        b'{"name":"\xf4\x90\x80\x80"}',
        b'{"name":"\xe2\x82',
        b'\xef\xbb\xbf{"name":"a"}',
    ],
)
def test_what_is_no_json_is_refused_as_such(gateway, body):
    reason = gateway.refused("/targets", body)
    assert reason["type"] == "json_invalid"
    assert reason["msg"].startswith("Invalid JSON")


def test_every_truncation_is_refused(gateway):
    body = json.dumps(
        {"type": "rows", "rows": [{"a": [1.5e3, None, "é\U0001f600"]}], "model": {"name": "m"}}
    )
    for end in range(1, len(body)):
        assert gateway.refused("/targets", body[:end])["type"] == "json_invalid"


def nested(depth):
    value = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def test_free_data_may_nest_as_deep_as_the_server_reads(gateway):
    # The longest way from a request to free data, so that the limit holds on every other one.
    def job(depth):
        model = {"prompt": {"inference_params": nested(depth)}}
        retriever = {"pipeline": {"query_embedding_model": model}}
        return {"target": {"rag": {"pipeline": {"retriever": retriever}}}}

    assert gateway.received("/jobs", job(28)).HasField("job")
    assert gateway.refused("/jobs", job(29))["type"] == "recursion_loop"


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"rows":[', '{"rag":', '[{"a":'])
@pytest.mark.parametrize("prefix", ["", '{"rows":[{"a":', '{"model":'])
def test_endless_nesting_is_refused_at_once(gateway, prefix, opening):
    answer = gateway.post("/targets", prefix + opening * (MEBIBYTE // len(opening)))
    assert answer.status_code == 422
    assert answer.elapsed.total_seconds() < 5


@pytest.mark.parametrize(
    "number", ["1" * MEBIBYTE, "1e999", "-1e999", "1" * 400 + ".5", "9007199254740993"]
)
def test_a_number_that_a_double_cannot_hold_is_refused(gateway, number):
    kinds = {"finite_number", "int_inexact"}
    assert gateway.refused("/targets", f'{{"custom_fields":{{"a":{number}}}}}')["type"] in kinds
    body = f'{{"params":{{"max_tokens":{number}}}}}'
    assert gateway.refused("/configs", body)["type"] == "int_range"


def test_a_key_given_twice_is_refused(gateway):
    for body in ('{"name":"a","name":"b"}', '{"model":"a","model":{}}', '{"name":null,"name":"b"}'):
        assert gateway.refused("/targets", body)["type"] == "duplicate_key"
    assert gateway.refused("/configs", '{"tasks":{"a":{},"a":{}}}')["type"] == "duplicate_key"
    # Inside free data the transcoder sees it.
    answer = gateway.post("/targets", '{"custom_fields":{"a":1,"a":2}}')
    assert answer.status_code == 400
    assert "'a' is already set" in answer.json()["detail"]


def test_an_endless_key_is_shown_in_part(gateway):
    reason = gateway.refused("/targets", {"x" * MEBIBYTE: 1})
    assert len(json.dumps(reason)) < 1000


def test_a_body_may_have_16_mebibytes(gateway):
    frame = len('{"description":""}')
    largest = '{"description":"%s"}' % ("x" * (16 * MEBIBYTE - frame))
    target = gateway.received("/targets", largest).target
    assert len(target.description) == 16 * MEBIBYTE - frame

    answer = gateway.post("/targets", largest + " ")
    assert (answer.status_code, answer.json()["code"]) == (413, 8)
    assert "too large" in answer.json()["detail"]


def test_a_body_of_unknown_length_has_the_same_limit(gateway):
    def chunks(count):
        yield b'{"description":"'
        for _ in range(count):
            yield b"x" * MEBIBYTE
        yield b'"}'

    answer = gateway.send("POST", "/targets", data=chunks(15))
    assert answer.status_code == 201
    answer = gateway.send("POST", "/targets", data=chunks(16))
    assert answer.status_code == 413


def test_rows_of_16_mebibytes_come_back(gateway):
    gateway.stub.answers["CreateTarget"] = lambda request: request.target
    rows = [{"text": "é" * 1000, "n": n} for n in range(7500)]
    answer = gateway.post("/targets", json.dumps({"rows": rows}, ensure_ascii=False))
    assert json.loads(answer.content)["rows"] == rows


@pytest.mark.parametrize("name", ["\\ud83d", "\\ud83d<", "\\\\ud83d\U0001f600", "\\u0041"])
def test_a_backslash_before_what_looks_like_an_escape(gateway, name):
    """The rest of the body is read all the same, and so is an answer that has such a name."""
    body = {"type": "custom", "tasks": {name: {"type": "data"}}, "tsks": 1}
    assert gateway.refused("/configs", body)["type"] == "extra_forbidden"
    del body["tsks"]
    assert list(gateway.received("/configs", body).config.tasks) == [name]
    config = config_pb2.Config(type="custom")
    config.tasks[name].type = "data"
    gateway.stub.answers["GetConfig"] = config
    assert list(gateway.get("/configs/ns/name").json()["tasks"]) == [name]
