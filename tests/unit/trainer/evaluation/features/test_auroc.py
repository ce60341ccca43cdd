"""The area under the curve against a slow version, and how often its interval holds the truth."""

import numpy as np
import pytest

from trainer.evaluation.features.auroc import Area, area, area_estimate, mean_area, unsettled_share

WORLDS = 600


def of(scores: np.ndarray, is_one: np.ndarray, fold: np.ndarray) -> Area:
    """Of scores that owe nothing to whom a head was trained on."""
    return area(np.stack([scores] * 3), is_one, fold)


def slow(scores: np.ndarray, is_one: np.ndarray, fold: np.ndarray) -> float:
    """Each pair of a fold by itself, and each of the class alike."""
    of_ones = []
    for one in np.flatnonzero(is_one):
        others = [other for other in np.flatnonzero(~is_one) if fold[other] == fold[one]]
        if others:
            of_ones.append(np.mean([1.0 if scores[one] > scores[other] else 0.5 if scores[one] == scores[other] else 0.0 for other in others]))
    return float(np.mean(of_ones))


@pytest.mark.parametrize("folds", [1, 3, 7])
def test_it_is_the_share_of_pairs_of_a_fold_ties_half(folds: int) -> None:
    random = np.random.default_rng(folds)
    scores, is_one, fold = random.integers(0, 6, 60).astype(float), random.random(60) < 0.3, np.arange(60) % folds
    found = of(scores, is_one, fold)
    assert found.value == pytest.approx(slow(scores, is_one, fold))
    assert found.least == min(is_one.sum(), (~is_one).sum())
    assert of(-scores, is_one, fold).value == pytest.approx(1 - found.value)
    assert of(scores, is_one, fold).minus(of(scores, is_one, fold)).influence.tolist() == [[0] * 60] * 3


def test_of_one_fold_the_variance_is_delong_s() -> None:
    random = np.random.default_rng(0)
    scores, is_one = random.normal(size=50), np.arange(50) < 15
    scores[is_one] += 1
    wins = (scores[is_one][:, None] > scores[~is_one][None, :]).astype(float)
    variance = wins.mean(axis=1).var(ddof=1) / 15 + wins.mean(axis=0).var(ddof=1) / 35
    assert (of(scores, is_one, np.zeros(50, int)).influence[0] ** 2).sum() == pytest.approx(variance)


def test_what_depends_on_whom_a_head_was_trained_on_counts_twice() -> None:
    """Where heads of two halves know nothing, they place everybody independently, and the variance is twice that of people who are asked alone."""
    random, is_one, fold = np.random.default_rng(3), np.arange(2000) % 4 == 0, np.arange(2000) % 5
    found = area(random.normal(size=(3, 2000)), is_one, fold)
    assert unsettled_share(found.influence) == pytest.approx(1, abs=0.15)
    alone = Area(found.value, found.influence[[0, 0, 0]], found.least)
    widths = [estimate.high - estimate.low for estimate in (area_estimate(each, 2000, 0.9) for each in (found, alone))]
    assert widths[0] / widths[1] == pytest.approx(2**0.5, rel=0.05)


def test_the_share_of_chance_by_hand() -> None:
    """Halves that differ by 2 on squares of 9 + 1: 4 / 10 at half the people, 0.4 / 1.6 at all; halves that say the opposite know nothing."""
    assert unsettled_share(np.array([[5.0], [3.0], [1.0]])) == pytest.approx(0.25)
    assert unsettled_share(np.array([[5.0], [1.0], [-1.0]])) == 1
    assert unsettled_share(np.array([[5.0], [2.0], [2.0]])) == unsettled_share(np.zeros((3, 1))) == 0


def test_people_of_another_fold_are_no_rivals_and_a_fold_of_one_kind_does_not_count() -> None:
    scores, is_one, fold = np.array([1.0, 0, 9, 8, 7]), np.array([True, False, True, False, False]), np.array([0, 0, 1, 1, 2])
    assert of(scores, is_one, fold).value == 1
    assert np.isnan(of(scores[2:3], is_one[2:3], fold[2:3]).value)
    assert area_estimate(of(scores[2:3], is_one[2:3], fold[2:3]), 1, 0.9).people == 0
    few = area_estimate(of(scores, is_one, fold), 5, 0.9)
    assert (few.mean, few.people) == (1, 5)
    assert np.isnan([few.low, few.high]).all(), "of two of a kind nothing is known"


def test_a_mean_of_classes_has_the_means_of_their_influences() -> None:
    random = np.random.default_rng(1)
    kinds, scores, fold = random.integers(0, 3, 90), random.normal(size=(90, 3)), np.arange(90) % 5
    of_kinds = [of(scores[:, kind], kinds == kind, fold) for kind in range(3)]
    found = mean_area(of_kinds)
    assert found.value == pytest.approx(np.mean([each.value for each in of_kinds]))
    assert found.influence == pytest.approx(np.mean([each.influence for each in of_kinds], axis=0))
    assert found.least == min(each.least for each in of_kinds)


@pytest.mark.parametrize(("people", "ones", "signal"), [(60, 15, 0.0), (60, 15, 0.8), (200, 20, 0.8), (200, 100, 0.3)])
def test_a_90_percent_interval_holds_the_truth_in_about_90_percent_of_worlds(people: int, ones: int, signal: float) -> None:
    """Scores of two rows that have noise in common, and their difference; five folds whose scores are not on one scale."""
    random, is_one = np.random.default_rng(20), np.arange(people) < ones
    found = []
    for _ in range(WORLDS):
        fold = np.empty(people, int)
        fold[np.argsort(random.random(people) + 2 * is_one)] = np.arange(people) % 5
        common, scale = random.normal(size=people) + 3 * fold, 1 + fold
        good, worse = (scale * (common + share * signal * is_one + random.normal(size=people)) for share in (2, 1))
        areas = [of(scores, is_one, fold) for scores in (good, worse)]
        found.append([area_estimate(each, people, 0.9, least=-1) for each in (areas[0], areas[0].minus(areas[1]))])
    for estimates in zip(*found, strict=True):
        truth = np.mean([estimate.mean for estimate in estimates])
        assert 0.86 <= np.mean([estimate.low <= truth <= estimate.high for estimate in estimates]) <= 0.94
