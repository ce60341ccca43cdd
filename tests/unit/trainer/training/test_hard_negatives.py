"""Which answers of other steps are hard negatives of a query, and the pool that they come from."""

from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from lake.examples import KINDS
from trainer.training.masks import KIND_PLACES, Pairs, Relation, answer_numbers, kinds_of
from trainer.training.mining import nearest_below, score_limits
from trainer.training.pool import AnswerPool

NONE = np.zeros(0, np.int64)


def unit_vectors(count: int, size: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(count, size, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_the_limit_is_a_share_of_the_best_positive_of_the_kind() -> None:
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    answers = torch.tensor([[0.6, 0.8], [0.8, 0.6], [-0.6, -0.8]])
    of_step = Relation((2, 3), Pairs(np.array([0, 0, 1]), np.array([0, 1, 2])), Pairs(NONE, NONE))
    limits = score_limits(queries, answers, of_step, np.array([0, 0, 2]), 0.95)
    assert limits[0] == pytest.approx([0.95 * 0.8, -np.inf, -np.inf, -np.inf])
    assert limits[1] == pytest.approx([-np.inf, -np.inf, -0.8 - 0.05 * 0.8, -np.inf])


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 3, 50])
def test_what_is_mined_is_the_nearest_below_the_limit_that_nobody_knows(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    scores, kinds = generator.normal(size=(5, 20)), generator.integers(0, 2, 20)
    limits = np.where(generator.random((5, KIND_PLACES)) < 0.3, -np.inf, generator.normal(size=(5, KIND_PLACES)))
    is_known = generator.random((5, 20)) < 0.2
    expected: set[int] = set()
    pairs = looked_at = too_near = 0
    for query in range(5):
        for kind in (0, 1):
            if np.isfinite(limits[query, kind]):
                ranked = sorted((place for place in range(20) if kinds[place] == kind and not is_known[query, place]), key=lambda place: -scores[query, place])
                below = [place for place in ranked if scores[query, place] < limits[query, kind]][:count]
                expected |= set(below)
                pairs += len(below)
                looked_at += len(ranked[:count])
                too_near += sum(scores[query, place] >= limits[query, kind] for place in ranked[:count])
    found = nearest_below(torch.from_numpy(scores), limits, is_known, kinds, count)
    assert (found.places.tolist(), found.pairs, found.looked_at, found.too_near) == (sorted(expected), pairs, looked_at, too_near)


@pytest.mark.parametrize("shape", [(0, 7), (3, 0)])
def test_nobody_finds_nothing(shape: tuple[int, int]) -> None:
    found = nearest_below(torch.zeros(shape), np.zeros((shape[0], KIND_PLACES)), np.zeros(shape, bool), np.zeros(shape[1], np.int64), 2)
    assert (found.places.tolist(), found.pairs) == ([], 0)


def filled(size: int, steps: list[list[tuple[int, int, str]]]) -> AnswerPool:
    """A pool after steps of answers (key, kind, words), each with a vector of its own."""
    pool = AnswerPool(size, 4, Accelerator(cpu=True))
    for seed, step in enumerate(steps):
        numbers = np.array([int(answer_numbers(np.array(key), kind)) for key, kind, _ in step], np.int64)
        pool.put(
            numbers, np.zeros(len(step), np.int64), unit_vectors(len(step), 4, seed), dict(zip(numbers.tolist(), (words for _, _, words in step), strict=True))
        )
    return pool


def test_the_newest_of_each_kind_stay_and_what_is_seen_again_is_new() -> None:
    pool = filled(2, [[(1, 0, "a"), (2, 0, "b"), (1, 2, "t")], [(3, 0, "c"), (1, 0, "A")]])
    assert [pool.words[number] for number in pool.numbers.tolist()] == ["t", "c", "A"]
    assert [KINDS[kind] for kind in kinds_of(pool.numbers)] == ["title", "specific", "specific"]
    assert torch.equal(pool.vectors, torch.cat([unit_vectors(3, 4, 0)[2:], unit_vectors(2, 4, 1)]))


def test_words_are_held_by_their_holder_alone() -> None:
    pool = AnswerPool(9, 4, Accelerator(cpu=True))
    pool.put(np.array([4, 8]), np.array([0, 1]), unit_vectors(2, 4, 0), {4: "own", 8: "held by another process too"})
    assert pool.words == {4: "own"}
    assert pool.numbers.tolist() == [4, 8]


def test_a_pool_goes_on_from_its_state() -> None:
    pool = filled(5, [[(1, 0, "caf\u00e9 \ud83d"), (2, 0, "b")], [(3, 1, "c")]])
    again = AnswerPool(5, 4, Accelerator(cpu=True))
    again.set_state(pool.state(), pool.own_words())
    assert again.words == pool.words
    state: dict[str, Any] = again.state()
    assert all(np.array_equal(state[name], array) for name, array in pool.state().items())
    assert state.keys() == pool.state().keys()
