"""Metrics against slow and obvious versions, and against numbers worked out by hand."""

import numpy as np
import pytest

from trainer.evaluation import metrics


def slow_auc(own: np.ndarray, others: np.ndarray, weights: np.ndarray) -> float:
    won = sum(weight * ((a > b) + 0.5 * (a == b)) for a in own for b, weight in zip(others, weights, strict=True))
    return won / len(own) / weights.sum()


@pytest.mark.parametrize("seed", range(5))
def test_auc_equals_the_comparison_of_every_pair(seed: int) -> None:
    random = np.random.default_rng(seed)
    own, others = random.integers(0, 6, 7).astype(np.float32), random.integers(0, 6, 40).astype(np.float32)
    weights = random.random(40)
    assert metrics.auc_against(own, others, weights) == pytest.approx(slow_auc(own, others, weights))


def test_auc_by_hand() -> None:
    # 3 beats 1 and 2 and ties with 3: (1 + 1 + 0.5) / 3
    assert metrics.auc_against(np.array([3.0]), np.array([1.0, 2.0, 3.0]), np.ones(3)) == pytest.approx(2.5 / 3)
    # the same with all weight on the tie
    assert metrics.auc_against(np.array([3.0]), np.array([1.0, 2.0, 3.0]), np.array([0, 0, 2.0])) == pytest.approx(0.5)


def test_auc_of_equal_scores_is_a_half_and_of_nothing_is_unknown() -> None:
    assert metrics.auc_against(np.zeros(4), np.zeros(9), np.ones(9)) == 0.5
    assert np.isnan(metrics.auc_against(np.zeros(0), np.zeros(9), np.ones(9)))
    assert np.isnan(metrics.auc_against(np.zeros(4), np.zeros(0), np.zeros(0)))


def test_ranks_are_shared_among_ties() -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.1])
    assert metrics.tied_ranks(scores, np.array([0, 1, 2, 3])).tolist() == [1, 2.5, 2.5, 4]


def test_ranks_equal_places_in_the_sorted_list() -> None:
    scores = np.random.default_rng(1).random(50)
    best_first = np.argsort(-scores)
    targets = np.array([3, 17, 49])
    assert metrics.tied_ranks(scores, targets).tolist() == [1 + best_first.tolist().index(target) for target in targets]


def test_recall_and_reciprocal_rank_by_hand() -> None:
    ranks = np.array([2.0, 10.0, 11.0, 40.0])
    assert metrics.recall_at(ranks, 10) == 0.5
    assert metrics.reciprocal_rank(ranks) == 0.5
    assert np.isnan(metrics.recall_at(np.zeros(0), 10))
    assert np.isnan(metrics.reciprocal_rank(np.zeros(0)))


def test_match_ranks_looks_for_each_query_s_own_candidate_over_block_borders() -> None:
    random = np.random.default_rng(2)
    queries, candidates = random.normal(size=(7, 4)), random.normal(size=(9, 4))
    own = np.array([8, 0, 1, 2, 3, 4, 5])
    expected = [1 + sum(query @ other > query @ candidates[target] for other in candidates) for query, target in zip(queries, own, strict=True)]
    assert metrics.match_ranks(queries, candidates, own, block_rows=3).tolist() == expected


def test_person_means_weigh_people_not_queries_and_leave_out_nan() -> None:
    values, person = np.array([1.0, 0.0, 0.5, np.nan, np.nan]), np.array([0, 0, 1, 1, 2])
    means = metrics.person_means(values, person, 4)
    assert means[:2].tolist() == [0.5, 0.5]
    assert np.isnan(means[2:]).all()


def test_bootstrap_interval_holds_the_mean_repeats_itself_and_counts_people() -> None:
    values = np.append(np.random.default_rng(3).normal(0.6, 0.1, 200), np.nan)
    first, second = (metrics.bootstrap_mean(values, 500, 0.9, seed=4) for _ in range(2))
    assert first == second
    assert first.people == 200
    assert first.mean == pytest.approx(np.nanmean(values))
    # a 90 % interval of a mean of 200 values with deviation 0.1 is about 1.645 * 0.1 / sqrt(200) to each side
    assert first.mean - first.low == pytest.approx(1.645 * 0.1 / 200**0.5, rel=0.3)
    assert first.high - first.mean == pytest.approx(1.645 * 0.1 / 200**0.5, rel=0.3)


def test_bootstrap_of_one_person_has_no_width_and_of_nobody_is_unknown() -> None:
    one = metrics.bootstrap_mean(np.array([0.7]), 10, 0.9, seed=0)
    assert (one.mean, one.low, one.high, one.people) == (0.7, 0.7, 0.7, 1)
    nobody = metrics.bootstrap_mean(np.array([np.nan]), 10, 0.9, seed=0)
    assert np.isnan(nobody.mean)
    assert nobody.people == 0
