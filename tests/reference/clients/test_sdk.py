"""The official client, unmodified: every method of its evaluation resources, sync and async."""

from __future__ import annotations

import asyncio
import inspect
import io
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import nemo_microservices
import pytest
from nemo_microservices import AsyncNeMoMicroservices, NeMoMicroservices
from nemo_microservices.types import evaluation as types

from tests.e2e.test_bad_input import GOOD, ROWS, check_config
from tests.e2e.test_rest import Rest, chat_config, fresh, model_target
from tests.endpoint import Endpoint
from tests.reference.conftest import Ended
from tests.reference.rows import FILTERS, SEARCHES
from tests.service import Service

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

METRICS = {"m": {"scores": {"s": {"value": 0.5, "stats": {"count": 2, "nan_count": 0}}}}}


def methods(resource: Any, path: str = "") -> set[str]:
    """Every method of its own of a resource and of those below it, by its dotted path."""
    found = set()
    for name, member in vars(type(resource)).items():
        if name.startswith(("_", "with_")):
            continue
        if inspect.isfunction(member):
            found.add(f"{path}{name}")
        else:
            found |= methods(getattr(resource, name), f"{path}{name}.")
    return found


class Recorded:
    """A resource of either client that notes which of its methods are called; all are awaited."""

    def __init__(self, resource: Any, called: set[str], path: str = "") -> None:
        self._resource = resource
        self._called = called
        self._path = path

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._resource, name)
        if not inspect.ismethod(member):
            return Recorded(member, self._called, f"{self._path}{name}.")

        async def call(*arguments: Any, **given: Any) -> Any:
            self._called.add(f"{self._path}{name}")
            return await settled(member(*arguments, **given))

        return call


async def settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def ids(pages: Any) -> list[str]:
    """The ids of a list, over all its pages."""
    if hasattr(pages, "__aiter__"):
        return [entity.id async for entity in pages]
    return [entity.id for entity in pages]


async def every_method(evaluation: Any, ns: str, endpoint: Endpoint, files_url: str) -> None:
    targets, configs, jobs, results = (
        evaluation.targets,
        evaluation.configs,
        evaluation.jobs,
        evaluation.results,
    )
    target = await targets.create(namespace=ns, name="t", **model_target(endpoint, api_key="k"))
    assert target.model.api_endpoint.api_key == "******"
    assert await targets.retrieve("t", namespace=ns) == target
    changed = await targets.update("t", namespace=ns, description="new", custom_fields={"a": "b"})
    assert (changed.id, changed.description, changed.custom_fields) == (
        target.id,
        "new",
        {"a": "b"},
    )
    assert changed.model == target.model
    assert await ids(await targets.list(filter={"namespace": ns})) == [target.id]

    config = await configs.create(namespace=ns, name="c", **chat_config(files_url, parallelism=1))
    assert await configs.retrieve("c", namespace=ns) == config
    moved = await configs.update("c", path_namespace=ns, name="c2", project="p")
    assert (moved.id, moved.name, moved.project) == (config.id, "c2", "p")
    assert moved.tasks == config.tasks
    assert await ids(await configs.list(filter={"namespace": ns})) == [config.id]

    job = await jobs.create(namespace=ns, target=f"{ns}/t", config=f"{ns}/c2")
    assert (job.status, job.result, job.status_details.progress) == ("created", None, None)
    assert (job.target.id, job.config.id) == (target.id, config.id)
    assert job.created_at.tzinfo is None
    while (await jobs.status(job.id)).progress != 100.0:
        await asyncio.sleep(0.02)
    job = await jobs.retrieve(job.id)
    assert (job.status, job.status_details.task_status) == ("completed", {"qa": "completed"})
    result = await jobs.results(job.id)
    score = result.tasks["qa"].metrics["match"].scores["string-check"]
    assert (score.value, score.stats.count) == (pytest.approx(0.6), 10)
    download = await jobs.download_results(job.id)
    with zipfile.ZipFile(io.BytesIO(await settled(download.read()))) as archive:
        assert "results.json" in archive.namelist()
    assert str(await jobs.download_logs(job.id)).startswith("PK")
    assert (await jobs.cancel(job.id))["status"] == "completed"
    assert await ids(await jobs.list(filter={"namespace": ns})) == [job.id]

    assert await results.retrieve(result.id) == result
    assert await ids(await results.list(filter={"job_id": job.id})) == [result.id]
    renewed = await results.update(
        result.id, description="mine", groups={"g": {"metrics": METRICS}}
    )
    assert renewed.description == "mine"
    assert renewed.groups["g"].metrics["m"].scores["s"].value == 0.5
    assert renewed.tasks == result.tasks
    assert (await results.delete(result.id)).id == result.id
    own = await results.create(job=job.id, tasks={"t": {"metrics": METRICS}}, files_url="s3://b/c")
    assert (own.namespace, own.tasks["t"].metrics["m"].scores["s"].stats.count) == (ns, 2)

    live = await evaluation.live(target=ROWS, config=GOOD)
    assert live.status == "completed"
    assert live.result.tasks["qa"].metrics["m"].scores["string-check"].value == 1.0

    assert await jobs.delete(job.id) is None
    deleted = await targets.delete("t", namespace=ns)
    assert (deleted.id, deleted.deleted_at) == (target.id, None)
    assert deleted.message == "Resource deleted successfully."
    assert (await configs.delete("c2", namespace=ns)).id == config.id


