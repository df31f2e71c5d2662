"""Tests look at stores as the server itself does, unless they say on whose behalf."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evald.domain import access


@pytest.fixture(autouse=True)
def _server() -> Iterator[None]:
    with access.acting(access.SERVER):
        yield
