from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evald.settings import ClientSettings

sys.path.insert(0, str(Path(__file__).parents[2]))


@pytest.fixture
def settings(tmp_path: Path) -> ClientSettings:
    return ClientSettings(data_dir=tmp_path / "data")
