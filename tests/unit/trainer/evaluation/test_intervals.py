"""Do the intervals of personal AUC tell the truth? Worlds of invented people: how often does the interval hold what is true of all of them?"""

from collections.abc import Callable

import numpy as np
import pytest

from trainer.evaluation.metrics import pairs_mean

WORLDS, LABELS, SIZE = 400, 4, 6
CENTRES = np.random.default_rng(4).normal(size=(4, SIZE))
Tastes = Callable[[np.random.Generator, int], np.ndarray]


def in_clusters(random: np.random.Generator, people: int) -> np.ndarray:
    return CENTRES[random.integers(0, len(CENTRES), people)]


def independent(random: np.random.Generator, people: int) -> np.ndarray:
    return random.normal(size=(people, SIZE))


def aimless(random: np.random.Generator, people: int) -> np.ndarray:
    return np.zeros((people, SIZE))


def wins(queries: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(P, P): how often labels (P, LABELS, SIZE) of the row's person score above those of the column's, by queries (P, SIZE)."""
    scores = np.einsum("id,jkd->ijk", queries, labels)
    own = scores[np.arange(len(scores)), np.arange(len(scores))]
    return (np.sign(own[:, None, :, None] - scores[:, :, None, :]).mean(axis=(2, 3)) + 1) / 2


def world(tastes: Tastes, people: int, communities: int | None, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Wins of a good and of a worse encoder, whose query vectors know of some people more than of others; people meet in communities, if any."""
    taste = tastes(random, people)
    labels = 0.7 * taste[:, None] + random.normal(size=(people, LABELS, SIZE))
    known, noise = random.gamma(2, 0.5, (people, 1)), random.normal(size=(2, people, SIZE))
    good, worse = wins(taste * known + noise[0], labels), wins(taste * known / 2 + (noise[0] + noise[1]) / 2**0.5, labels)
    if communities:
        member = (random.random((people, communities)) < 0.3).astype(int)
        good[member @ member.T == 0] = worse[member @ member.T == 0] = np.nan
    return good, worse


@pytest.mark.parametrize(("people", "communities"), [(12, None), (40, None), (40, 6)])
@pytest.mark.parametrize("tastes", [in_clusters, independent, aimless])
def test_a_90_percent_interval_holds_the_truth_in_about_90_percent_of_worlds(tastes: Tastes, people: int, communities: int | None) -> None:
    random = np.random.default_rng(20)
    found = [
        [pairs_mean(values, 0.9) for values in (good, good - worse)] for good, worse in (world(tastes, people, communities, random) for _ in range(WORLDS))
    ]
    for estimates in zip(*found, strict=True):
        truth = np.mean([estimate.mean for estimate in estimates])  # its own error is a twentieth of a world's
        held = np.mean([estimate.low <= truth <= estimate.high for estimate in estimates])
        assert 0.85 <= held <= 0.95


def test_a_popularity_list_has_no_spread_though_its_people_differ() -> None:
    random = np.random.default_rng(20)
    labels = random.normal(size=(40, LABELS, SIZE)) + random.normal(size=(40, 1, SIZE))
    values = wins(np.tile(CENTRES[0], (40, 1)), labels)
    found = pairs_mean(values, 0.9)
    assert values.mean(axis=1).std() > 0.1
    assert (found.low, found.high) == pytest.approx((0.5, 0.5), abs=1e-9)


def test_a_score_that_is_no_better_than_chance_is_seldom_clearly_so() -> None:
    random = np.random.default_rng(21)
    found = [pairs_mean(world(aimless, 20, None, random)[0], 0.9) for _ in range(WORLDS)]
    assert np.mean([estimate.low > 0.5 for estimate in found]) == pytest.approx(0.05, abs=0.03)
