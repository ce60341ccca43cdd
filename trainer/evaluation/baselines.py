"""What an encoder must beat: lists and means that need no training. Each gives scores as an encoder does."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lake.examples import Kind
from trainer.evaluation.questions import Questions
from trainer.evaluation.scores import Scorer


def label_counts(cuts_of_people: Iterable[Sequence[Mapping[str, Any]]], questions: Questions) -> dict[Kind, np.ndarray]:
    """How often each item (A,) is a label in the past of the last cut of these people; the people asked must not be among them."""
    counts = {level: np.zeros(len(answers.item_ids)) for level, answers in questions.levels.items()}
    positions = {level: {item_id: index for index, item_id in enumerate(answers.item_ids)} for level, answers in questions.levels.items()}
    for cuts in cuts_of_people:
        last = max(cuts, key=lambda cut: cut["history_length"])
        for positive in last["positives"]:
            index = positions[positive["level"]].get(positive["item_id"])
            if positive["where"] == "inside" and index is not None:
                counts[positive["level"]][index] += 1
    return counts


def most_popular(counts: np.ndarray) -> Scorer:
    """The same list for everybody: the counts (A,) themselves."""
    return lambda block: np.broadcast_to(counts, (block.stop - block.start, len(counts)))


def own_repeats(pasts: Sequence[np.ndarray], counts: np.ndarray) -> Scorer:
    """What the person did most often in the past; then, and among equals, the most popular."""
    popularity = counts / (counts.max(initial=0) + 1)
    return lambda block: np.stack([np.bincount(past, minlength=len(popularity)) + popularity for past in pasts[block]])


def newest_labels(pasts: Sequence[np.ndarray], vectors: np.ndarray, newest: int) -> Scorer:
    """Nearness to the mean vector of the person's `newest` last labels of the level; the same for all items where there is none.

    `vectors` (A, D) are the items'.
    """

    def scores(block: slice) -> np.ndarray:
        means = [vectors[past[-newest:]].mean(axis=0) if len(past) else np.zeros(vectors.shape[1], vectors.dtype) for past in pasts[block]]
        return np.stack(means) @ vectors.T

    return scores
