"""Rank correlations against slow versions, and their intervals in worlds of invented people: how often do they hold what is true of all worlds?"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from trainer.evaluation.metrics import t_quantile
from trainer.evaluation.rank_correlation import MIN_PEOPLE, Correlation, pairs_estimate, pairs_of, rank_correlation, ranked

WORLDS = 800
World = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray, np.ndarray]]


def of(row: np.ndarray, outcome: np.ndarray, *controls: np.ndarray) -> Correlation:
    return rank_correlation(ranked(row), ranked(outcome), [ranked(control) for control in controls])


def test_each_pair_counts_once() -> None:
    assert pairs_of(np.arange(9).reshape(3, 3)).tolist() == [1, 2, 5]
    assert pairs_of(np.zeros((1, 1))).tolist() == []


def test_ranks_are_shared_among_ties_and_are_of_mean_0() -> None:
    assert ranked(np.array([5.0, 1, 5, 9])).rank.tolist() == [0, -3 / 8, 0, 3 / 8]
    assert ranked(np.zeros(0)).rank.tolist() == []


def test_correlations_equal_slow_versions() -> None:
    random = np.random.default_rng(0)
    controls = random.integers(0, 9, (3, 200)).astype(float)
    outcome = np.round(controls[0] + random.normal(size=200), 1)
    for row in (controls[0] + random.normal(size=200), outcome + random.normal(size=200), random.normal(size=200)):
        assert of(row, outcome).value == pytest.approx(spearmanr(row, outcome).statistic)
        inverse = np.linalg.inv(np.corrcoef(rankdata(np.array([row, outcome, *controls]), axis=1)))
        assert of(row, outcome, *controls).value == pytest.approx(-inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1]))


def test_influence_is_what_one_more_of_a_pair_does() -> None:
    random, pairs = np.random.default_rng(1), 4000
    control = random.integers(0, 30, pairs).astype(float)
    outcome = control + np.round(random.normal(0, 10, pairs))
    row = outcome + np.round(random.normal(0, 10, pairs))
    for controls in ([], [control], [control, control**2 + random.normal(0, 50, pairs)]):
        whole = of(row, outcome, *controls)
        assert whole.influence.mean() == pytest.approx(0, abs=1e-9)
        for pair in (0, 7, 100, int(np.argmax(row)), int(np.argmin(outcome))):
            more = [np.append(each, each[pair]) for each in (row, outcome, *controls)]
            assert (of(*more).value - whole.value) * pairs == pytest.approx(whole.influence[pair], abs=0.01)


def test_the_interval_s_variance_is_without_bias() -> None:
    """Where pairs are sums of people and of something of their own, and where there is nothing but that."""
    random, people = np.random.default_rng(3), MIN_PEOPLE
    for weight in (1.0, 0.0):
        means, variances = [], []
        for _ in range(4000):
            of_people = weight * random.normal(size=people)
            pairs = pairs_of(np.add.outer(of_people, of_people)) + random.normal(size=people * (people - 1) // 2)
            found = pairs_estimate(Correlation(0.0, pairs - pairs.mean()), people, 0.9, largest=9)
            means.append(pairs.mean())
            variances.append((found.high / t_quantile(0.95, people - 1)) ** 2)
        assert np.mean(variances) == pytest.approx(np.var(means), rel=0.1 if weight else 0.3)
        assert np.mean(variances) > 0.9 * np.var(means)


def test_what_has_no_spread_left_is_unknown_and_controls_that_say_the_same_or_nothing_do_no_harm() -> None:
    random = np.random.default_rng(1)
    row, outcome, control, flat = random.normal(size=50), random.normal(size=50), np.arange(50.0), np.ones(50)
    for unknown in (of(flat, outcome), of(row, flat), of(control, outcome, control), of(row[:1], outcome[:1]), of(row[:0], outcome[:0])):
        assert np.isnan(unknown.value)
        assert pairs_estimate(unknown, 11, 0.9).people == 0
    assert of(row, outcome, control, 2 * control, flat).value == pytest.approx(of(row, outcome, control).value)
    assert of(row, outcome, flat).value == pytest.approx(of(row, outcome).value)


def test_of_few_people_there_is_no_interval() -> None:
    few = MIN_PEOPLE - 1
    found = pairs_estimate(Correlation(0.5, np.ones(few * (few - 1) // 2)), few, 0.9)
    assert (found.mean, found.people) == (0.5, few)
    assert np.isnan([found.low, found.high]).all()


def test_the_interval_by_hand_and_no_end_beyond_what_can_be() -> None:
    """One person's 19 pairs of 190 make it more, and the others less."""
    influence = np.where(np.triu_indices(20, 1)[0] == 0, 0.9, -0.1)
    of_people = np.array([19 * 0.9, *[0.9 - 18 * 0.1] * 19])
    variance = ((of_people**2).sum() - (influence**2).sum()) / 190**2 * 20 * 19 / 18 / 17
    found = pairs_estimate(Correlation(0.2, influence), 20, 0.9)
    assert found.high - 0.2 == pytest.approx(1.729 * variance**0.5, rel=1e-3)
    assert 0.2 - found.low == pytest.approx(found.high - 0.2)
    far, low = pairs_estimate(Correlation(0.95, influence), 20, 0.9), pairs_estimate(Correlation(-1.95, influence), 20, 0.9, largest=2)
    assert (far.high, low.low) == (1, -2)


