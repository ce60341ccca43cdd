"""What an encoder must beat: popularity, one's own repeats, and means of one's own labels. They need no training, and give scores as an encoder does."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from lake.examples import Kind
from trainer.evaluation.questions import Questions
from trainer.evaluation.scores import SECONDS_A_DAY, Scorer, vector_scorer


def pasts_of(cuts_of_people: Iterable[Sequence[Mapping[str, Any]]], questions: Questions) -> dict[Kind, list[np.ndarray]]:
    """Each person's labels in the past of the last cut that asks for labels, in time, as indexes into the items of the questions, by level; the people asked must not be among them.

    People without any are left out. A cut for titles alone knows no label, however late it is.
    """
    pasts: dict[Kind, list[np.ndarray]] = {level: [] for level in questions.levels}
    positions = {level: {item_id: index for index, item_id in enumerate(answers.item_ids)} for level, answers in questions.levels.items()}
    for cuts in cuts_of_people:
        last = max((cut for cut in cuts if cut["positives"]), key=lambda cut: cut["history_length"], default=None)
        inside = [positive for positive in last["positives"] if positive["where"] == "inside"] if last else []
        for level, position in positions.items():
            found = (position.get(positive["item_id"]) for positive in inside if positive["level"] == level)
            if past := [index for index in found if index is not None]:
                pasts[level].append(np.array(past, np.int32))
    return pasts


def label_counts(pasts: Sequence[np.ndarray], items: int) -> np.ndarray:
    """How often each item (A,) is a label in these pasts."""
    return np.bincount(np.concatenate([np.zeros(0, np.int32), *pasts]), minlength=items).astype(np.float32)


def label_matrix(pasts: Sequence[np.ndarray], weights: Sequence[np.ndarray], items: int) -> csr_array:
    """Pasts as rows of a sparse matrix (B, A): at each item the sum of what its labels weigh."""
    ends = np.cumsum([0, *map(len, pasts)])
    empty = np.zeros(0, np.int32)
    matrix = csr_array((np.concatenate([empty, *weights]).astype(np.float32), np.concatenate([empty, *pasts]), ends), shape=(len(pasts), items))
    matrix.sum_duplicates()
    return matrix


def most_popular(counts: np.ndarray) -> Scorer:
    """The same list for everybody: the counts (A,) themselves."""
    return lambda block: np.broadcast_to(counts, (block.stop - block.start, len(counts)))


def with_popularity(scorer: Scorer, counts: np.ndarray, weight: float) -> Scorer:
    """Scores of an encoder, and how often each item comes, `counts` (A,), one more added for those that never came: what is likeliest for this person.

    A loss that leaves popularity out makes a cosine, over its temperature, the logarithm of how much likelier an item is for this person than for anybody; with that of the
    item's count it is, up to a constant, that of the chance itself: then the temperature is the weight. Source: Menon et al. 2021, https://arxiv.org/abs/2007.07314 (logit adjustment, undone).
    """
    popularity = (weight * np.log(counts + 1)).astype(np.float32)
    return lambda block: scorer(block) + popularity


def own_repeats(pasts: Sequence[np.ndarray], counts: np.ndarray) -> Scorer:
    """What the person did most often in the past; then, and among equals, the most popular."""
    popularity = counts / (counts.max(initial=0) + 1)
    return lambda block: np.stack([np.bincount(past, minlength=len(popularity)) + popularity for past in pasts[block]])


def newest_labels(pasts: Sequence[np.ndarray], vectors: np.ndarray, newest: int | None) -> Scorer:
    """Nearness to the mean vector of the person's `newest` last labels of the level, None: of all; the same for all items where there is none.

    `vectors` (A, D) are the items'.
    """
    taken = [past if newest is None else past[-newest:] for past in pasts]
    return _mean_vectors(taken, [np.full(len(past), 1 / max(1, len(past))) for past in taken], vectors)


def decayed_labels(pasts: Sequence[np.ndarray], times: Sequence[np.ndarray], vectors: np.ndarray, half_life_days: float) -> Scorer:
    """Nearness to the mean vector of all the person's labels of the level, of which one weighs half of what one weighs that was so many days later.

    `times` are those of `pasts`, in seconds; `vectors` (A, D) are the items'.
    """
    weights = [0.5 ** ((time.max(initial=0) - time) / SECONDS_A_DAY / half_life_days) for time in times]
    return _mean_vectors(pasts, [weight / max(1, weight.sum()) for weight in weights], vectors)


def _mean_vectors(pasts: Sequence[np.ndarray], weights: Sequence[np.ndarray], vectors: np.ndarray) -> Scorer:
    return vector_scorer(label_matrix(pasts, weights, len(vectors)) @ vectors, vectors)
