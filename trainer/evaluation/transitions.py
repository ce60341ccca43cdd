"""A graph of what follows what: the next label, given the last one or two, by how often it was so with other people.

Shape letters: A items, B queries, M pairs of labels that were followed by a third.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from trainer.evaluation.scores import Scorer

SMOOTHING = 1.0
"""Observations that what is known without the label before weighs as much as."""


@dataclass(frozen=True)
class TransitionGraph:
    """`popularity` (A,): the share of each item. `after_one` (A, A): how often an item (column) follows another (row). `after_two` (M, A): how often it
    follows two, whose number, the first times A plus the second, stands in `pairs` (M,), ascending."""

    popularity: np.ndarray
    after_one: csr_array
    pairs: np.ndarray
    after_two: csr_array


def transition_graph(pasts: Sequence[np.ndarray], counts: np.ndarray) -> TransitionGraph:
    """The graph of the labels of people, each in time; `counts` (A,) say how often each item is one of them."""
    items = len(counts)
    label = np.concatenate([np.zeros(0, np.int64), *pasts]).astype(np.int64)
    person = np.repeat(np.arange(len(pasts)), [len(past) for past in pasts])
    follows, follows_two = person[1:] == person[:-1], person[2:] == person[:-2]
    pair = (label[:-2] * items + label[1:-1])[follows_two]
    pairs, number = np.unique(pair, return_inverse=True)
    return TransitionGraph(
        popularity=(counts / max(1, counts.sum())).astype(np.float32),
        after_one=_counted(label[:-1][follows], label[1:][follows], (items, items)),
        pairs=pairs,
        after_two=_counted(number, label[2:][follows_two], (len(pairs), items)),
    )


def _counted(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> csr_array:
    return csr_array((np.ones(len(row), np.float32), (row, column)), shape=shape)


def next_label(graph: TransitionGraph, pasts: Sequence[np.ndarray]) -> Scorer:
    """The chance of each item to be the next label: by what followed the last two labels, smoothed by what followed the last, smoothed by popularity.

    What is counted n times as a continuation of m gets (n + SMOOTHING * p) / (m + SMOOTHING), where p is its chance by one label less. Source: MacKay and Peto 1995.
    """

    def scores(block: slice) -> np.ndarray:
        chances = np.tile(graph.popularity, (block.stop - block.start, 1))
        for chance, past in zip(chances, pasts[block], strict=True):
            if len(past):
                _add_evidence(chance, graph.after_one, int(past[-1]))
            if len(past) > 1 and (known := _pair(graph, int(past[-2]) * len(chance) + int(past[-1]))) is not None:
                _add_evidence(chance, graph.after_two, known)
        return chances

    return scores


def _pair(graph: TransitionGraph, wanted: int) -> int | None:
    place = int(np.searchsorted(graph.pairs, wanted))
    return place if place < len(graph.pairs) and graph.pairs[place] == wanted else None


def _add_evidence(chance: np.ndarray, follows: csr_array, row: int) -> None:
    found = slice(follows.indptr[row], follows.indptr[row + 1])
    observed = follows.data[found]
    total = observed.sum() + SMOOTHING
    chance *= SMOOTHING / total
    chance[follows.indices[found]] += observed / total
