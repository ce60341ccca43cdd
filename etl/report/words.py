"""Numbers as a person reads them."""

from collections.abc import Sequence
from typing import Any


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


def kind_name(platform: str, action: str) -> str:
    """'reddit · comment'."""
    return f"{platform} · {action}"