@pytest.mark.reference(
    "g sdk", "a.1 PATCH config", "a.1 PATCH result", "a.1 GET logs", "b.5 embedded"
)
def test_sync(service: Service, ns: str, endpoint: Endpoint, files_url: str) -> None:
    called: set[str] = set()
    with NeMoMicroservices(base_url=service.rest) as client:
        recorded = Recorded(client.evaluation, called)
        asyncio.run(every_method(recorded, ns, endpoint, files_url))
        assert called == methods(client.evaluation)


@pytest.mark.reference("g sdk")
def test_async(service: Service, ns: str, endpoint: Endpoint, files_url: str) -> None:
    called: set[str] = set()

    async def run() -> None:
        async with AsyncNeMoMicroservices(base_url=service.rest) as client:
            await every_method(Recorded(client.evaluation, called), ns, endpoint, files_url)
            assert called == methods(client.evaluation)

    asyncio.run(run())


@pytest.fixture
def asked() -> list[Any]:
    """The requests that `client` has sent."""
    return []


@pytest.fixture
def client(service: Service, asked: list[Any]) -> Iterator[NeMoMicroservices]:
    http = nemo_microservices.DefaultHttpxClient(event_hooks={"request": [asked.append]})
    with NeMoMicroservices(base_url=service.rest, http_client=http) as client:
        yield client


@pytest.mark.reference("g sdk", "a.4 POST success", "a.1 GET logs", "a.1 DELETE job")
def test_raw_responses(client: NeMoMicroservices, ended: Ended, rest: Rest) -> None:
    raw = client.evaluation.jobs.with_raw_response
    made = raw.create(target=ROWS, config=GOOD)
    assert made.http_response.status_code == 201
    job_id = made.parse().id
    assert raw.retrieve(job_id).parse().id == job_id
    with zipfile.ZipFile(io.BytesIO(raw.download_logs(ended.job["id"]).read())) as archive:
        assert archive.testzip() is None
        assert archive.namelist()
    rest.finish(job_id)
    gone = raw.delete(job_id)
    assert (gone.http_response.status_code, gone.read()) == (200, b"{}")


@pytest.mark.reference("g sdk", "a.3 past the end", "rule 6")
def test_pages_to_an_empty_one(client: NeMoMicroservices, ns: str, asked: list[Any]) -> None:
    targets = client.evaluation.targets
    made = [targets.create(namespace=ns, **ROWS).id for _ in range(5)]
    asked.clear()
    pages = targets.list(filter={"namespace": ns}, page_size=2, sort="-created_at")
    assert pages.pagination.total_pages == 3
    assert [target.id for target in pages] == made[::-1]
    assert [request.url.params.get("page") for request in asked] == [None, "2", "3", "4"]


@pytest.mark.reference("g sdk", "a.2 wire brackets", "a.2 wire comma")
@pytest.mark.parametrize("kind", ["jobs", "targets", "configs", "results"])
def test_the_rows_have_every_filter_and_search(kind: str) -> None:
    params = getattr(types, f"{kind.removesuffix('s').title()}ListParams")
    for what, fields in (("filter", FILTERS), ("search", SEARCHES)):
        hints = get_type_hints(params)[what]
        assert set(get_type_hints(hints)) == set(fields[kind].split())


@pytest.mark.reference("g sdk", "a.2 wire comma", "a.2 wire times", "a.3 echo")
def test_filters_and_searches(client: NeMoMicroservices, ended: Ended) -> None:
    made = ended.job["created_at"]
    found = client.evaluation.jobs.list(
        filter={
            "namespace": ended.namespace,
            "status": "completed",
            "target": {"namespace": ended.namespace, "name": "t", "type": "rows"},
            "config": f"{ended.namespace}/c",
            "created_at": {"gte": made, "lte": made},
        },
        search={
            "id": [ended.job["id"], "eval-none"],
            "status": ["running", "completed"],
            "target": f"{ended.namespace}/t",
            "created_at": {"start": made, "end": made},
        },
    )
    assert [job.id for job in found] == [ended.job["id"]]
    assert found.filter["target"] == {"namespace": ended.namespace, "name": "t", "type": "rows"}
    assert found.search["status"] == ["running", "completed"]
    found = client.evaluation.configs.list(search={"tasks": "string-check", "name": "c"})  # type: ignore[typeddict-item]
    assert ended.config["id"] in [config.id for config in found]


