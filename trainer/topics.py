"""Which labels are of some topics: broad ones, and all specific ones ever given beside one of them. Known by their words, at whatever level they stand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lake.examples import Topics, answer_key, is_of_topics
from lake.labels import LEVELS, normalised

Numbers = NDArray[np.int64]
NONE = -1


@dataclass(frozen=True)
class TopicLabels:
    """The labels of some topics: `broad`, normalised, sorted; `keys` (N,), ascending, the answer_keys of their words and of all specific labels ever given beside one of them; and how many
    broad labels there are in all."""

    broad: Sequence[str]
    keys: Numbers
    broad_in_all: int


def topic_labels(batches: Iterable[pa.RecordBatch], topics: Topics) -> TopicLabels:
    """The labels of these topics among rows of `specific` and `broad`, in any order."""
    known: dict[str, bool] = {}
    keys: set[int] = set()
    for batch in batches:
        of_topics = []
        for text in pc.unique(batch["broad"]).to_pylist():
            if known.setdefault(normalised(text), is_of_topics(text, topics)):
                of_topics.append(text)
        beside = batch["specific"].filter(pc.is_in(batch["broad"], value_set=pa.array(of_topics, pa.string())))
        keys.update(map(answer_key, [*of_topics, *pc.unique(beside).to_pylist()]))
    return TopicLabels(sorted(name for name, is_one in known.items() if is_one), np.array(sorted(keys), np.int64), len(known))


def are_of_topics(labels: pa.Table, keys: Numbers) -> NDArray[np.bool_]:
    """Whether one of the two labels of each row of `specific` and `broad` is among the keys, (N,)."""
    return np.logical_or(*(np.isin(text_keys(labels[level].combine_chunks()), keys) for level in LEVELS))


def text_keys(texts: pa.Array) -> Numbers:
    """The `answer_key` of each text, (N,); -1 for null."""
    encoded = texts.dictionary_encode()
    keys = np.array([answer_key(text) for text in encoded.dictionary.to_pylist()] or [0], np.int64)
    numbers = encoded.indices.cast(pa.int64()).fill_null(NONE).to_numpy(zero_copy_only=False)
    return np.where(numbers == NONE, NONE, keys[numbers])
