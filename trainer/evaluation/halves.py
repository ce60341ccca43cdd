"""User-user retrieval by split halves: does the first half of a history find its own second half among everybody's?

Nothing was trained for it: likeness of people is expected to emerge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lake.encoder import Encoder
from lake.rendering import QueryFormat, is_readable
from trainer.evaluation import metrics

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Halves:
    """First and second halves of the people asked about, and second halves of others, among whom the right one must be found."""

    firsts: list[History]
    seconds: list[History]
    others: list[History]


def split_halves(asked: Sequence[History], others: Sequence[History], min_units: int, query_format: QueryFormat = "units") -> Halves:
    """The halves of all whose halves both have `min_units`, and something to read in the format; the rest is left out."""
    pairs = [pair for history in asked if (pair := halves_of(history, min_units, query_format)) is not None]
    seconds = [pair[1] for history in others if (pair := halves_of(history, min_units, query_format)) is not None]
    return Halves([first for first, _ in pairs], [second for _, second in pairs], seconds)


def halves_of(history: History, min_units: int, query_format: QueryFormat = "units") -> tuple[History, History] | None:
    """First and second half in time. What the second half has in threads of the first is left out: a shared title would give it away."""
    first = history[: len(history) // 2]
    threads = {unit["thread_id"] for unit in first if unit["thread_id"] is not None}
    second = [unit for unit in history[len(history) // 2 :] if unit["thread_id"] not in threads]
    is_read = is_readable(first, query_format) and is_readable(second, query_format)
    return (first, second) if min(len(first), len(second)) >= min_units and is_read else None


def half_ranks(encoder: Encoder, halves: Halves) -> np.ndarray:
    """Rank (P,) from 1 of each asked person's own second half among all second halves."""
    firsts = encoder.encode_histories(halves.firsts)
    return metrics.match_ranks(firsts, encoder.encode_histories([*halves.seconds, *halves.others]), np.arange(len(firsts)))
