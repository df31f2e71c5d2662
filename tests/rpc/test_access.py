"""Who may call what: every method, by everybody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from evald.clients.archive import zipped
from evald.clients.artifacts import ArtifactStore
from evald.domain import ids
from evald.domain.access import Role
from evald.domain.tokens import Token, digest, new_secret
from evald.executor.files import JobFiles
from evald.executor.runs import LOG_PATH, Runs
from evald.rpc.access import role_of
from evald.settings import Settings
from evald.store.store import Store
from evaluation.v1 import (
    config_service_pb2,
    executor_service_pb2,
    flow_service_pb2,
    job_service_pb2,
    result_service_pb2,
    target_service_pb2,
)

METHODS: dict[str, MethodDescriptor] = {
    method.name: method
    for file in (
        config_service_pb2,
        executor_service_pb2,
        flow_service_pb2,
        job_service_pb2,
        result_service_pb2,
        target_service_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED
NOT_FOUND = grpc.StatusCode.NOT_FOUND

SHUT = {UNAUTHENTICATED, DENIED, NOT_FOUND, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
"""What no call ends with that is let in and finds what it asks for."""

NAMED = {"namespace": "team", "name": "{name}"}
SPARE = {"namespace": "team", "name": "{spare}"}
JOB = {"job_id": "{job}"}
RESULT = {"result_id": "{result}"}
TARGET = {"namespace": "team", "type": "TARGET_TYPE_ROWS", "rows": [{}]}
CONFIG = {"namespace": "team", "type": "custom"}
NEW_JOB = {"job": {"namespace": "team", "target": "team/{name}", "config": "team/{name}"}}

REQUESTS: dict[str, dict[str, Any]] = {
    "CreateTarget": {"target": TARGET},
    "GetTarget": NAMED,
    "ListTargets": {},
    "UpdateTarget": {**NAMED, "target": {"description": "x"}},
    "DeleteTarget": SPARE,
    "CreateConfig": {"config": CONFIG},
    "GetConfig": NAMED,
    "ListConfigs": {},
    "UpdateConfig": {**NAMED, "config": {"description": "x"}},
    "DeleteConfig": SPARE,
    "CreateJob": NEW_JOB,
    "GetJob": JOB,
    "ListJobs": {},
    "GetJobStatus": JOB,
    "GetJobResult": JOB,
    "ListJobSamples": JOB,
    "DownloadJobResults": JOB,
    "DownloadJobLogs": JOB,
    "WatchJob": JOB,
    "CompareJobs": {"baseline_job_id": "{job}", "candidate_job_id": "{other_job}"},
    "CancelJob": JOB,
    "DeleteJob": JOB,
    "EvaluateLive": NEW_JOB,
    "CreateResult": {"result": {"job": "{other_job}"}},
    "GetResult": RESULT,
    "ListResults": {},
    "UpdateResult": {**RESULT, "result": {"description": "x"}},
    "DeleteResult": RESULT,
    "GetExecutor": {},
    "ListFlows": {},
}
"""One request of each method, about what is in the namespace `team`."""

CREATES = {"CreateTarget", "CreateConfig"}
"""What another namespace's caller may not put there; what the rest is about it cannot see."""

READS = {name for name in METHODS if role_of(f"/s/{name}") == Role.READER}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, grpc_port=0, rpc_threads=4, auth="tokens")


@pytest.fixture
def files(settings: Settings, store: Store) -> JobFiles:
    artifacts = ArtifactStore(settings.clients)
    return JobFiles(store.jobs, artifacts, Runs(settings.data_dir / "runs"), zipped)


