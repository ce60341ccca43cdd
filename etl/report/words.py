"""Numbers and times as a person reads them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lake.acts import UNKNOWN_TIME, known_time


def count(number: int) -> str:
    """'1,234,567'."""
    return f"{number:,}"


def short(number: float) -> str:
    """A number for an axis: '0', '0.5', '50', '1.5k', '20M', '3B'."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def share(part: float | None) -> str:
    """'12.3 %'; what is there but would round to nothing, and what lacks a little of all, is not shown as 0 or 100."""
    if part is None:
        return "–"
    if 0 < part < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if 0.999 < part < 1 else f"{part:.1%}".replace(".0%", "%").replace("%", " %")


def size(number: float) -> str:
    """Bytes, in powers of ten: '512 bytes', '1.2 MB'."""
    for unit, letters in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= unit:
            return f"{number / unit:.1f}".removesuffix(".0") + f" {letters}"
    return f"{number:.0f} bytes"


def listed(things: Sequence[Any], most: int) -> str:
    """'a, b, c', or 'a, b and 7 more' where there are more than `most`."""
    shown = ", ".join(str(thing) for thing in things[:most])
    return shown if len(things) <= most else f"{shown} and {len(things) - most:,} more"


def moment(at: datetime | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """'2006-01-31 23:59'; in as many characters 'time unknown' where the source told none."""
    at = known_time(at)
    return "time unknown".ljust(len(f"{UNKNOWN_TIME:{form}}")) if at is None else f"{at:{form}}"


def with_known_times(rows: Any) -> Any:
    """Rows, with whatever is nested in them, and None for each time that no source told."""
    if isinstance(rows, dict):
        return {name: with_known_times(value) for name, value in rows.items()}
    if isinstance(rows, list):
        return [with_known_times(value) for value in rows]
    return known_time(rows) if isinstance(rows, datetime) else rows


def kind_name(platform: str, action: str) -> str:
    """'reddit · comment'."""
    return f"{platform} · {action}"
