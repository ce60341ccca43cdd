"""Who stands beside whom."""

import numpy as np
import pytest

from trainer.training.composition import composed_batches

DAY = 86_400_000_000


def people(count: int, communities: int, days: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, communities, count), generator.integers(0, days * DAY, count)


def near_pairs(batch: np.ndarray, communities: np.ndarray, times: np.ndarray, days: int) -> float:
    """Share of pairs of the batch that are of one community and within so many days."""
    same = communities[batch][:, None] == communities[batch][None, :]
    close = np.abs(times[batch][:, None] - times[batch][None, :]) <= days * DAY
    return float((same & close)[~np.eye(len(batch), dtype=bool)].mean())


@pytest.mark.parametrize(
    ("count", "batches", "near_share", "group"), [(320, 10, 0.5, 16), (321, 10, 1.0, 7), (5, 5, 0.5, 16), (33, 2, 0.0, 16), (3, 7, 0.5, 2)]
)
def test_everybody_comes_once_in_batches_of_nearly_equal_size(count: int, batches: int, near_share: float, group: int) -> None:
    communities, times = people(count, 4, 700)
    found = composed_batches(communities, times, batches, near_share, group, np.random.default_rng(3))
    assert len(found) == batches
    assert sorted(np.concatenate(found).tolist()) == list(range(count))
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_groups_are_of_one_community_and_near_in_time_and_the_rest_are_strangers() -> None:
    communities, times = people(3200, 4, 1500)
    by_share = {
        share: np.mean([near_pairs(batch, communities, times, 45) for batch in composed_batches(communities, times, 100, share, 16, np.random.default_rng(1))])
        for share in (0.0, 0.5, 1.0)
    }
    chance = 0.25 * 90 / 1500
    assert by_share[0.0] == pytest.approx(chance, abs=0.01)
    # 16 of 32 in one group: 15/31 of half of the pairs; two groups of 16: all pairs within a group
    assert by_share[0.5] == pytest.approx(15 / 31 / 2 + 0.75 * chance, abs=0.02)
    assert by_share[1.0] == pytest.approx(15 / 31, abs=0.02)


def test_groups_stand_first_and_hold_together_to_the_end_of_an_epoch() -> None:
    communities, times = people(3200, 4, 1500)
    found = composed_batches(communities, times, 100, 0.5, 16, np.random.default_rng(1))
    spans = [np.ptp(times[batch[:16]]) / DAY for batch in found]
    assert all(len(set(communities[batch[:16]])) == 1 for batch in found)
    assert max(spans) < 60
    assert np.median(spans) < 40


def test_where_communities_are_too_small_for_groups_strangers_take_their_places() -> None:
    communities, times = np.arange(64), np.arange(64)
    found = composed_batches(communities, times, 2, 0.5, 16, np.random.default_rng(0))
    assert sorted(np.concatenate(found).tolist()) == list(range(64))


def test_batches_depend_on_the_generator_alone() -> None:
    communities, times = people(100, 3, 100)
    one, same, other = (composed_batches(communities, times, 4, 0.5, 8, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_nobody_gives_empty_batches() -> None:
    nobody = np.zeros(0, np.int64)
    assert [len(batch) for batch in composed_batches(nobody, nobody, 3, 0.5, 16, np.random.default_rng(0))] == [0, 0, 0]
    assert composed_batches(np.arange(2), np.arange(2), 0, 0.5, 16, np.random.default_rng(0)) == []
