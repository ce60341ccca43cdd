"""Numbers, times and flags of Reddit's rows, whatever type an era gave them; every cast is counted."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from etl.platforms.reddit.records import json_type

FIRST_SECOND = 1_104_537_600  # 2005-01-01: nothing is older than Reddit
LAST_SECOND = 4_102_444_800  # 2100-01-01: what is later is milliseconds or worse
_TIMESTAMP = pa.timestamp("us", tz="UTC")


def times(values: Sequence[Any], name: str, casts: Counter[str]) -> pa.Array:
    """Seconds since 1970, as integers, floats or strings of either -> UTC timestamps; null where a value is no time."""
    seconds = np.array([_number(value) for value in values], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        good = (seconds >= FIRST_SECOND) & (seconds < LAST_SECOND)
    _count_types(values, name, casts, usual=int)
    micros = np.round(np.where(good, seconds, 0) * 1e6).astype(np.int64)
    return pa.array(micros, mask=~good).cast(_TIMESTAMP)


def whole_numbers(values: Sequence[Any], name: str, casts: Counter[str]) -> list[str | None]:
    """Counts and scores as strings; None where there is none, or where it is no number."""
    _count_types(values, name, casts, usual=int)
    return [str(value) if type(value) is int else _whole(value) for value in values]


def flags(values: Sequence[bool | None]) -> list[str | None]:
    """'true' where a flag is set; None elsewhere, so that only what is unusual is kept."""
    return ["true" if value else None for value in values]


def edits(values: Sequence[Any], name: str, casts: Counter[str]) -> list[str | None]:
    """When an act was edited, in seconds since 1970, or 'true' where the era told no more; None where it was not."""
    _count_types([value for value in values if type(value) is not bool], name, casts, usual=int)
    return [None if not value else "true" if value is True else _whole(value) for value in values]


def string_map(columns: Mapping[str, Sequence[str | None]], rows: int) -> pa.MapArray:
    """A map a row of the columns that are not None there, in the columns' order. Shape: every column (rows,)."""
    names, arrays = list(columns), [pa.array(values, pa.string()) for values in columns.values()]
    present = np.column_stack([~array.is_null().to_numpy(zero_copy_only=False) for array in arrays]) if rows else np.zeros((0, len(names)), bool)
    row, column = np.nonzero(present)
    offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int32)
    values = pa.chunked_array(arrays).combine_chunks().take(pa.array(column * rows + row))
    return pa.MapArray.from_arrays(offsets, pa.array(names).take(pa.array(column)), values)


def _count_types(values: Sequence[Any], name: str, casts: Counter[str], usual: type) -> None:
    for found, count in Counter(map(type, values)).items():
        if found is not usual and found is not type(None):
            casts[f"{name}: {json_type(found())}"] += count


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
