"""Metrics against slow and obvious versions, and against numbers worked out by hand."""

import numpy as np
import pytest

from trainer.evaluation import metrics


def at(*ranks: float) -> metrics.Ranks:
    """Targets at these ranks, each alone."""
    return metrics.Ranks(np.array(ranks) - 1, np.ones(len(ranks)))


def test_ties_share_their_mean_rank() -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.1])
    assert metrics.tied_ranks(scores, np.array([0, 1, 2, 3])).means.tolist() == [1, 2.5, 2.5, 4]


def test_ranks_equal_places_in_the_sorted_list() -> None:
    scores = np.random.default_rng(1).random(50)
    best_first = np.argsort(-scores)
    targets = np.array([3, 17, 49])
    assert metrics.tied_ranks(scores, targets).means.tolist() == [1 + best_first.tolist().index(target) for target in targets]


@pytest.mark.parametrize("values", [100, 5, 1])
def test_metrics_of_ties_are_the_mean_over_orders_drawn_by_lot(values: int) -> None:
    random = np.random.default_rng(values)
    scores, target = random.integers(0, values, 30).astype(float), 4
    ranks = metrics.tied_ranks(scores, np.array([target]))
    orders = [np.lexsort((random.random(30), -scores)) for _ in range(20_000)]
    places = np.array([1 + int(np.flatnonzero(order == target)[0]) for order in orders])
    assert ranks.means[0] == pytest.approx(places.mean(), abs=0.3)
    assert ranks.within(10)[0] == pytest.approx((places <= 10).mean(), abs=0.02)
    assert ranks.reciprocal()[0] == pytest.approx((1 / places).mean(), abs=0.01)
    assert ranks.gains(10)[0] == pytest.approx(np.where(places <= 10, 1 / np.log2(1 + places), 0).mean(), abs=0.01)


def test_scores_that_are_no_numbers_are_an_error_and_no_perfect_list() -> None:
    with pytest.raises(ValueError, match="no numbers"):
        metrics.tied_ranks(np.full(50, np.nan), np.arange(5))
    with pytest.raises(ValueError, match="no numbers"):
        metrics.match_ranks(np.full((3, 4), np.nan), np.eye(4), np.arange(3))


def test_a_list_that_knows_nothing_finds_what_guessing_finds() -> None:
    ranks = metrics.tied_ranks(np.zeros(80), np.arange(5))
    assert (ranks.within(10).tolist(), ranks.within(50).tolist()) == ([1 / 8] * 5, [5 / 8] * 5)


def test_ndcg_and_reciprocal_rank_by_hand() -> None:
    ranks, query = at(2, 10, 11, 40, 1, 2), np.array([0, 0, 0, 2, 3, 3])
    ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    found = metrics.ndcg_at(ranks, query, 4, 10)
    assert found == pytest.approx([(1 / np.log2(3) + 1 / np.log2(11)) / ideal, np.nan, 0, 1], nan_ok=True)
    assert metrics.reciprocal_ranks(ranks, query, 4).tolist() == pytest.approx([0.5, np.nan, 1 / 40, 1], nan_ok=True)


def test_the_best_list_has_an_ndcg_of_one_however_many_targets_there_are() -> None:
    for targets in (1, 10, 30):
        assert metrics.ndcg_at(at(*range(1, targets + 1)), np.zeros(targets, int), 1, 10).tolist() == pytest.approx([1])


@pytest.mark.parametrize("values", [1000, 4, 2, 1])
@pytest.mark.parametrize("count", [0, 1, 3, 19, 20, 21, 300])
def test_the_best_are_those_whose_shared_rank_is_good_enough(count: int, values: int) -> None:
    scores = np.random.default_rng(count).integers(0, values, count).astype(np.float32)
    ranks = metrics.tied_ranks(scores, np.arange(count))
    found = metrics.among_best(scores, 10)
    assert sorted(found.tolist()) == np.flatnonzero(ranks.means <= 10).tolist()
    assert (np.diff(scores[found]) <= 0).all()
    assert len(found) <= 19


