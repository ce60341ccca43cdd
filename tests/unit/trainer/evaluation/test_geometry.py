"""Shape of a space against figures worked out by hand."""

import math
from itertools import combinations

import numpy as np
import pytest

from trainer.evaluation.geometry import (
    ByteVectors,
    CutVectors,
    cut,
    nearest_others,
    occurrence_skew,
    overlap_of_best,
    potentials,
    squared_distances,
    uniformity,
)

CORNERS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)


def unit_vectors(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_alignment_is_the_squared_distance_of_each_pair() -> None:
    pairs = np.array([0, 0, 0, 3]), np.array([0, 1, 2, 3])
    assert squared_distances(CORNERS, CORNERS, pairs) == pytest.approx([0, 2, 4, 0])
    many = np.arange(3000) % 4, (np.arange(3000) + 1) % 4
    assert squared_distances(CORNERS, CORNERS, many) == pytest.approx(np.full(3000, 2)), "blocks end where they should"


def test_uniformity_counts_each_pair_of_different_vectors_once() -> None:
    assert uniformity(np.tile(CORNERS[:1], (5, 1))) == pytest.approx(0)
    assert uniformity(CORNERS[[0, 2]]) == pytest.approx(-8)
    of_corners = math.log((8 * math.exp(-4) + 4 * math.exp(-8)) / 12)  # each has two neighbours at distance 2 (squared), and one opposite
    assert uniformity(CORNERS) == pytest.approx(of_corners, rel=1e-6)
    many = unit_vectors(1500, 3)
    slow = np.mean([math.exp(-2 * float(((many[i] - many[j]) ** 2).sum())) for i, j in combinations(range(0, 1500, 15), 2)])
    assert uniformity(many[::15]) == pytest.approx(math.log(slow), rel=1e-4)
    whole = potentials(many, many)
    np.fill_diagonal(whole, 0)
    assert uniformity(many) == pytest.approx(math.log(whole.sum(dtype=float) / (1500 * 1499)), rel=1e-5), "blocks leave out each vector itself"
    assert math.isnan(uniformity(CORNERS[:1]))


def test_a_hub_skews_the_occurrence_and_an_even_spread_does_not() -> None:
    hub = np.zeros((9, 1), np.int64)  # one of ten is everybody's neighbour: counts 9, 0, ..., 0
    counts = np.array([9] + [0] * 9)
    assert occurrence_skew(hub, 10) == pytest.approx((((counts - 0.9) / counts.std()) ** 3).mean())
    assert occurrence_skew(hub, 10) == pytest.approx(8 / 3)
    assert occurrence_skew(np.array([[0], [0], [1], [1], [1], [1], [2], [2], [2], [2], [2], [2]]), 3) == pytest.approx(0)
    assert math.isnan(occurrence_skew(np.array([[1], [2], [0]]), 3))
    assert occurrence_skew(np.array([[0, -1], [0, -1]]), 10) == pytest.approx(8 / 3), "-1 is nobody"


def test_nearest_others_leave_oneself_out() -> None:
    angles = np.deg2rad([0, 1, 3, 90, 92])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert nearest_others(vectors, 1).ravel().tolist() == [1, 0, 1, 4, 3]
    assert sorted(nearest_others(vectors, 10)[0]) == [1, 2, 3, 4]
    assert nearest_others(vectors[:1], 10).shape == (1, 0)
    many = unit_vectors(1100, 4)
    scores = many @ many.T
    np.fill_diagonal(scores, -2)
    assert (np.sort(nearest_others(many, 3)) == np.sort(np.argsort(-scores, axis=1)[:, :3])).all()


def test_cut_vectors_have_unit_length_again() -> None:
    assert cut(np.array([[3, 4, 12], [0, 0, 1]], np.float32) / 13, 2) == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))
    items, queries = unit_vectors(50, 8), unit_vectors(6, 8, seed=1)
    assert CutVectors.of(items, 4).scores(queries) == pytest.approx(cut(queries, 4) @ cut(items, 4).T, abs=1e-6)
    assert CutVectors.of(items, 8).scores(queries) == pytest.approx(queries @ items.T, abs=1e-6)


def test_bytes_of_known_vectors() -> None:
    items, queries = np.array([[0.6, 0.8], [0.8, -0.6], [1, 0]], np.float32), np.array([[0, 1]], np.float32)
    stored = ByteVectors.of(items, 2, queries)
    assert stored.scale == pytest.approx(np.array([1, 1]) / 127), "the query's 1 is the largest of the second dimension"
    assert stored.codes.tolist() == [[76, 102], [102, -76], [127, 0]]
    assert stored.scores(queries).tolist() == [pytest.approx([102 / 127, -76 / 127, 0])]
    many, asking = unit_vectors(300, 32), unit_vectors(5, 32, seed=1)
    assert ByteVectors.of(many, 32, asking).scores(asking) == pytest.approx(asking @ many.T, abs=0.02)
    assert ByteVectors.of(many, 8, asking).scores(asking) == pytest.approx(cut(asking, 8) @ cut(many, 8).T, abs=0.03)


def test_overlap_counts_items_wherever_they_stand() -> None:
    whole = np.array([[4, 2, 7, -1], [1, 2, -1, -1], [-1, -1, -1, -1]])
    other = np.array([[7, 9, 4, -1], [-1, -1, -1, -1], [1, 2, 3, 4]])
    assert overlap_of_best(other, whole) == pytest.approx([2 / 3, 0, math.nan], nan_ok=True)
