from __future__ import annotations

from pathlib import Path

import pytest

from evald.settings import ClientSettings


@pytest.fixture
def settings(tmp_path: Path) -> ClientSettings:
    return ClientSettings(data_dir=tmp_path / "data")
