"""The exact nearest rows beside what an index finds."""

import numpy as np
import pytest

from serving.recall import BEST, ExactNearest


def unit_vectors(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 8))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("least", [0, 50, 95, 200])
def test_recall_is_the_share_of_the_exact_nearest_that_was_found(least: int) -> None:
    rows, queries = unit_vectors(100, 0), unit_vectors(5, 1)
    exact = ExactNearest(queries, f"n >= {least}", lambda row: bool(row["n"] >= least))
    for start in range(0, 100, 30):
        exact.add([{"n": number} for number in range(start, min(start + 30, 100))], rows[start : start + 30])
    left = max(0, 100 - least)
    assert exact.rows == left
    best = [sorted(scores, reverse=True)[:BEST] for scores in (queries @ rows[least:].T).tolist()]
    assert exact.recall(best) == 1
    if left:
        wanted = min(BEST, left)
        assert exact.recall([scores[1:] for scores in best]) == pytest.approx((wanted - 1) / wanted)
        assert exact.recall([[-1.0] * BEST] * 5) == 0
        assert exact.recall([[]] * 5) == 0


def test_equal_vectors_may_stand_for_each_other() -> None:
    exact = ExactNearest(unit_vectors(1, 2))
    exact.add([{}] * 40, unit_vectors(1, 2).repeat(40, axis=0))
    assert exact.recall([[1.0 - 1e-6] * BEST]) == 1
