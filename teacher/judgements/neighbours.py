"""The items nearest to units and histories, exactly, with a bounded part of all items' vectors in memory. Pure.

Shape letters: Q queries, N items of a block, D vector size.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
SCORES_AT_ONCE = 1 << 24


def nearest(queries: Vectors, blocks: Iterable[tuple[Sequence[int], Vectors]], count: int) -> NDArray[np.int64]:
    """The numbers of the `count` items (or of all, where there are fewer) nearest to each query, best first, (Q, count); of equal ones the least number first.

    `blocks` have numbers of items and their vectors (N, D); all vectors are of unit length.
    """
    numbers, scores = np.zeros((len(queries), 0), np.int64), np.zeros((len(queries), 0), np.float32)
    for of_block, vectors in blocks:
        at_once = max(1, SCORES_AT_ONCE // max(1, len(vectors)))
        found = [_best(queries[start : start + at_once] @ vectors.T, np.asarray(of_block, np.int64), count) for start in range(0, len(queries), at_once)]
        numbers = np.concatenate([numbers, *([np.concatenate([each for each, _ in found])] if found else [])], axis=1)
        scores = np.concatenate([scores, *([np.concatenate([each for _, each in found])] if found else [])], axis=1)
        numbers, scores = _ordered(numbers, scores, count)
    return numbers


def _best(scores: Vectors, numbers: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], Vectors]:
    """Of scores (Q, N) the best of each row with the numbers of their items, in any order."""
    if scores.shape[1] <= count:
        return np.broadcast_to(numbers, scores.shape), scores
    places = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    return numbers[places], np.take_along_axis(scores, places, axis=1)


def _ordered(numbers: NDArray[np.int64], scores: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
    order = np.lexsort((numbers, -scores), axis=1)[:, :count]
    return np.take_along_axis(numbers, order, axis=1), np.take_along_axis(scores, order, axis=1)