INSIDE: dict[str, list[dict[str, Any]]] = {
    "targets": [
        {"ownership": {"created_by": "ANN", "access_policies": {"team": "all"}}},
        {"rag": {"pipeline": {"model": "meta/ll", "retriever": {"pipeline": {"top_k": 3}}}}},
    ],
    "configs": [
        {"ownership": {"created_by": ["bob", "ann"]}},
        {"params": {"limit_samples": 77, "extra": {"v1.0": "mine"}}},
        {"tasks": {"qa": {"metrics": {"m": {"params": {"check": "{{A}}"}}}}}},
        {"groups": {"all": {"tasks": "qa"}}},
    ],
    "jobs": [
        {"ownership": {"created_by": "ann"}},
        {"target": {"name": "first", "custom_fields": {"team": "blu"}}},
        {"config": {"name": "first", "params": {"limit_samples": 77}}},
        {"status_details": {"message": "success", "task_status": {"qa": "compl"}}},
    ],
    "results": [
        {"ownership": {"created_by": "ann"}},
        {"tasks": {"qa": {"metrics": {"m": {"scores": {"string-check": {"value": 1.0}}}}}}},
        {"groups": {"all": {"metrics": {"m": {"scores": {"s": {"value": 0.5}}}}}}},
    ],
}
"""Searches inside fields, of which each finds the first of two entities alone."""


@pytest.fixture(scope="module")
def inside(rest: Rest) -> dict[str, list[str]]:
    """The ids of two entities of each kind, in order."""
    ns = fresh()
    first = {
        "namespace": ns,
        "ownership": {"created_by": "Ann", "access_policies": {"team": "all"}},
        "custom_fields": {"team": "blue"},
    }
    retriever = {"query_embedding_model": "a/b", "index_embedding_model": "a/b", "top_k": 3}
    rag = {"pipeline": {"retriever": {"pipeline": retriever}, "model": "meta/llama"}}
    config = {
        **GOOD,
        "params": {"limit_samples": 77, "extra": {"v1.0": "mine"}},
        "groups": {"all": {"tasks": ["qa"]}},
    }
    failing = check_config(["{{no}}", "equals", "x"])
    bodies: dict[str, list[dict[str, Any]]] = {
        "targets": [{**first, "type": "rag", "rag": rag}, {**ROWS, "namespace": ns}],
        "configs": [{**first, **config}, {**failing, "namespace": ns}],
        "jobs": [
            {**first, "target": {**first, **ROWS}, "config": {**config, "name": "first"}},
            {"namespace": ns, "target": ROWS, "config": failing},
        ],
    }
    bodies["jobs"][0]["target"]["name"] = "first"
    found = {k: [rest("POST", f"/{k}", 201, json=b)["id"] for b in v] for k, v in bodies.items()}
    found["results"] = [rest.finish(job)["result"] for job in found["jobs"]]
    given = {"ownership": first["ownership"], "groups": {"all": {"metrics": METRICS}}}
    rest("PATCH", f"/results/{found['results'][0]}", json=given)
    return found


@pytest.mark.reference("g sdk", "a.2 * search *", "a.3 echo")
@pytest.mark.parametrize(("kind", "search"), [(k, s) for k, each in INSIDE.items() for s in each])
def test_a_search_inside_a_field(
    client: NeMoMicroservices, inside: dict[str, list[str]], kind: str, search: dict[str, Any]
) -> None:
    page = getattr(client.evaluation, kind).list(search=search, page_size=1000)
    found = [entity.id for entity in page if entity.id in inside[kind]]
    assert found == inside[kind][:1]
    assert page.search == as_texts(search)


def as_texts(search: Any) -> Any:
    """A search as a query has it."""
    if isinstance(search, dict):
        return {key: as_texts(value) for key, value in search.items()}
    return search if isinstance(search, list) else str(search)


@pytest.mark.reference("g sdk", "a.4 exceptions", "a.4 detail list", "a.4 x-should-retry")
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (
            lambda e, ended: e.jobs.retrieve("eval-none"),
            nemo_microservices.NotFoundError,
            "Error code: 404 - .*eval-none",
        ),
        (
            lambda e, ended: e.targets.create(namespace=ended.namespace, name="t", **ROWS),
            nemo_microservices.ConflictError,
            "Error code: 409 - .*exists already",
        ),
        (
            lambda e, ended: e.configs.delete("c", namespace=ended.namespace),
            nemo_microservices.ConflictError,
            "Error code: 409",
        ),
        (
            lambda e, ended: e.targets.update("t", namespace=ended.namespace, type="model"),
            nemo_microservices.UnprocessableEntityError,
            "Error code: 422 - .*'loc': ",
        ),
        (
            lambda e, ended: e.results.update("evaluation_result-none", description="d"),
            nemo_microservices.NotFoundError,
            "Error code: 404",
        ),
    ],
)
def test_errors_are_asked_once(
    client: NeMoMicroservices,
    ended: Ended,
    asked: list[Any],
    call: Callable[[Any, Ended], Any],
    error: type[Exception],
    said: str,
) -> None:
    with pytest.raises(error, match=said):
        call(client.evaluation, ended)
    assert len(asked) == 1