def tastes(random: np.random.Generator, people: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A good and a worse likeness of people with tastes, some of whom are known better than others, and overlap of futures with many ties."""
    taste, known = random.normal(size=(people, 5)), random.gamma(2, 0.5, (people, 1))
    noise = random.normal(size=(2, people, 5))
    return *_rows(taste * known + noise[0], taste * known / 2 + noise[1]), _overlap(taste, random)


def clusters(random: np.random.Generator, people: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tastes are a few, and people of one are alike."""
    taste = 2 * np.eye(5)[random.integers(0, 5, people)]
    noise = random.normal(size=(2, people, 5))
    return *_rows(taste + noise[0], taste + 2 * noise[1]), _overlap(taste, random)


def nothing(random: np.random.Generator, people: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Likeness says nothing of the future."""
    return *_rows(*random.normal(size=(2, people, 5))), _overlap(random.normal(size=(people, 5)), random)


def _rows(good: np.ndarray, worse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    good, worse = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (good, worse))
    return good @ good.T, worse @ worse.T


def _overlap(taste: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Of who goes to which of ten places; people who do much go to more of them."""
    appeal = np.repeat(taste, 2, axis=1) + random.normal(size=(len(taste), 10)) + random.normal(size=(len(taste), 1))
    goes = (appeal > 0.8).astype(float)
    sizes = np.maximum(1, np.linalg.norm(goes, axis=1))
    return goes @ goes.T / np.outer(sizes, sizes)


@pytest.mark.parametrize(("world", "people"), [(tastes, 25), (tastes, 80), (clusters, 80), (nothing, 25), (nothing, 80)])
def test_a_90_percent_interval_holds_the_truth_in_about_90_percent_of_worlds(world: World, people: int) -> None:
    random, found = np.random.default_rng(20), []
    for _ in range(WORLDS):
        *rows, overlaps = world(random, people)
        activity = ranked(pairs_of(np.add.outer(*[random.normal(size=people) + overlaps.mean(axis=1)] * 2)))
        outcome = ranked(pairs_of(overlaps))
        for controls in ([], [activity]):
            good, worse = (rank_correlation(ranked(pairs_of(row)), outcome, controls) for row in rows)
            ahead = Correlation(good.value - worse.value, good.influence - worse.influence)
            found.append([pairs_estimate(each, people, 0.9) for each in (good, ahead)])
    for estimates in (*zip(*found[::2], strict=True), *zip(*found[1::2], strict=True)):
        truth = np.mean([estimate.mean for estimate in estimates])  # its own error is a twenty-eighth of a world's
        held = np.mean([estimate.low <= truth <= estimate.high for estimate in estimates])
        assert 0.86 <= held <= 0.94
