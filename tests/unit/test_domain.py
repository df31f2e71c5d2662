"""States, ids, references, documents, list requests."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from evald.domain import ids
from evald.domain.datasets import with_files
from evald.domain.documents import Maker
from evald.domain.judges import with_judges
from evald.domain.listing import ListQuery, Page
from evald.domain.references import Reference, parse_reference
from evald.domain.states import FINAL, MESSAGES, STEPS, JobStatus, step
from evald.domain.targets import check_datasets, check_target
from evald.errors import Conflict, InvalidArgument

MAKER = Maker(clock=lambda: datetime(2026, 1, 2, 3, 4, 5, 6, UTC), new_id=lambda p: f"{p}-1")


def test_every_state_has_steps_and_a_message() -> None:
    assert set(STEPS) == set(JobStatus) == set(MESSAGES)
    assert all(not STEPS[status] for status in FINAL)


def test_a_step_that_is_not_in_the_table_is_refused() -> None:
    assert step(JobStatus.CREATED, JobStatus.RUNNING) == JobStatus.RUNNING
    with pytest.raises(Conflict, match="a job that is completed cannot become running"):
        step(JobStatus.COMPLETED, JobStatus.RUNNING)


@pytest.mark.parametrize("prefix", [ids.JOB, ids.TARGET, ids.CONFIG, ids.RESULT])
def test_ids_are_base58(prefix: str) -> None:
    made = {ids.new_id(prefix) for _ in range(1000)}
    assert len(made) == 1000
    pattern = re.compile(rf"{prefix}-[1-9A-HJ-NP-Za-km-z]{{21,22}}")
    assert all(pattern.fullmatch(i) for i in made)


def test_reference() -> None:
    assert parse_reference("a/b", "target") == ("a", "b")
    assert parse_reference("b", "target") == ("default", "b")


@pytest.mark.parametrize("text", ["", "a/", "/b", "a/b/c", "a b", "a/\n", "x" * 256])
def test_what_is_no_reference_is_refused_by_field(text: str) -> None:
    with pytest.raises(InvalidArgument) as e:
        parse_reference(text, "target")
    assert e.value.violations[0].field == "target"


def test_entity_gets_an_identity_and_its_own_members_too() -> None:
    document = {
        "type": "model",
        "id": "mine",
        "model": {"api_endpoint": {"url": "http://h", "model_id": "m"}},
    }
    entity = MAKER.entity(document, ids.TARGET)
    assert entity["id"] == entity["name"] == "eval-target-1"
    assert entity["namespace"] == "default"
    assert entity["created_at"] == "2026-01-02T03:04:05.000006"
    model = entity["model"]
    assert model["id"] == model["name"] == "model-1"
    assert model["schema_version"] == "1.0"
    assert model["version_id"] == "main"
    assert model["api_endpoint"]["format"] == "nim"


def test_inline_data_sets_of_tasks_get_an_identity() -> None:
    config = MAKER.entity(
        {"type": "custom", "tasks": {"qa": {"dataset": {"files_url": "hf://datasets/a/b"}}}},
        ids.CONFIG,
    )
    dataset = config["tasks"]["qa"]["dataset"]
    assert dataset["name"] == "dataset-1"
    assert "type_prefix" not in dataset


def test_user_data_named_like_an_entity_is_left_alone() -> None:
    fields = {"model": {"x": 1}, "dataset": {"y": 2}}
    assert MAKER.entity({"custom_fields": fields}, ids.TARGET)["custom_fields"] == fields


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ({}, "type"),
        ({"type": "model"}, "model"),
        ({"type": "model", "model": {}}, "model"),
        ({"type": "model", "model": {"name": "x"}}, "model.api_endpoint"),
        (
            {"type": "model", "model": {"api_endpoint": {"model_id": "m"}}},
            "model.api_endpoint.url",
        ),
        (
            {"type": "model", "model": {"api_endpoint": {"url": "ftp://h", "model_id": "m"}}},
            "model.api_endpoint.url",
        ),
        (
            {"type": "model", "model": {"api_endpoint": {"url": "http://u:p@h", "model_id": "m"}}},
            "model.api_endpoint.url",
        ),
        (
            {"type": "model", "model": {"api_endpoint": {"url": "http://h:x", "model_id": "m"}}},
            "model.api_endpoint.url",
        ),
        (
            {"type": "model", "model": {"api_endpoint": {"url": "http://h"}}},
            "model.api_endpoint.model_id",
        ),
        ({"type": "rows", "rows": []}, "rows"),
        ({"type": "dataset", "dataset": {"format": "x"}}, "dataset.files_url"),
        ({"type": "dataset", "dataset": "a//c"}, "dataset"),
        ({"type": "rag", "rag": {"dataset": "no name"}}, "rag.dataset"),
        ({"type": "dataset", "dataset": {"files_url": "hf://x", "limit": 0}}, "dataset.limit"),
        (
            {"type": "cached_outputs", "cached_outputs": {"files_url": ""}},
            "cached_outputs.files_url",
        ),
        (
            {"type": "retriever", "retriever": {"pipeline": {"query_embedding_model": "m"}}},
            "retriever.pipeline.index_embedding_model",
        ),
        (
            {"type": "rows", "rows": [{"a": 1}], "rag": {"pipeline": {"model": "m"}}},
            "rag.pipeline.retriever",
        ),
        (
            {
                "type": "rag",
                "rag": {
                    "pipeline": {
                        "model": "m",
                        "retriever": {"pipeline": {"index_embedding_model": "m"}},
                    }
                },
            },
            "rag.pipeline.retriever.pipeline.query_embedding_model",
        ),
    ],
)
def test_target_that_cannot_be_evaluated_names_the_field(target: dict, field: str) -> None:
    with pytest.raises(InvalidArgument) as e:
        check_target(target)
    assert e.value.violations[0].field == field


def test_data_set_of_a_task_needs_files() -> None:
    with pytest.raises(InvalidArgument) as e:
        check_datasets({"tasks": {"qa": {"dataset": {"format": "x"}}}})
    assert e.value.violations[0].field == "tasks.qa.dataset.files_url"


def test_data_set_of_a_task_has_a_name_that_can_be_one() -> None:
    with pytest.raises(InvalidArgument) as e:
        check_datasets({"tasks": {"qa": {"dataset": "a//c"}}})
    assert e.value.violations[0].field == "tasks.qa.dataset"


NAMED, FOUND = "team/capitals", {"files_url": "hf://datasets/team/capitals"}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"type": "dataset", "dataset": NAMED}, {"type": "dataset", "dataset": FOUND}),
        ({"dataset": "capitals"}, {"dataset": {"files_url": "hf://datasets/default/capitals"}}),
        (
            {"dataset": "team/capitals/eu/a.csv"},
            {"dataset": {"files_url": "hf://datasets/team/capitals/eu/a.csv"}},
        ),
        ({"dataset": "s3://b/rows.csv"}, {"dataset": {"files_url": "s3://b/rows.csv"}}),
        ({"rag": {"dataset": NAMED}}, {"rag": {"dataset": FOUND}}),
        (
            {"rag": {"pipeline": {"model": "m", "retriever": {"dataset": NAMED}}}},
            {"rag": {"pipeline": {"model": "m", "retriever": {"dataset": FOUND}}}},
        ),
        ({"tasks": {"dataset": {"dataset": NAMED}}}, {"tasks": {"dataset": {"dataset": FOUND}}}),
    ],
)
def test_named_data_sets_say_where_their_files_are(document: dict, expected: dict) -> None:
    assert with_files(document) == expected


def test_only_data_sets_are_looked_up() -> None:
    """What users put under the same word is their own."""
    params = {"dataset": "hello world", "template": {"dataset": "{{ item.dataset }}"}}
    document = {
        "rows": [{"dataset": "hello"}],
        "custom_fields": {"dataset": "a/b"},
        "tasks": {"qa": {"params": params, "metrics": {"m": {"params": params}}}},
    }
    assert with_files(document) == document


def test_list_query_defaults() -> None:
    query = ListQuery.parse({}, ["created_at"])
    assert query == ListQuery(1, 10, "created_at", {}, digest=query.digest)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"page": 0}, "page"),
        ({"page_size": 0}, "page_size"),
        ({"page_size": 1001}, "page_size"),
        ({"sort": "secret"}, "sort"),
    ],
)
def test_list_query_that_is_wrong_names_the_parameter(request_: dict, field: str) -> None:
    with pytest.raises(InvalidArgument) as e:
        ListQuery.parse(request_, ["created_at"])
    assert e.value.violations[0].field == field


@pytest.mark.parametrize(("total", "pages"), [(0, 0), (1, 1), (10, 1), (11, 2)])
def test_pages_are_counted(total: int, pages: int) -> None:
    assert Page([], total).pagination(1, 10)["total_pages"] == pages


def test_errors_of_a_part_are_told_from_the_whole() -> None:
    error = InvalidArgument.of("model.url", "no").under("target")
    assert error.violations[0].field == "target.model.url"
    assert error.message == "target.model.url: no"


def test_models_that_judge_are_looked_up_once_and_not_too_large() -> None:
    """A short config could name a large model a thousand times."""
    asked = []

    def find(reference: Reference) -> dict[str, object]:
        asked.append(reference)
        return {"type": "model", "model": {"prompt": "x" * 2**20}}

    def config(count: int) -> dict[str, object]:
        params = {"params": {"model": "ns/judge"}}
        return {"tasks": {"t": {"metrics": {str(n): params for n in range(count)}}}}

    whole = with_judges(config(10), find)
    assert whole["tasks"]["t"]["metrics"]["9"]["params"]["model"] == {"prompt": "x" * 2**20}
    assert asked == [Reference("ns", "judge")]
    with pytest.raises(InvalidArgument, match="16 MiB together") as e:
        with_judges(config(20), find)
    assert e.value.violations[0].field == "tasks.t.metrics.15.params.model"
