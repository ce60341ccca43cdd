"""Which negatives are false: what each answer of a step is to each of its queries, as pairs.

An answer is a number that says its words and its kind: the key of the words (`lake.examples.answer_key`) times KIND_PLACES, plus the place of the
kind in KINDS. So processes that read different people agree on what an answer is without a list of all answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lake.examples import KINDS

Numbers = NDArray[np.int64]

NEGATIVE, POSITIVE, MASKED = 0, 1, 2
KIND_PLACES = 4
assert len(KINDS) <= KIND_PLACES


@dataclass(frozen=True)
class Pairs:
    """N pairs of a query and an answer: `queries` (N,) and `answers` (N,) are places in the step, ascending by query, then answer; no pair stands twice."""

    queries: Numbers
    answers: Numbers


@dataclass(frozen=True)
class Relation:
    """What each of A answers is to each of B queries: a positive, masked, or, where it is neither, a negative."""

    shape: tuple[int, int]
    positive: Pairs
    masked: Pairs

    def dense(self) -> NDArray[np.int8]:
        """POSITIVE, NEGATIVE or MASKED, shape (B, A)."""
        found = np.full(self.shape, NEGATIVE, np.int8)
        found[self.masked.queries, self.masked.answers] = MASKED
        found[self.positive.queries, self.positive.answers] = POSITIVE
        return found


def answer_numbers(keys: Numbers, kind: int) -> Numbers:
    """Answers of one kind with these words."""
    return np.asarray(keys, np.int64) * KIND_PLACES + kind


def keys_of(answers: Numbers) -> Numbers:
    """The words of each answer."""
    return np.asarray(answers) // KIND_PLACES


def kinds_of(answers: Numbers) -> Numbers:
    """The kind of each answer, as its place in KINDS."""
    return np.asarray(answers) % KIND_PLACES


def relation(positives: Sequence[Numbers], done: Sequence[Numbers], answers: Numbers) -> Relation:
    """What each of the answers (A,), distinct and ascending, is to each query.

    `positives` and `done` hold, a query, the answers chosen for it and the keys of all words that its person ever did or entered, at any kind.
    Masked are those words and the words of the query's own positives wherever they are not a positive: the same words at another kind are no negative.
    """
    positive = _pairs(positives, answers)
    of_words = _pairs([np.union1d(did, keys_of(own)) for did, own in zip(done, positives, strict=True)], keys_of(answers))
    is_positive = np.isin(of_words.queries * len(answers) + of_words.answers, positive.queries * len(answers) + positive.answers)
    return Relation((len(positives), len(answers)), positive, Pairs(of_words.queries[~is_positive], of_words.answers[~is_positive]))


def _pairs(sets: Sequence[Numbers], candidates: Numbers) -> Pairs:
    """Each set with each candidate that is in it. A candidate may stand several times."""
    order = np.argsort(candidates, kind="stable")
    ascending = candidates[order]
    owners = np.repeat(np.arange(len(sets)), [len(each) for each in sets])
    members = np.concatenate([np.zeros(0, np.int64), *sets])
    first, end = np.searchsorted(ascending, members, "left"), np.searchsorted(ascending, members, "right")
    counts = end - first
    places = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    found = np.unique(np.repeat(owners, counts) * max(1, len(candidates)) + order[places])
    return Pairs(found // max(1, len(candidates)), found % max(1, len(candidates)))
