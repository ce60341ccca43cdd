"""Which negatives are false: the relation of each query of a batch to each answer of it. Items are numbers from 0 to N - 1 here."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

NEGATIVE, POSITIVE, MASKED = 0, 1, 2


def relation(positives: Sequence[Numbers], done: Sequence[Numbers], answers: Numbers, words: Numbers) -> NDArray[np.int8]:
    """What each answer is to each query: POSITIVE, NEGATIVE or MASKED, shape (B, A).

    `positives` and `done` hold, a query, the items chosen as its positives and all items that its person ever did; `answers` (A,) are distinct
    items; `words` (N,) numbers the text of each item, so that the same text at both levels has the same number. MASKED is what the person did, and its
    twin at the other level. A broad label and the specific ones below it never meet: the loss contrasts each level by itself.
    """
    positive = _members(positives, answers, len(words))
    word_count = int(words.max(initial=-1)) + 1
    did = _members([words[each] for each in done], words[answers], word_count)
    did |= _members([words[each] for each in positives], words[answers], word_count)
    return np.where(positive, POSITIVE, np.where(did, MASKED, NEGATIVE)).astype(np.int8)


def _members(sets: Sequence[Numbers], candidates: Numbers, size: int) -> NDArray[np.bool_]:
    """Whether each candidate is in each set, shape (sets, candidates); all numbers lie below `size`."""
    if not sets:
        return np.zeros((0, len(candidates)), bool)
    owners = np.repeat(np.arange(len(sets)), [len(each) for each in sets])
    keys = np.sort(owners * size + np.concatenate(sets).astype(np.int64))
    return _contains(keys, np.arange(len(sets))[:, None] * size + candidates[None, :])


def _contains(sorted_keys: Numbers, keys: Numbers) -> NDArray[np.bool_]:
    if not len(sorted_keys):
        return np.zeros(keys.shape, bool)
    at = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return np.asarray(sorted_keys[at] == keys)
