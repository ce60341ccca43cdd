"""Log-probabilities of items -> their grades. Pure.

Shape letters: C candidates of one query, K answers.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
SMOOTHING = 60
"""k of reciprocal rank fusion (Cormack et al. 2009, https://doi.org/10.1145/1571941.1572114)."""


def expected_grades(log_probabilities: Sequence[Sequence[float]], grades: Sequence[float]) -> Scores:
    """What grade to expect of each candidate, (C,), where these (C, K) are the log-probabilities of answers that have these grades (K,); other answers count nothing."""
    chances = np.asarray(log_probabilities, np.float64).reshape(-1, len(grades))
    chances = np.exp(chances - chances.max(axis=1, keepdims=True))
    return (chances / chances.sum(axis=1, keepdims=True)) @ np.asarray(grades, np.float64)


def ranks(scores: Sequence[float] | Scores) -> Scores:
    """Rank of each, 1 for the highest, (C,); equal ones share the mean of their ranks."""
    values = np.asarray(scores, np.float64)
    above = (values[None, :] > values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    return above + (equal + 1) / 2


def fused_grades(rankings: Sequence[Sequence[float] | Scores]) -> Scores:
    """Reciprocal ranks by each of some scores, added up and brought to 0 (last by all of them) to 1 (first by all), (C,); a single candidate has 1."""
    count = len(rankings[0])
    fused = sum((1 / (SMOOTHING + ranks(scores)) for scores in rankings), np.zeros(count))
    best, worst = len(rankings) / (SMOOTHING + 1), len(rankings) / (SMOOTHING + count)
    return np.clip((fused - worst) / (best - worst), 0, 1) if count > 1 else np.ones(count)
