"""Roles, namespaces, and where a server may listen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from evald import exposure
from evald.domain import access, ids
from evald.domain.access import ANYONE, Caller, Role
from evald.domain.tokens import Token, digest, is_secret, new_secret
from evald.errors import InvalidArgument, PermissionDenied
from evald.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEAM = Caller("ci", Role.WRITER, frozenset({"team"}))


def test_a_caller_sees_its_namespaces() -> None:
    assert TEAM.sees("team")
    assert not TEAM.sees("other")
    assert ANYONE.sees("other")
    assert not Caller("none", Role.READER, frozenset()).sees("default")


def test_a_refusal_names_the_field_and_what_the_token_is_for() -> None:
    TEAM.check_namespace("team")
    with pytest.raises(PermissionDenied, match=r"namespace: .* not for .*'other', but for team"):
        TEAM.check_namespace("other")


@pytest.mark.parametrize("has", Role)
@pytest.mark.parametrize("needed", Role)
def test_roles_are_in_order(has: Role, needed: Role) -> None:
    if has >= needed:
        Caller("c", has).check_role(needed)
        return
    with pytest.raises(PermissionDenied, match=f"role {needed}; this one's is {has}"):
        Caller("c", has).check_role(needed)


def test_without_a_caller_nothing_is_open() -> None:
    with ThreadPoolExecutor(1) as pool:  # its threads begin with nobody
        assert isinstance(pool.submit(access.caller).exception(), LookupError)
        assert pool.submit(copy_context().run, access.caller).result() == access.SERVER


def test_a_caller_is_bound_for_a_block() -> None:
    before = access.caller()
    with access.acting(TEAM):
        assert access.caller() == TEAM
    assert access.caller() == before


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"dataset": {"files_url": "hf://datasets/other/x"}}, "dataset.files_url"),
        ({"dataset": {"files_url": "hf://datasets//other/x"}}, "dataset.files_url"),
        ({"dataset": {"files_url": "hf://datasets/%6Fther/x"}}, "dataset.files_url"),
        ({"dataset": {"files_url": "hf://datasets/"}}, "dataset.files_url"),
        (
            {"dataset": {"files_url": "hf://datasets/evaluation-results/eval-1"}},
            "dataset.files_url",
        ),
        ({"dataset": "hf://datasets/other/x"}, "dataset"),
        ({"tasks": {"a": {"parts": ["hf://datasets/other/x"]}}}, "tasks.a.parts.0"),
        ({"tasks": {"rows": {"dataset": "hf://datasets/other/x"}}}, "tasks.rows.dataset"),
        (
            {"tasks": {"custom_fields": {"dataset": "hf://datasets/other/x"}}},
            "tasks.custom_fields.dataset",
        ),
        (
            {"tasks": {"tasks": {"metrics": {"rows": "hf://datasets/other/x"}}}},
            "tasks.tasks.metrics.rows",
        ),
        (
            {"tasks": {"files_url": "hf://datasets/other/x", "hf_endpoint": "https://h"}},
            "tasks.files_url",
        ),
        ({"tasks": {"a": {"rows": ["hf://datasets/other/x"]}}}, None),
        ({"tasks": {"a": {"dataset": "other/x"}}}, "tasks.a.dataset"),
        ({"dataset": "team/x"}, None),
        ({"model": {"artifact": {"files_url": "hf://other/x"}}}, "model.artifact.files_url"),
        ({"model": {"artifact": {"files_url": "hf:///other/x"}}}, "model.artifact.files_url"),
        ({"model": {"artifact": {"files_url": "hf://models/other/x"}}}, "model.artifact.files_url"),
        ({"model": {"artifact": {"files_url": "hf://team/x"}}}, None),
        (
            {"dataset": {"files_url": "hf://datasets/other/x", "hf_endpoint": ""}},
            "dataset.files_url",
        ),
        ({"dataset": {"files_url": "hf://datasets/team/x"}}, None),
        ({"dataset": {"files_url": "hf://datasets/other/x", "hf_endpoint": "https://h"}}, None),
        ({"dataset": {"files_url": "https://h/other/x"}}, None),
        (
            {"dataset": {"files_url": "hf://datasets/other/x", "hf_endpoint": "https://own"}},
            "dataset.files_url",
        ),
        (
            {"artifact": {"files_url": "hf://other/x", "hf_endpoint": "https://h"}},
            "artifact.files_url",
        ),
        ({"rows": [{"a": "hf://datasets/other/x"}]}, None),
    ],
)
def test_data_sets_of_other_namespaces(document: Any, field: str | None) -> None:
    store = "https://own/"
    access.check_data(document, store)
    with access.acting(TEAM):
        if field is None:
            access.check_data(document, store)
            return
        with pytest.raises(PermissionDenied, match=f"^{field}: "):
            access.check_data(document, store)


def token(**changes: Any) -> Token:
    given = {"name": "ci", "role": Role.WRITER, "namespaces": None, "created_at": NOW}
    return Token(ids.new_id(ids.TOKEN), **{**given, **changes})


def test_a_token_holds_until_it_ends() -> None:
    day, moment = timedelta(days=1), timedelta(microseconds=1)
    assert token().holds(NOW)
    assert token(expires_at=NOW + day).holds(NOW + day - moment)
    assert not token(expires_at=NOW + day).holds(NOW + day)
    assert not token(revoked_at=NOW).holds(NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "a b"},
        {"name": ""},
        {"namespaces": frozenset({"a/b"})},
        {"role": Role.ADMIN, "namespaces": frozenset({"a"})},
    ],
)
def test_a_token_that_cannot_be(changes: Any) -> None:
    with pytest.raises(InvalidArgument):
        token(**changes)


def test_secrets_have_their_form_and_are_never_the_same() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(map(is_secret, made))
    assert len({digest(secret) for secret in made}) == 100
    secret = made.pop()
    for text in ("", secret[:-1], f"{secret}x", secret.replace("evald_", ""), f"{secret}\n"):
        assert not is_secret(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback_needs_no_word_on_who_may_call(host: str) -> None:
    exposure.check(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"])
def test_other_addresses_do(host: str) -> None:
    with pytest.raises(InvalidArgument, match=r"EVALD_AUTH=tokens .*evald tokens create.*=none"):
        exposure.check(Settings(host=host))
    exposure.check(Settings(host=host, auth="tokens"))
    exposure.check(Settings(host=host, auth="none"))


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_tokens_that_can_be_read_on_the_way(host: str, warned: bool) -> None:
    with capture_logs() as lines:
        exposure.check(Settings(host=host, auth="tokens"))
    assert [line["log_level"] for line in lines] == ["warning"] * warned


def test_a_host_without_an_address() -> None:
    with pytest.raises(InvalidArgument, match="EVALD_HOST"):
        exposure.check(Settings(host="no such host"))


@pytest.mark.parametrize("name", ["tls_cert", "tls_key", "tls_client_ca"])
def test_half_of_tls_is_refused(name: str, tmp_path: Path) -> None:
    settings = Settings.model_validate({name: tmp_path / "file.pem"})
    with pytest.raises(InvalidArgument, match=f"EVALD_{name.upper()}: TLS needs both"):
        exposure.check(settings)


def test_certificates_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "file.pem"
    settings = Settings(tls_cert=path, tls_key=path)
    with pytest.raises(InvalidArgument, match="No such file"):
        exposure.check(settings)
    path.write_text("nonsense")
    with pytest.raises(InvalidArgument, match="cannot be used"):
        exposure.check(settings)
