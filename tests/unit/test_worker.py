"""The identity of a server on its data dir."""

from __future__ import annotations

from pathlib import Path

import pytest

from evald.errors import Unavailable
from evald.worker import Worker


def test_name_survives_a_restart(tmp_path: Path) -> None:
    first = Worker(tmp_path / "data")
    first.close()
    second = Worker(tmp_path / "data")
    assert second.name == first.name
    second.close()


def test_second_server_on_a_data_dir_is_refused(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    with pytest.raises(Unavailable, match="another evald runs on"):
        Worker(tmp_path)
    worker.close()


def test_servers_that_share_a_data_dir_have_names_of_their_own(tmp_path: Path) -> None:
    first, second, third = (Worker(tmp_path, alone=False) for _ in range(3))
    names = [first.name, second.name, third.name]
    assert len(set(names)) == 3
    second.close()
    again = Worker(tmp_path, alone=False)
    assert again.name == second.name
    for worker in (first, third, again):
        worker.close()