def test_match_ranks_looks_for_each_query_s_own_candidate_over_block_borders() -> None:
    random = np.random.default_rng(2)
    queries, candidates = random.normal(size=(7, 4)), random.normal(size=(9, 4))
    own = np.array([8, 0, 1, 2, 3, 4, 5])
    expected = [1 + sum(query @ other > query @ candidates[target] for other in candidates) for query, target in zip(queries, own, strict=True)]
    assert metrics.match_ranks(queries, candidates, own, block_rows=3).means.tolist() == expected


def test_group_means_weigh_each_group_alike_and_leave_out_nan() -> None:
    values, person = np.array([1.0, 0.0, 0.5, np.nan, np.nan]), np.array([0, 0, 1, 1, 2])
    means = metrics.group_means(values, person, 4)
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


def test_pairs_by_hand() -> None:
    values = np.array([[np.nan, 1, 0.5], [0.5, np.nan, 1], [0, 0.5, np.nan]])
    found = metrics.pairs_mean(values, 0.9)
    # both directions together: 0.75, 0.25, 0.75, so people deviate by -1/6, 1/3, -1/6 in the sum of their two pairs; each pair weighs 1/2 and all
    # six 3: variance 4 * 6 * (1/36 + 1/9 + 1/36) / 4 / 9; 2.88 is the t-quantile of two degrees of freedom
    assert (found.mean, found.people) == (pytest.approx(3.5 / 6), 3)
    assert found.high - found.mean == pytest.approx(2.8847 / 3, rel=1e-3)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_the_variance_is_the_jackknife_s() -> None:
    values = np.random.default_rng(0).random((9, 9))
    np.fill_diagonal(values, np.nan)
    without = np.array([np.nanmean(np.delete(np.delete(values, one, 0), one, 1)) for one in range(9)])
    found = metrics.pairs_mean(values, 0.9)
    assert found.mean == pytest.approx(np.nanmean(values))
    assert (found.high - found.mean) / metrics.t_quantile(0.95, 8) == pytest.approx((8 / 9 * ((without - without.mean()) ** 2).sum()) ** 0.5)


def test_people_of_separate_groups_count_alike_whatever_the_size_of_the_group() -> None:
    values = np.full((13, 13), np.nan)
    values[:3, :3], values[3:, 3:] = 1, 0
    assert metrics.pairs_mean(values, 0.9).mean == pytest.approx(3 / 13)


def test_pairs_of_two_people_have_no_interval_and_of_nobody_are_unknown() -> None:
    two = metrics.pairs_mean(np.array([[np.nan, 1, np.nan], [0.5, np.nan, np.nan], [np.nan] * 3]), 0.9)
    assert (two.mean, two.people) == (0.75, 2)
    assert np.isnan([two.low, two.high]).all()
    for nobody in (metrics.pairs_mean(np.full((2, 2), np.nan), 0.9), metrics.pairs_mean(np.zeros((0, 0)), 0.9)):
        assert np.isnan(nobody.mean)
        assert nobody.people == 0


@pytest.mark.parametrize(("freedom", "quantile"), [(2, 2.920), (4, 2.132), (9, 1.833), (30, 1.697), (1000, 1.646)])
def test_t_quantiles_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert metrics.t_quantile(0.95, freedom) == pytest.approx(quantile, abs=0.04 if freedom == 2 else 0.003)


def test_others_near_counts_other_people_once_and_takes_both_ends_in() -> None:
    place = np.array([0, 5, 5, 10, 11, 30])
    person = np.array([0, 1, 1, 0, 2, 1])
    slow = [len({person[b] for b in range(6) if abs(place[a] - place[b]) <= 5} - {person[a]}) for a in range(6)]
    assert metrics.others_near(place, person, 5).tolist() == slow == [1, 1, 1, 2, 1, 0]


@pytest.mark.parametrize("seed", range(5))
def test_others_near_equals_a_slow_version(seed: int) -> None:
    random = np.random.default_rng(seed)
    place, person = random.integers(0, 200, 60), random.integers(0, 9, 60)
    slow = [len({person[b] for b in range(60) if abs(place[a] - place[b]) <= 7} - {person[a]}) for a in range(60)]
    assert metrics.others_near(place, person, 7).tolist() == slow
