"""How good are scores: pure functions of arrays, no model and no table.

Shape letters: B queries (cuts), A items, P people, L labels of futures, T targets (distinct items of each query's future), D vector size.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from scipy.special import digamma


@dataclass(frozen=True)
class Estimate:
    """A mean over people with its interval; NaN where nobody counts, and an interval of NaN where they are too few to tell."""

    mean: float
    low: float
    high: float
    people: int


NOBODY = Estimate(float("nan"), float("nan"), float("nan"), 0)


@dataclass(frozen=True)
class Ranks:
    """Where targets stand in a list, best first: `above` scores are higher than a target's, `tied` are the same, its own among them; arrays of one shape, NaN for a target
    that nobody looks for.

    What ties stands in an order drawn by lot, and a metric is its mean over all orders, so that a list that knows nothing gets what guessing gets. Source: McSherry and
    Najork 2008, https://doi.org/10.1007/978-3-540-78646-7_38.
    """

    above: np.ndarray
    tied: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Mean rank of each, from 1."""
        return self.above + (self.tied + 1) / 2

    def within(self, best: int) -> np.ndarray:
        """Chance of each to stand among the `best` first."""
        return np.clip((best - self.above) / self.tied, 0, 1)

    def reciprocal(self) -> np.ndarray:
        """Expected one over the rank of each."""
        return (digamma(self.above + self.tied + 1) - digamma(self.above + 1)) / self.tied

    def gains(self, best: int) -> np.ndarray:
        """Expected gain of each: one over the logarithm of its rank plus one, nothing beyond the `best` first."""
        sums = np.concatenate([[0.0], np.cumsum(1 / np.log2(1 + np.arange(1, best + 1)))])
        first, last = (np.minimum(best, places).astype(np.int64) for places in (self.above, self.above + self.tied))
        return (sums[last] - sums[first]) / self.tied

    def __getitem__(self, chosen: np.ndarray | slice | int) -> "Ranks":
        return Ranks(self.above[chosen], self.tied[chosen])


def tied_ranks(scores: np.ndarray, targets: np.ndarray) -> Ranks:
    """Where each target (an index into scores) stands among all scores. Raises ValueError for a target whose score is NaN: nothing would be above it."""
    check_numbers(scores[targets])
    above = np.array([np.count_nonzero(scores > score) for score in scores[targets]], float)
    not_below = np.array([np.count_nonzero(scores >= score) for score in scores[targets]], float)
    return Ranks(above, not_below - above)


def check_numbers(scores: np.ndarray) -> None:
    """Raise ValueError where scores are NaN, as those of an encoder are whose training came to nothing."""
    if np.isnan(scores).any():
        raise ValueError("scores that are no numbers (NaN): the encoder's weights, or the vectors of a row, are broken; train anew")


def among_best(scores: np.ndarray, best: int) -> np.ndarray:
    """Indexes of the scores of mean rank `best` or better, best first: 2 * best - 1 at most, fewer than `best` where ties reach beyond."""
    nearly = min(len(scores), 2 * best)
    top = np.argpartition(scores, len(scores) - nearly)[len(scores) - nearly :] if len(scores) else np.zeros(0, np.int64)
    top = top[np.argsort(-scores[top], kind="stable")]
    # Ties that reach beyond the 2 * best first have a mean rank over `best` already, wherever they begin.
    found = scores[top]
    return top[((found > found[:, None]).sum(axis=1) + (found >= found[:, None]).sum(axis=1) + 1) / 2 <= best]


def ndcg_at(ranks: Ranks, query: np.ndarray, queries: int, best: int) -> np.ndarray:
    """Normalised discounted cumulative gain of each query (B,) by the ranks of its targets, each worth 1; NaN without a target. `ranks` and `query` are (T,).

    Source: Järvelin and Kekäläinen 2002, with the logarithm from the first rank on.
    """
    targets = np.bincount(query, minlength=queries)
    gains = np.bincount(query, ranks.gains(best), queries)
    ideal = np.cumsum(1 / np.log2(1 + np.arange(1, best + 1)))[np.clip(targets, 1, best) - 1]
    return np.where(targets > 0, gains / ideal, np.nan)


