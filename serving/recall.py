"""What an index finds of the nearest rows, beside comparing all of them. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

BEST = 10
"""Nearest rows that must be found."""
SAME_SCORE = 1e-4
"""Cosines this near are one: an index rounds, and equal texts have equal vectors."""
Row = Mapping[str, Any]


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
        if not wanted or not len(self._vectors):
            return 1.0
        worst = np.sort(self._scores, axis=1)[:, -wanted]
        hits = [sum(score >= least - SAME_SCORE for score in scores[:wanted]) for scores, least in zip(found, worst, strict=True)]
        return float(np.mean(hits)) / wanted
