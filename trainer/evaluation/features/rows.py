"""What the head is given: an encoder's vectors, and what an expert would set beside them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from trainer.evaluation.features.head import Head, logistic_scores, network_scores
from trainer.evaluation.features.targets import Month
from trainer.evaluation.history_vectors import COMMUNITIES, ReadHistories, community_matrix

RANDOM, ACTIVITY, ORACLE = "random vector", "activity", "text oracle"
WITH_ACTIVITY = "activity + tuned"
WORDS_SIZE, MOST_COMMUNITIES = 128, 256
REDUCED = f"TF-IDF, reduced to {WORDS_SIZE}"


@dataclass(frozen=True)
class Row:
    """What stands for P people, (P, D), and the head that guesses by it."""

    inputs: Any
    head: Head = network_scores


def behaviour_rows(read: ReadHistories[str], months: Sequence[Month], seed: int) -> dict[str, Row]:
    """By name, all rows of the tasks of a month; everybody in the order in which they were read."""
    activity = np.array([month.activity for month in months], np.float32)
    as_many = np.tile(activity, max(1, read.vectors["tuned"].shape[1] // activity.shape[1]))  # a few numbers among hundreds would hardly be heard
    inputs = {
        **read.vectors,
        RANDOM: random_vectors(read.vectors["tuned"], seed),
        ACTIVITY: activity,
        WITH_ACTIVITY: np.hstack([as_many, read.vectors["tuned"]]),
        COMMUNITIES: damped_counts(read.communities),
        REDUCED: reduced_words(read.words, seed),
    }
    return {name: Row(each) for name, each in inputs.items()}


def attribute_rows(vectors: dict[str, np.ndarray], own_words: csr_matrix, seed: int) -> dict[str, Row]:
    """By name, the rows of what a vector gives away: the encoders', one that knows nothing, and who reads counts (P, words) of everything that people wrote themselves."""
    rows = {name: Row(each) for name, each in (vectors | {RANDOM: random_vectors(vectors["tuned"], seed)}).items()}
    return rows | {ORACLE: Row(TfidfTransformer(sublinear_tf=True).fit_transform(_shared(own_words)), logistic_scores)}


def random_vectors(like: np.ndarray, seed: int) -> np.ndarray:
    """As many and as long as these (P, D), the same for the same seed."""
    return np.random.default_rng(seed).standard_normal(like.shape).astype(np.float32)


def damped_counts(communities: Sequence[Counter[str]]) -> np.ndarray:
    """log(1 + units) (P, places) in each of the MOST_COMMUNITIES in which most people are."""
    counts = community_matrix(communities)
    most = np.sort(np.argsort(-np.bincount(counts.indices, minlength=counts.shape[1]), kind="stable")[:MOST_COMMUNITIES])
    return np.log1p(counts[:, most].toarray())


def reduced_words(words: csr_matrix, seed: int) -> np.ndarray:
    """TF-IDF of counts (P, words) along its WORDS_SIZE strongest directions, or as many as there are people for."""
    used = _shared(words)
    size = min(WORDS_SIZE, min(used.shape) - 1)
    if size < 1:
        return np.zeros((len(words.indptr) - 1, 1), np.float32)
    return TruncatedSVD(size, random_state=seed).fit_transform(TfidfTransformer(sublinear_tf=True).fit_transform(used)).astype(np.float32)


def _shared(words: csr_matrix) -> csr_matrix:
    """Counts (P, shared) of the words that two people or more have."""
    return words[:, np.flatnonzero(np.bincount(words.indices, minlength=words.shape[1]) > 1)]
