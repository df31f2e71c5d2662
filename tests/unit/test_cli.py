"""The `evald` command."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evald import __version__
from evald.cli import main
from evald.clients import artifacts
from evald.domain.fleet import Server
from evald.executor.gpus import Gpus
from evald.settings import Settings, misspelt
from evald.store.store import Store


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"evald {__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["up", "--help"], ["datasets", "put", "--help"]])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(words)
    assert "usage: evald" in capsys.readouterr().out


def test_setting_that_is_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVALD_SLOTS", "none")
    with pytest.raises(SystemExit, match="2"):
        main(["datasets", "list", "--data-dir", str(tmp_path)])
    assert "EVALD_SLOTS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("EVALD_SLOT", "EVALD_SLOTS"),
        ("EVALD_DATADIR", "EVALD_DATA_DIR"),
        ("EVALD_LEASE_SECS", "EVALD_LEASE_SECONDS"),
        ("EVALD_TLS_CERTS", "EVALD_TLS_CERT"),
        ("EVALDSLOTS", "EVALD_SLOTS"),
    ],
)
def test_setting_that_is_misspelt(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    given: str,
    meant: str,
) -> None:
    monkeypatch.setenv(given, "1")
    with pytest.raises(SystemExit, match="2"):
        main(["datasets", "list", "--data-dir", str(tmp_path)])
    said = capsys.readouterr().err
    assert said == f"evald: {given} is no setting; did you mean {meant}?\n"


def test_variables_of_others_are_no_settings() -> None:
    service = ["EVALD_SERVICE_HOST", "EVALD_SERVICE_PORT", "EVALD_PORT", "EVALD_PORT_7331_TCP_PORT"]
    assert misspelt([*service, "EVALD_MODEL_KEY", "EVALD_FAILPOINT", "EVALUATE"]) == {}
    assert misspelt(f"EVALD_{name.upper()}" for name in Settings.model_fields) == {}


def test_data_set_is_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"a": 1}\n')
    with pytest.raises(SystemExit, match="0"):
        main(["datasets", "put", "--data-dir", str(tmp_path / "data"), "ns/name", str(rows)])
    assert capsys.readouterr().out.strip() == "hf://datasets/ns/name"
    assert (tmp_path / "data" / "datasets" / "ns" / "name" / "rows.jsonl").exists()


def test_data_sets_are_listed_and_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> str:
        with pytest.raises(SystemExit, match="0"):
            main(["datasets", words[0], "--data-dir", str(tmp_path / "data"), *words[1:]])
        return capsys.readouterr().out

    assert run("list") == ""
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text('{"a": 1}\n')
        run("put", "ns/two", str(tmp_path / name))
    run("put", "other/one", str(tmp_path / "a.jsonl"))
    run("put", f"{artifacts.NAMESPACE}/eval-1", str(tmp_path / "a.jsonl"))
    listed = [line.split()[:3] for line in run("list").splitlines()]
    assert listed[1:] == [
        ["hf://datasets/ns/two", "2", "0.0"], ["hf://datasets/other/one", "1", "0.0"],
    ]  # fmt: skip
    assert [line.split()[0] for line in run("list", "ns").splitlines()[1:]] == [listed[1][0]]
    run("delete", "ns/two/a.jsonl")
    run("delete", "hf://datasets/other/one")
    assert [line.split()[:2] for line in run("list").splitlines()[1:]] == [[listed[1][0], "1"]]


def test_data_set_that_is_not_there_cannot_be_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["datasets", "delete", "--data-dir", str(tmp_path), "ns/none"])
    assert capsys.readouterr().err == "evald: there is no hf://datasets/ns/none\n"


@pytest.mark.parametrize("arguments", [["ns/name", "missing.jsonl"], ["../x", "rows.jsonl"]])
def test_data_set_that_cannot_be_stored_says_why(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["datasets", "put", "--data-dir", str(tmp_path), *arguments])
    assert capsys.readouterr().err.startswith("evald: ")


def test_gpus_of_servers_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["gpus", "--data-dir", str(tmp_path)])
    assert capsys.readouterr().out == "no server runs\nrunning: 0, waiting: 0\n"
    store = Store(Settings(data_dir=tmp_path))
    server = Server("box-1", "box", 4, 0, True, Gpus("1x24").devices, datetime.now(UTC))
    store.fleet.renew(server, seconds=60)
    store.close()
    with pytest.raises(SystemExit, match="0"):
        main(["gpus", "--data-dir", str(tmp_path)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["box-1", "box", "4", "0", "1", "yes"] in lines
    assert ["box-1", "0", "simulated", "24", "24", "-"] in lines
    with pytest.raises(SystemExit, match="0"):
        main(["gpus", "--json", "--data-dir", str(tmp_path)])
    assert json.loads(capsys.readouterr().out)["devices"][0]["memory"] == 24.0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("foo", "EVALD_DATABASE_URL is no URL of a database"),
        ("nope://host/name", "EVALD_DATABASE_URL is no URL of a database"),
        ("mysql://host/name", "EVALD_DATABASE_URL needs the package MySQLdb"),
    ],
)
def test_database_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    url: str,
    said: str,
) -> None:
    monkeypatch.setenv("EVALD_DATABASE_URL", url)
    with pytest.raises(SystemExit, match="2"):
        main(["gpus", "--data-dir", str(tmp_path)])
    assert said in capsys.readouterr().err


def test_data_dir_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="2"):
        main(["gpus", "--data-dir", str(tmp_path / "file" / "data")])
    assert capsys.readouterr().err.startswith("evald: Not a directory: ")