class Callers:
    """Calls methods with the tokens of a server."""

    def __init__(self, channel: grpc.Channel, store: Store, runs: Path) -> None:
        self._channel = channel
        self._store = store
        self._runs = runs
        self._numbers = count()
        self.admin = self.token("admin", Role.ADMIN)

    def token(self, name: str, role: Role, *namespaces: str, age: int = 0) -> str:
        """The secret of a new token, which lasts a day and is `age` days old."""
        secret, made = new_secret(), datetime.now(UTC) - timedelta(days=age)
        scope = frozenset(namespaces) if namespaces else None
        ends = made + timedelta(days=1)
        token = Token(ids.new_id(ids.TOKEN), name, role, scope, created_at=made, expires_at=ends)
        self._store.tokens.add(token, digest(secret))
        return secret

    def call(self, name: str, request: dict[str, Any], secret: str | None) -> Any:
        """The answer; of a stream its first message."""
        method = METHODS[name]
        kind = "unary_stream" if method.server_streaming else "unary_unary"
        call = getattr(self._channel, kind)(
            f"/{method.containing_service.full_name}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        message = json_format.ParseDict(request, GetMessageClass(method.input_type)())
        metadata = [] if secret is None else [("authorization", f"Bearer {secret}")]
        answer = call(message, metadata=metadata, timeout=10)
        if not method.server_streaming:
            return answer
        first = next(answer)
        answer.cancel()
        return first

    def code(self, name: str, request: dict[str, Any], secret: str | None) -> grpc.StatusCode:
        """What a call ends with."""
        try:
            self.call(name, request, secret)
        except grpc.RpcError as e:
            return e.code()
        return grpc.StatusCode.OK

    def seed(self) -> dict[str, str]:
        """Fresh things in the namespace `team`, by what requests call them."""
        made = {"name": f"n{next(self._numbers)}", "spare": f"n{next(self._numbers)}"}
        for name in made.values():
            self.call("CreateTarget", {"target": {**TARGET, "name": name}}, self.admin)
            self.call("CreateConfig", {"config": {**CONFIG, "name": name}}, self.admin)
        for key in ("job", "other_job"):
            made[key] = self.call("CreateJob", filled(NEW_JOB, made), self.admin).id
            log = self._runs / made[key] / "1" / LOG_PATH
            log.parent.mkdir(parents=True)
            log.write_text("a line\n")
        result = {"result": {"job": made["job"]}}
        made["result"] = self.call("CreateResult", result, self.admin).id
        return made


def filled(request: Any, made: dict[str, str]) -> Any:
    """A request with the ids and names of what was made."""
    match request:
        case dict():
            return {key: filled(value, made) for key, value in request.items()}
        case list():
            return [filled(value, made) for value in request]
        case str():
            return request.format(**made)
    return request


@pytest.fixture
def callers(channel: grpc.Channel, store: Store, settings: Settings) -> Callers:
    return Callers(channel, store, settings.data_dir / "runs")


def test_every_method_has_a_role_and_a_request() -> None:
    assert set(REQUESTS) == set(METHODS)
    for name in METHODS:
        assert role_of(f"/evaluation.v1.AnyService/{name}") in Role


@pytest.mark.parametrize("name", ["Do", "Getaway", "", "get", "PurgeJobs"])
def test_method_without_a_role_is_nobodys(name: str) -> None:
    with pytest.raises(LookupError):
        role_of(f"/evaluation.v1.JobService/{name}")


@pytest.mark.parametrize("name", METHODS)
def test_matrix(callers: Callers, name: str) -> None:
    made = callers.seed()
    request = filled(REQUESTS[name], made)

    def code(secret: str | None) -> grpc.StatusCode:
        return callers.code(name, request, secret)

    revoked = callers.token("revoked", Role.ADMIN)
    callers._store.tokens.revoke("revoked")
    expired = callers.token("expired", Role.ADMIN, age=2)
    for secret in (None, "", "nonsense", new_secret(), revoked, expired):
        assert code(secret) == UNAUTHENTICATED

    reader = callers.token("reader", Role.READER, "team", "more")
    assert (code(reader) not in SHUT) if name in READS else (code(reader) == DENIED)

    stranger = code(callers.token("stranger", Role.WRITER, "other"))
    if not request:
        assert stranger == grpc.StatusCode.OK
    else:
        assert stranger == (DENIED if name in CREATES else NOT_FOUND)

    assert code(callers.token("writer", Role.WRITER, "team")) not in SHUT
    request = filled(REQUESTS[name], callers.seed())
    assert code(callers.token("everywhere", Role.WRITER)) not in SHUT
    request = filled(REQUESTS[name], callers.seed())
    assert code(callers.admin) not in SHUT


@pytest.mark.parametrize("name", ["ListTargets", "ListConfigs", "ListJobs", "ListResults"])
def test_lists_have_what_the_caller_sees(callers: Callers, name: str) -> None:
    callers.seed()
    whole = callers.call(name, {}, callers.admin)
    team = callers.call(name, {}, callers.token("team", Role.READER, "team"))
    other = callers.call(name, {}, callers.token("other", Role.READER, "other"))
    assert len(whole.data) == whole.pagination.total_results > 0
    assert list(team.data) == list(whole.data)
    assert (list(other.data), other.pagination.total_results) == ([], 0)


def test_nothing_moves_into_a_foreign_namespace(callers: Callers) -> None:
    made = callers.seed()
    secret = callers.token("team", Role.WRITER, "team")
    for name, member in (("UpdateConfig", "config"), ("UpdateResult", "result")):
        request = filled(REQUESTS[name], made)
        moved = {**request, member: {"namespace": "other"}}
        assert callers.code(name, moved, secret) == DENIED
        assert callers.code(name, moved, callers.admin) not in SHUT
        assert callers.code(name, request, secret) == NOT_FOUND


def test_jobs_use_what_the_caller_sees(callers: Callers) -> None:
    made = callers.seed()
    secret = callers.token("other", Role.WRITER, "other")
    job = {"namespace": "other", "inline_target": TARGET, "inline_config": CONFIG}
    assert callers.code("CreateJob", {"job": job}, secret) == grpc.StatusCode.OK
    for namespace in ("team", ""):  # which is the default one
        elsewhere = {**job, "namespace": namespace}
        assert callers.code("CreateJob", {"job": elsewhere}, secret) == DENIED
    for part in ("target", "config"):
        foreign = {k: v for k, v in job.items() if k != f"inline_{part}"}
        foreign[part] = f"team/{made['name']}"
        assert callers.code("CreateJob", {"job": foreign}, secret) == NOT_FOUND
        assert callers.code("CreateJob", {"job": foreign}, callers.admin) == grpc.StatusCode.OK


def test_data_sets_of_other_namespaces_are_denied(callers: Callers) -> None:
    secret = callers.token("other", Role.WRITER, "other")
    dataset = {"files_url": "hf://datasets/team/rows"}
    target = {"namespace": "other", "type": "TARGET_TYPE_DATASET", "inline_dataset": dataset}
    job = {"namespace": "other", "inline_target": target, "inline_config": CONFIG}
    for name, request in (("CreateTarget", {"target": target}), ("CreateJob", {"job": job})):
        assert callers.code(name, request, secret) == DENIED
        assert callers.code(name, request, callers.admin) not in SHUT


def test_result_of_a_foreign_job(callers: Callers) -> None:
    made = callers.seed()
    secret = callers.token("other", Role.WRITER, "other")
    result = {"result": {"job": made["other_job"], "namespace": "other"}}
    assert callers.code("CreateResult", result, secret) == NOT_FOUND


def test_no_id_of_a_foreign_job_in_a_conflict(callers: Callers) -> None:
    made = callers.seed()
    job = {"namespace": "other", "target": f"team/{made['name']}", "inline_config": CONFIG}
    for job_id in (made["job"], made["other_job"]):
        callers.call("DeleteJob", {"job_id": job_id}, callers.admin)
    callers.call("CreateJob", {"job": job}, callers.admin)
    secret = callers.token("team", Role.WRITER, "team")
    with pytest.raises(grpc.RpcError) as e:
        callers.call("DeleteTarget", filled(NAMED, made), secret)
    assert e.value.details().endswith("is used by a job of another namespace")


def test_request_is_not_read_before_the_token(channel: grpc.Channel) -> None:
    call = channel.unary_unary("/evaluation.v1.JobService/GetJob")
    with pytest.raises(grpc.RpcError) as e:
        call(b"\xff\xff", timeout=10)
    assert e.value.code() == UNAUTHENTICATED


def test_two_tokens_are_none(channel: grpc.Channel, callers: Callers) -> None:
    shown = ("authorization", f"Bearer {callers.admin}")
    call = channel.unary_unary("/evaluation.v1.JobService/ListJobs")
    call(b"", metadata=[shown], timeout=10)
    with pytest.raises(grpc.RpcError) as e:
        call(b"", metadata=[shown, shown], timeout=10)
    assert e.value.code() == UNAUTHENTICATED


def test_health_is_open_and_reflection_is_not(channel: grpc.Channel, callers: Callers) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    answer = health.Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING

    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)

    def services(metadata: Any) -> Any:
        asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        return list(reflection.ServerReflectionInfo(asked, metadata=metadata, timeout=10))

    reader = callers.token("reader", Role.READER, "other")
    assert services([("authorization", f"bearer {reader}")])
    with pytest.raises(grpc.RpcError) as e:
        services([])
    assert e.value.code() == UNAUTHENTICATED


def test_secrets_are_not_in_the_database(callers: Callers, settings: Settings) -> None:
    callers.seed()
    for path in settings.data_dir.rglob("*"):
        if path.is_file():
            assert callers.admin.encode() not in path.read_bytes(), path