def reciprocal_ranks(ranks: Ranks, query: np.ndarray, queries: int) -> np.ndarray:
    """One over the rank of the first target of each query (B,), of several that tie as if it were alone; NaN without a target. `ranks` and `query` are (T,)."""
    first = np.full(queries, -np.inf)
    np.maximum.at(first, query, ranks.reciprocal())
    return np.where(np.isfinite(first), first, np.nan)


def match_ranks(queries: np.ndarray, candidates: np.ndarray, own: np.ndarray, block_rows: int = 256) -> Ranks:
    """Where each query's own candidate stands by dot product.

    Shapes: queries (P, D); candidates (C, D); own (P,) indexes into candidates.
    """
    above, tied = np.empty((2, len(queries)))
    for start in range(0, len(queries), block_rows):
        block = slice(start, start + block_rows)
        scores = queries[block] @ candidates.T
        right = scores[np.arange(len(scores)), own[block]][:, None]
        check_numbers(right)
        above[block], tied[block] = (scores > right).sum(axis=1), (scores == right).sum(axis=1)
    return Ranks(above, tied)


def group_means(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Mean of the values of each group (a person's cuts, a query's targets), NaN left out; NaN for a group without any.

    Shapes: values (N,); group (N,) numbers below `groups`; result (groups,).
    """
    counted = ~np.isnan(values)
    sums = np.bincount(group[counted], weights=values[counted], minlength=groups)
    counts = np.bincount(group[counted], minlength=groups)
    return np.divide(sums, counts, out=np.full(groups, np.nan), where=counts > 0)


def bootstrap_mean(values: np.ndarray, samples: int, interval: float, seed: int) -> Estimate:
    """Mean over people and the percentile interval of its resamples; people without a value (NaN) are left out."""
    counted = values[~np.isnan(values)]
    if not len(counted):
        return NOBODY
    means = _resamples(len(counted), samples, seed) @ counted.astype(np.float64)
    low, high = np.quantile(means, [(1 - interval) / 2, (1 + interval) / 2])
    return Estimate(float(counted.mean()), float(low), float(high), len(counted))


@lru_cache(maxsize=4)
def _resamples(people: int, samples: int, seed: int) -> np.ndarray:
    """What each person weighs in each resample (samples, people). All numbers of as many people are resampled alike."""
    generator = np.random.default_rng(seed)
    drawn = (np.bincount(generator.integers(0, people, people), minlength=people) for _ in range(samples))
    return np.stack([counts / people for counts in drawn])


def pairs_mean(values: np.ndarray, interval: float) -> Estimate:
    """Mean over ordered pairs of people, asker and somebody else, with its interval. The people are the sample, each in both roles.

    `values` (P, P) are shares won, or paired differences of two such matrices; NaN where two did not meet, the same in both directions. A pair weighs
    1 / sqrt(n m), where n and m are how many others each of the two met: where all met, or all within each of several groups, everybody counts
    alike. As both directions weigh the same, what one wins by a list that is the same for everybody the other loses: its mean is 0.5 and its interval
    has no width, exactly. The variance is the jackknife's over people (with equal weights, exactly), who each take their row and column with them; it
    errs, if at all, to the wide side. Intervals are those of Student's t, and NaN below three people. Source: Arvesen 1969 (jackknife of U-statistics).
    """
    mean, shares, people = pairs_influences(values)
    if not people:
        return NOBODY
    half = t_quantile((1 + interval) / 2, people - 1) * math.sqrt((shares**2).sum()) if people > 2 else float("nan")
    return Estimate(mean, mean - half, mean + half, people)


def pairs_influences(values: np.ndarray) -> tuple[float, np.ndarray, int]:
    """The mean of `pairs_mean`; what each person (P,) adds to its error, the sum of whose squares is its variance (NaN below three people); and how many people count."""
    met = ~np.isnan(values)
    np.fill_diagonal(met, False)
    others = met.sum(axis=1)
    people = int((others > 0).sum())
    if not people:
        return float("nan"), np.zeros(len(values)), 0
    scale = np.divide(1, np.sqrt(others), out=np.zeros(len(others)), where=others > 0)
    weights = met * scale[:, None] * scale
    both = weights * np.where(met, values, 0)
    total, mean = weights.sum(), both.sum() / weights.sum()
    deviations = ((both + both.T) / 2 - weights * mean).sum(axis=1)
    if people < 3:
        return float(mean), np.full(len(values), np.nan), people
    return float(mean), 2 * math.sqrt(people * (people - 1)) / (people - 2) * deviations / total, people


def people_influences(values: np.ndarray) -> tuple[float, np.ndarray, int]:
    """The mean over the people (P,) who have a value (not NaN), and the rest as `pairs_influences` has it."""
    counted = ~np.isnan(values)
    people = int(counted.sum())
    if people < 2:
        return float(np.mean(values[counted])) if people else float("nan"), np.full(len(values), np.nan), people
    mean = float(values[counted].mean())
    return mean, np.where(counted, values - mean, 0) / math.sqrt(people * (people - 1)), people


def ratio(above: tuple[float, np.ndarray, int], below: tuple[float, np.ndarray, int], interval: float) -> Estimate:
    """The ratio of two means over the same people (P,), each with influences as `pairs_influences` gives them, and its interval; NaN unless the lower mean is clearly above 0.

    Source: Fieller 1954, https://doi.org/10.1111/j.2517-6161.1954.tb00159.x: the ratios r for which `above - r * below` is not clearly other than 0.
    """
    (top, of_top, _), (bottom, of_bottom, _) = above, below
    people = min(above[2], below[2])
    t = t_quantile((1 + interval) / 2, max(people, 2) - 1)
    tops, both, bottoms = ((one * other).sum() for one, other in ((of_top, of_top), (of_top, of_bottom), (of_bottom, of_bottom)))
    if not (people > 2 and bottom > t * math.sqrt(bottoms)):
        return Estimate(float("nan"), float("nan"), float("nan"), people)
    # a * r^2 - 2 * b * r + c = 0 at both ends
    a, b, c = bottom**2 - t**2 * bottoms, top * bottom - t**2 * both, top**2 - t**2 * tops
    half = math.sqrt(max(0.0, b**2 - a * c))
    return Estimate(top / bottom, (b - half) / a, (b + half) / a, people)


def t_quantile(share: float, freedom: int) -> float:
    """Quantile of Student's t, right to the second digit from two degrees of freedom on, to the third from four. Source: Abramowitz and Stegun 26.7.5."""
    z = NormalDist().inv_cdf(share)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def with_others_near(place: np.ndarray, person: np.ndarray, window: int, min_others: int) -> np.ndarray:
    """Indexes, ascending, of the labels (L,) that have labels of `min_others` other people within `window` of their place.

    Taken out are first those with too few, then those that have too few without them, until all that are left have enough among themselves: so
    whether two labels meet never depends on which of the two asks.
    """
    left = np.arange(len(place))
    while len(left):
        enough = others_near(place[left], person[left], window) >= min_others
        if enough.all():
            break
        left = left[enough]
    return left


def others_near(place: np.ndarray, person: np.ndarray, window: int) -> np.ndarray:
    """How many other people have a label within `window` of each label's place, both ends included; shapes (L,)."""
    order = np.lexsort((place, person))
    places, people = place[order], person[order]
    begins = np.ones(len(places), bool)  # a stretch of one person's: where each label is within two windows of the one before
    begins[1:] = (people[1:] != people[:-1]) | (places[1:] - places[:-1] > 2 * window)
    first, last = np.sort(places[begins]) - window, np.sort(places[np.append(begins[1:], True)]) + window
    return np.searchsorted(first, place, "right") - np.searchsorted(last, place, "left") - 1
