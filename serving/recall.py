"""What an index finds of the nearest rows, beside comparing all of them. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

BEST = 10
"""Nearest rows that must be found."""
SAME_SCORE = 1e-4
"""Cosines this near are one: an index rounds, and equal texts have equal vectors."""
Row = Mapping[str, Any]


def recall(exact: np.ndarray, hits: Sequence[Sequence[float]], same_score: float) -> float:
    """Share of the exact nearest (Q, K cosines, best first) that an index found: hits as near as the last of them, K at most a query."""
    found = [min(len(best), sum(score >= best[-1] - same_score for score in scores)) for best, scores in zip(exact, hits, strict=True)]
    return sum(found) / exact.size


class ExactNearest:
    """The cosines of the BEST nearest rows to Q vectors of unit length, of the rows that a filter lets through, while rows are added.

    `where` is the filter as Milvus reads it, `lets_through` the same for a row.
    """

    def __init__(self, vectors: np.ndarray, where: str = "", lets_through: Callable[[Row], bool] = lambda row: True) -> None:
        self.where, self._lets_through, self._vectors = where, lets_through, vectors
        self._scores: np.ndarray = np.full((len(vectors), BEST), -np.inf, np.float32)
        self.rows = 0

    def add(self, rows: Sequence[Row], vectors: np.ndarray) -> None:
        """Look at more rows, with their vectors (N, D) of unit length."""
        chosen = vectors[[self._lets_through(row) for row in rows]]
        self.rows += len(chosen)
        scores = np.concatenate([self._scores, self._vectors @ chosen.T], axis=1)
        self._scores = -np.partition(-scores, BEST - 1, axis=1)[:, :BEST]

    def recall(self, found: Sequence[Sequence[float]]) -> float:
        """Share of the nearest that were found, by the cosines of what was; 1 where there is nothing to find."""
        wanted = min(BEST, self.rows)
        return recall(-np.sort(-self._scores)[:, :wanted], found, SAME_SCORE) if wanted and len(self._vectors) else 1.0
