"""Area under the ROC curve, and what it is worth: how often somebody of a class scores above somebody who is not of it, ties half (Mann and Whitney 1947).

Only people of one fold are compared: another fold's scores are another head's. Had they been compared, a class that a fold has more of would have had fewer to train that fold's head on,
and heads that know nothing would come out below 0.5.

**What the interval counts.** People who are asked are a sample, and so are those whom heads were trained on. Of the first the variance is DeLong's (1988). As everybody is asked by some heads and
trains the others, two people whom chance makes alike count twice, when the one is asked and when the other is: the share of DeLong's variance that is due to whom a head was trained on is
counted twice. It is read off heads that are trained on two halves of the same people, by how differently these place each person. Without it intervals of 90 % hold the truth 80 times in 100.

Shape letters: P people, K classes, F folds. Functions of arrays alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.evaluation.metrics import NOBODY, Estimate, t_quantile

MIN_OF_A_KIND = 3
"""Of fewer people of a kind there is no interval."""


@dataclass(frozen=True)
class Area:
    """An area, or a difference or mean of some. `influence` (3, P): by how much each person makes it more or less than it would be, by heads trained on all others, on one half of them, and on
    the other; `least` is how many of the rarest kind there are."""

    value: float
    influence: np.ndarray
    least: int

    def minus(self, other: "Area") -> "Area":
        """The paired difference."""
        return Area(self.value - other.value, self.influence - other.influence, min(self.least, other.least))


def area(scores: np.ndarray, is_one: np.ndarray, fold: np.ndarray) -> Area:
    """Of those who are of a class (P,) among the others of their fold (P,), by the scores (3, P) of heads trained on all others, on one half of them and on the other; NaN where no fold has both."""
    values, influences = zip(*(_placed(each, is_one, fold) for each in scores), strict=True)
    return Area(values[0], np.array(influences), int(min(is_one.sum(), (~is_one).sum())))


def _placed(scores: np.ndarray, is_one: np.ndarray, fold: np.ndarray) -> tuple[float, np.ndarray]:
    """The area, and the influence (P,) of each person: how far the share of the others that they score above lies from the mean, over how many of their kind there are."""
    places = np.full(len(scores), np.nan)
    for number in np.unique(fold):
        ones, others = (np.flatnonzero((fold == number) & kind) for kind in (is_one, ~is_one))
        if len(ones) and len(others):
            places[ones] = _share_below(scores[ones], scores[others])
            places[others] = 1 - _share_below(scores[others], scores[ones])
    met = ~np.isnan(places)
    if not met.any():
        return math.nan, np.full(len(scores), np.nan)
    influence = np.zeros(len(scores))
    for kind in (np.flatnonzero(met & is_one), np.flatnonzero(met & ~is_one)):
        # So large that their squares add up to the variance of the mean; of one alone nothing is known.
        influence[kind] = (places[kind] - places[kind].mean()) / math.sqrt(len(kind) * (len(kind) - 1)) if len(kind) > 1 else np.nan
    return float(places[met & is_one].mean()), influence


def _share_below(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of the others the share that each score is above, ties half."""
    in_order = np.sort(others)
    return (np.searchsorted(in_order, scores, "left") + np.searchsorted(in_order, scores, "right")) / 2 / len(others)


def mean_area(areas: Sequence[Area]) -> Area:
    """Of several classes, or tasks, of the same P people, each counts alike. There must be one."""
    return Area(float(np.mean([each.value for each in areas])), np.mean([each.influence for each in areas], axis=0), min(each.least for each in areas))


def area_estimate(found: Area, people: int, interval: float, least: float = 0) -> Estimate:
    """The area over so many people with its interval (Student's t); of a difference `least` is -1. Where nobody is ranked wrong it has no width."""
    if math.isnan(found.value):
        return NOBODY
    variance = (found.influence[0] ** 2).sum() * (1 + unsettled_share(found.influence))
    if found.least < MIN_OF_A_KIND or math.isnan(variance):
        return Estimate(found.value, math.nan, math.nan, people)
    half = t_quantile((1 + interval) / 2, people - 2) * math.sqrt(variance)
    return Estimate(found.value, max(least, found.value - half), min(1.0, found.value + half), people)


def unsettled_share(influence: np.ndarray) -> float:
    """Of the variance of the first influence (3, P), the share that is due to whom the heads were trained on: 1 where they know nothing.

    What two halves say differently is that share where half as many train a head. Where chance is n times as strong as what is there, it is n / 2 times as strong with twice as many people.
    """
    of_both = (influence[1:] ** 2).sum()
    at_half = min(1.0, float(((influence[1] - influence[2]) ** 2).sum() / of_both)) if of_both > 0 else 0.0
    return at_half / (2 - at_half)
