"""Rank correlations over pairs of people, and what they are worth: pairs that have a person in common are not independent.

Shape letters: P people, N = P (P - 1) / 2 pairs, R rows that are compared, C controls. Functions of arrays alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.evaluation.metrics import NOBODY, Estimate, t_quantile

MIN_PEOPLE = 20
"""Of fewer people there is no interval of pairs: how often it would hold the truth was not looked at."""
FLAT = 1e-6
"""Share of a variable's spread up to which what is left of it is an error of arithmetic."""


@dataclass(frozen=True)
class Ranked:
    """Values of N pairs as ranks: `place` among the distinct values (N,), and the rank itself as a share of all pairs, at mean 0 (N,); ties share theirs."""

    place: np.ndarray
    rank: np.ndarray


@dataclass(frozen=True)
class Correlation:
    """A correlation, and how much more or less each pair (N,) of its kind would make it: the correlation is off by about their mean. NaN, and all NaN, where a variable has no spread."""

    value: float
    influence: np.ndarray


def pairs_of(values: np.ndarray) -> np.ndarray:
    """The pairs (N,) of a symmetric matrix (P, P), each once."""
    return values[np.triu_indices(len(values), 1)]


def ranked(values: np.ndarray) -> Ranked:
    """Ranks of values (N,)."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / max(1, len(values)) - 0.5
    return Ranked(place, ranks[place])


def rank_correlation(row: Ranked, outcome: Ranked, controls: Sequence[Ranked] = ()) -> Correlation:
    """Spearman's correlation of two variables; with controls the partial one: of what their ranks keep when a linear fit on the controls' ranks is taken off.

    The influence of a pair is that of its own ranks, and of what it does to the ranks of all others (of the controls' too). Source: Hampel 1974 (influence curve).
    """
    if not len(row.rank):
        return Correlation(math.nan, row.rank)
    held = np.array([control.rank for control in controls]).reshape(len(controls), len(row.rank))
    both = np.array([row.rank, outcome.rank])
    fits = np.linalg.lstsq(held.T, both.T, rcond=FLAT)[0] if len(held) else np.zeros((0, 2))
    left = both - fits.T @ held
    spread, spread_before = np.sqrt((left**2).mean(axis=1)), np.sqrt((both**2).mean(axis=1))
    if not (spread > FLAT * spread_before).all():
        return Correlation(math.nan, np.full(len(row.rank), np.nan))
    x, y = left / spread[:, None]
    value = float((x * y).mean())
    slopes = np.array([y - value * x, x - value * y]) / spread[:, None]
    influence = x * y - value * (x**2 + y**2) / 2 + _of_ranks(row, slopes[0]) + _of_ranks(outcome, slopes[1])
    for control, fit in zip(controls, fits, strict=True):
        influence -= _of_ranks(control, fit @ slopes)
    return Correlation(value, influence)


def _of_ranks(variable: Ranked, slope: np.ndarray) -> np.ndarray:
    """What one more pair with the value of each (N,) does by the ranks of all: those above it move up, its equals half as much. `slope` (N,) is what their moving does."""
    by_value = np.bincount(variable.place, slope)
    above = by_value.sum() - np.cumsum(by_value) + by_value / 2
    moved = above[variable.place] / len(slope)
    return moved - moved.mean()


def pairs_estimate(correlation: Correlation, people: int, interval: float, largest: float = 1) -> Estimate:
    """The correlation over all pairs of P people with its interval; that of a difference is the difference of values and of influences.
    Neither end is beyond what such a number can be, `largest` to either side.

    The people are the sample: two pairs with a person in common vary together, others do not. The variance is the sum over people of the squared influence of all their pairs, less that of
    the pairs themselves, which it counts twice (Fafchamps and Gubert 2007; Aronow, Samii and Assenova 2015); it is without bias where a pair is the sum of its two people and of something
    of its own. It is never less than half of that sum, which it is where people do not matter. Intervals are Student's t, and NaN below MIN_PEOPLE.
    """
    if math.isnan(correlation.value):
        return NOBODY
    if people < MIN_PEOPLE:
        return Estimate(correlation.value, math.nan, math.nan, people)
    first, second = np.triu_indices(people, 1)
    of_people = np.bincount(first, correlation.influence, people) + np.bincount(second, correlation.influence, people)
    squares = (of_people**2).sum()
    variance = max(squares - (correlation.influence**2).sum(), squares / 2) / len(first) ** 2 * people * (people - 1) / (people - 2) / (people - 3)
    half = t_quantile((1 + interval) / 2, people - 1) * math.sqrt(variance)
    return Estimate(correlation.value, max(-largest, correlation.value - half), min(largest, correlation.value + half), people)
