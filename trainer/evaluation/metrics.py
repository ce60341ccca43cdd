"""How good are scores: pure functions of arrays, no model and no table.

Shape letters: B queries (cuts), A items, P people, D vector size.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A mean over people with its bootstrap interval; NaN where nobody counts."""

    mean: float
    low: float
    high: float
    people: int


def auc_against(own_scores: np.ndarray, other_scores: np.ndarray, other_weights: np.ndarray) -> float:
    """The chance that one of `own_scores` lies above one of `other_scores`, drawn by weight; ties count half.

    NaN where there is nothing of one's own or no weight on the others. Scores that are equal for all give 0.5.
    """
    total = other_weights.sum()
    if not len(own_scores) or total <= 0:
        return float("nan")
    order = np.argsort(other_scores, kind="stable")
    ascending = other_scores[order]
    weight_below = np.concatenate([[0.0], np.cumsum(other_weights[order], dtype=np.float64)])
    below = weight_below[np.searchsorted(ascending, own_scores, "left")]
    not_above = weight_below[np.searchsorted(ascending, own_scores, "right")]
    return float((below + not_above).mean() / 2 / weight_below[-1])


def tied_ranks(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Rank from 1 of each target (an index into scores) among all scores, best first; ties share their mean rank."""
    of_targets = scores[targets][:, None]
    above = (scores[None, :] > of_targets).sum(axis=1)
    equal = (scores[None, :] == of_targets).sum(axis=1)
    return above + (equal + 1) / 2


def recall_at(ranks: np.ndarray, best: int) -> float:
    """Share of the targets that stand among the `best` first; NaN without a target."""
    return float((ranks <= best).mean()) if len(ranks) else float("nan")


def reciprocal_rank(ranks: np.ndarray) -> float:
    """One over the rank of the first target; NaN without a target."""
    return float(1 / ranks.min()) if len(ranks) else float("nan")


def match_ranks(queries: np.ndarray, candidates: np.ndarray, own: np.ndarray, block_rows: int = 256) -> np.ndarray:
    """Rank from 1 of each query's own candidate by dot product; ties share their mean rank.

    Shapes: queries (P, D); candidates (C, D); own (P,) indexes into candidates.
    """
    ranks = np.empty(len(queries))
    for start in range(0, len(queries), block_rows):
        scores = queries[start : start + block_rows] @ candidates.T
        for row, target in enumerate(own[start : start + block_rows]):
            ranks[start + row] = tied_ranks(scores[row], np.array([target]))[0]
    return ranks


def person_means(values: np.ndarray, person: np.ndarray, people: int) -> np.ndarray:
    """Mean of each person's values, NaN left out; NaN for a person without any.

    Shapes: values (B,); person (B,) numbers below `people`; result (P,).
    """
    counted = ~np.isnan(values)
    sums = np.bincount(person[counted], weights=values[counted], minlength=people)
    counts = np.bincount(person[counted], minlength=people)
    return np.divide(sums, counts, out=np.full(people, np.nan), where=counts > 0)


def bootstrap_mean(values: np.ndarray, samples: int, interval: float, seed: int) -> Estimate:
    """Mean over people and the percentile interval of its resamples; people without a value (NaN) are left out."""
    counted = values[~np.isnan(values)]
    if not len(counted):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    generator = np.random.default_rng(seed)
    means = np.array([counted[generator.integers(0, len(counted), len(counted))].mean() for _ in range(samples)])
    low, high = np.quantile(means, [(1 - interval) / 2, (1 + interval) / 2])
    return Estimate(float(counted.mean()), float(low), float(high), len(counted))
