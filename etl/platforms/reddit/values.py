"""Numbers, times and flags of Reddit's rows, whatever type an era gave them; every cast is counted."""

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.platforms.reddit.records import json_type

FIRST_SECOND = 1_104_537_600  # 2005-01-01: nothing is older than Reddit
LAST_SECOND = 4_102_444_800  # 2100-01-01: what is later is milliseconds or worse
_TIMESTAMP = pa.timestamp("us", tz="UTC")


def times(values: Sequence[Any], name: str, casts: Counter[str]) -> pa.Array:
    """Seconds since 1970, as integers, floats or strings of either -> UTC timestamps; null where a value is no time."""
    seconds = _all_numbers(values, _count_types(values, name, casts, usual=int))
    with np.errstate(invalid="ignore"):
        good = (seconds >= FIRST_SECOND) & (seconds < LAST_SECOND)
    micros = np.round(np.where(good, seconds, 0) * 1e6).astype(np.int64)
    return pa.array(micros, mask=~good).cast(_TIMESTAMP)


def whole_numbers(values: Sequence[Any], name: str, casts: Counter[str]) -> pa.Array:
    """Counts and scores as strings; null where there is none, or where it is no number."""
    if _count_types(values, name, casts, usual=int) <= {int, type(None)}:
        with suppress(OverflowError):
            return pa.array(values, pa.int64()).cast(pa.string())
    return pa.array([str(value) if type(value) is int else _whole(value) for value in values], pa.string())


def flags(values: Sequence[bool | None]) -> pa.Array:
    """'true' where a flag is set; null elsewhere, so that only what is unusual is kept."""
    return pc.if_else(pa.array(values, pa.bool_()), "true", None)


def edits(values: Sequence[Any], name: str, casts: Counter[str]) -> pa.Array:
    """When an act was edited, in seconds since 1970, or 'true' where the era told no more; null where it was not."""
    _count_types([value for value in values if type(value) is not bool], name, casts, usual=int)
    return pa.array([None if not value else "true" if value is True else _whole(value) for value in values], pa.string())


def _count_types(values: Sequence[Any], name: str, casts: Counter[str], usual: type) -> set[type]:
    """Count the values whose type is another than usual, and return all types there are."""
    kinds = set(map(type, values))
    odd = kinds - {usual, type(None)}
    for found, count in Counter(map(type, values) if odd else ()).items():
        if found in odd:
            casts[f"{name}: {json_type(found())}"] += count
    return kinds


def _all_numbers(values: Sequence[Any], types: set[type]) -> np.ndarray:
    if types <= {int, float, type(None)}:
        with suppress(pa.ArrowInvalid, OverflowError):  # numbers that a float cannot hold
            return pa.array(values, pa.float64()).to_numpy(zero_copy_only=False)
    return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _whole(value: Any) -> str | None:
    number = _number(value)
    return str(int(number)) if math.isfinite(number) else None
