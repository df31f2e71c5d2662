"""Times as list requests write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from evald.errors import InvalidArgument

DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}")


class Span(NamedTuple):
    """The moments that a text can mean: one, or all of a day."""

    first: datetime
    last: datetime


def parse_time(text: str, field: str) -> Span:
    """Reads an ISO 8601 time or date; without a zone it is UTC. Raises InvalidArgument."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if DATE.fullmatch(text):
            return Span(moment, moment + timedelta(days=1, microseconds=-1))
    except (ValueError, OverflowError):
        raise InvalidArgument.of(field, f"{text[:80]!r} is not an ISO 8601 time") from None
    return Span(moment, moment)
