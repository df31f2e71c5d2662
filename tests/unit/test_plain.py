"""Messages to documents and back."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from evald.domain.states import JobStatus
from evald.errors import InvalidArgument
from evald.rpc.plain import EXACT, to_document, to_message
from evaluation.v1 import config_pb2, job_pb2, result_pb2, target_pb2

TARGET = {
    "id": "eval-target-1",
    "name": "n",
    "namespace": "ns",
    "created_at": "2025-07-08T19:18:37.063092",
    "custom_fields": {"n": 1, "f": 0.5, "s": "x", "l": [1, None, {"b": True}]},
    "type": "model",
    "model": {
        "api_endpoint": {"url": "http://localhost/v1", "model_id": "m", "format": "nim"},
        "version_id": "main",
    },
}


def test_document_of_target_round_trips() -> None:
    assert to_document(to_message(TARGET, target_pb2.Target)) == TARGET


def test_string_and_object_share_a_key() -> None:
    by_name = {"type": "model", "model": "meta/llama"}
    message = to_message(by_name, target_pb2.Target)
    assert message.model == "meta/llama"
    assert to_document(message) == by_name
    assert to_message(TARGET, target_pb2.Target).WhichOneof("model_source") == "inline_model"


def test_maps_and_lists_round_trip() -> None:
    config = {
        "type": "custom",
        "params": {"stop": ["a", "b"], "temperature": 0.0, "extra": {"top_k": 1}},
        "tasks": {
            "qa": {
                "type": "data",
                "dataset": "ns/data",
                "metrics": {"m": {"type": "em", "params": {"x": [1, 2]}}},
            }
        },
    }
    assert to_document(to_message(config, config_pb2.Config)) == config


def test_zero_that_was_said_is_kept() -> None:
    score = to_message({"value": 0.0, "stats": {"count": 0}}, result_pb2.Score)
    assert to_document(score) == {"value": 0.0, "stats": {"count": 0}}


def test_empty_optional_message_is_kept() -> None:
    assert to_document(to_message({"params": {}}, config_pb2.Config)) == {"params": {}}


@pytest.mark.parametrize("number", [0, 1, -1, EXACT, -EXACT, 2**31])
def test_whole_numbers_in_structs_stay_whole(number: int) -> None:
    document = to_document(to_message({"custom_fields": {"n": number}}, target_pb2.Target))
    assert document["custom_fields"]["n"] == number
    assert isinstance(document["custom_fields"]["n"], int)


def test_every_status_has_the_same_name_in_the_contract() -> None:
    names = {to_document(job_pb2.Job(status=n))["status"] for n in job_pb2.JobStatus.values() if n}
    assert {str(status) for status in JobStatus} == names - {"ready", "unknown"}


def test_unknown_enum_number_names_the_field() -> None:
    message = target_pb2.Target()
    message.ParseFromString(b"\x60\x63")  # field 12, value 99
    with pytest.raises(InvalidArgument, match="type: 99 is no TargetType"):
        to_document(message)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_refused(number: float) -> None:
    free = target_pb2.Target(custom_fields={"a": [{"b": number}]})
    typed = config_pb2.Config(params=config_pb2.EvaluationParams(temperature=number))
    for message in (free, typed, target_pb2.Target(rows=[{"a": number}])):
        with pytest.raises(InvalidArgument, match="is not a finite number"):
            to_document(message)


@pytest.mark.parametrize(
    "document", [{"name": "a\0"}, {"custom_fields": {"a\0": 1}}, {"custom_fields": {"a": ["\0"]}}]
)
def test_nul_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument, match=r"U\+0000"):
        to_document(to_message(document, target_pb2.Target))


@pytest.mark.parametrize("time", [{"seconds": 253402300800}, {"nanos": -1}])
def test_time_that_is_none_names_the_field(time: dict[str, int]) -> None:
    with pytest.raises(InvalidArgument, match="created_at"):
        to_document(target_pb2.Target(created_at=time))


plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-EXACT, EXACT)
    | st.text(max_size=8).map(lambda t: t.replace("\0", "")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc_ é", max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(fields=st.dictionaries(st.text("abc_ é", max_size=6), plain_values, max_size=4))
def test_free_form_members_round_trip(fields: dict[str, object]) -> None:
    kinds: list[type[Message]] = [target_pb2.Target, config_pb2.Config, job_pb2.Job]
    for kind in kinds:
        document = {"custom_fields": fields}
        assert to_document(to_message(document, kind)) == document


def test_what_is_nested_too_deep_is_refused() -> None:
    """Its reader could not decode it."""

    def nested(depth: int) -> target_pb2.Target:
        target = target_pb2.Target()
        free: dict[str, object] = {}
        for _ in range(depth):
            free = {"a": free}
        target.custom_fields.update(free)
        return target

    assert to_document(nested(28))["custom_fields"]
    with pytest.raises(InvalidArgument, match="nested more than 28 deep"):
        to_document(nested(29))
