"""Moments as archives write them -> datetimes, UTC."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,9})?")


def unix_time(value: object, per_second: int = 1) -> datetime | None:
    """The moment that a number, or the text of one, counts from 1970 in seconds (`per_second` 1) or parts of them (1000); None where it is none."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return _EPOCH + timedelta(microseconds=value * 10**6 // per_second if isinstance(value, int) else value * 10**6 / per_second)
    except (OverflowError, ValueError):
        return None
