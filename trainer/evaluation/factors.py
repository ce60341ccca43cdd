"""Collaborative filtering: factors of people and items out of who has which label, and nothing of what a label says (edge of `implicit`)."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from trainer.evaluation.baselines import label_matrix
from trainer.evaluation.scores import Scorer, vector_scorer

FACTORS, REGULARIZATION, CONFIDENCE = 64, 0.01, 40.0
"""Not tuned. Confidence is what a label weighs more than its absence, as in the source."""


def folded_in(training: Sequence[np.ndarray], pasts: Sequence[np.ndarray], items: int, seed: int, size: int = FACTORS) -> Scorer:
    """Implicit alternating least squares, `size` factors, on the labels of people, the pasts of others folded in with the items' factors as they are.

    An item that nobody of the training has, and a past without labels that somebody there has, say nothing: all its scores are 0. Source: Hu, Koren and
    Volinsky 2008.
    """
    known = np.unique(np.concatenate([np.zeros(0, np.int32), *training]))
    factors, users = np.zeros((items, size), np.float32), np.zeros((len(pasts), size), np.float32)
    if len(known):
        from implicit.als import AlternatingLeastSquares

        counts, asked = (csr_matrix(label_matrix(each, [np.ones(len(past)) for past in each], items)[:, known]) for each in (training, pasts))
        with threadpool_limits(1, "blas"):  # the library has threads of its own
            model = AlternatingLeastSquares(size, REGULARIZATION, CONFIDENCE, random_state=seed)
            model.fit(counts, show_progress=False)
            users = model.recalculate_user(np.arange(len(pasts)), asked)
        factors[known] = model.item_factors
    return vector_scorer(users, factors)
