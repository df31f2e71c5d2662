from __future__ import annotations

from datetime import UTC, datetime

import pytest

from evald.clients.retry import Backoff, passing, retry_after


def test_waits_grow_and_are_bounded() -> None:
    full = Backoff(base=0.5, cap=30, random=lambda: 1.0)
    assert [full.wait(n) for n in (1, 2, 3, 7, 10_000)] == [0.5, 1, 2, 30, 30]
    assert Backoff(random=lambda: 0.0).wait(5) == 0


def test_retry_after_wins_and_is_capped() -> None:
    backoff = Backoff(after_cap=60, random=lambda: 0.0)
    assert backoff.wait(1, 5) == 5
    assert backoff.wait(1, 3600) == 60


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("12", 12),
        ("0.5", 0.5),
        ("-3", 0),
        ("nan", None),
        ("soon", None),
        ("Mon, 01 Jan 2024 00:00:00 -99999999999999999999", None),
        ("Wed, 21 Oct 2026 07:28:10 GMT", 10),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0),
    ],
)
def test_retry_after_is_read(header: str | None, seconds: float | None) -> None:
    now = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
    assert retry_after(header, lambda: now) == seconds


def test_passing_statuses() -> None:
    assert [s for s in (200, 400, 404, 408, 409, 425, 429, 500, 599) if passing(s)] == [
        408, 409, 425, 429, 500, 599,
    ]  # fmt: skip
