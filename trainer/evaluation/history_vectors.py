"""Histories as vectors whose dot products say how alike they are: an encoder's, its base's, and those that need no encoder.

Histories are read a block at a time and dropped; what is kept of each is its vectors, at D numbers of 4 bytes an encoder, and its distinct words and communities.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from scipy.sparse import csr_matrix, vstack
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from lake.encoder import Encoder
from trainer.evaluation.halves import History, community_counts

Matrix: TypeAlias = np.ndarray | csr_matrix
"""Vectors of N histories, shape (N, D), each of unit length or all 0."""
Key = TypeVar("Key", bound=Hashable)
COMMUNITIES, WORDS, UNIT_MEANS = "communities alone", "TF-IDF of the text", "mean of units, base"
HISTORIES_AT_ONCE = 256


@dataclass(frozen=True)
class ReadHistories(Generic[Key]):
    """What was read of N histories. `vectors`: (N, D) by the name of who made them; `words` counts (N, words) of the text that the encoders read."""

    keys: list[Key]
    vectors: dict[str, np.ndarray]
    words: csr_matrix
    communities: list[Counter[str]]

    def in_order(self) -> "ReadHistories[Key]":
        """The same in the order of the keys: in which order a table is read decides nothing."""
        order = np.array(sorted(range(len(self.keys)), key=lambda number: self.keys[number]), np.int64)  # type: ignore[arg-type, return-value]
        vectors = {name: vectors[order] for name, vectors in self.vectors.items()}
        return replace(
            self,
            keys=[self.keys[number] for number in order],
            vectors=vectors,
            words=self.words[order],
            communities=[self.communities[number] for number in order],
        )

    def rows(self, fitted_on: np.ndarray) -> dict[str, Matrix]:
        """Vectors of all histories by the name of the row that compares by them; how rare a word or a community is, these histories say (indexes)."""
        places = community_matrix(self.communities)
        return {
            **self.vectors,
            COMMUNITIES: TfidfTransformer().fit(places[fitted_on]).transform(places),
            WORDS: TfidfTransformer(sublinear_tf=True).fit(self.words[fitted_on]).transform(self.words),
        }


class HistoryVectors:
    """Vectors of texts of histories, each made once by an encoder: for several questions about the same pasts. It holds a vector and a hash of every text."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, bytes], np.ndarray] = {}

    def of(self, encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
        """Vectors (N, D)."""
        keys = [(encoder.version, hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()) for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._made}
        self._made.update(zip(new, encoder.encode_history_texts([*new.values()]), strict=True))
        return np.array([self._made[key] for key in keys])


def read_histories(
    histories: Iterable[tuple[Key, History]], tuned: Encoder, base: Encoder, shown: Callable[[History], History] | None = None, known: HistoryVectors | None = None
) -> ReadHistories[Key]:  # fmt: skip
    """Read histories once, in blocks: all see the text that the encoder reads, of the history itself or of what is `shown` of it (communities are counted anyway).

    Of what is shown the base reads each unit's own words by themselves too: the mean of such vectors is the usual base line of author representations. Vectors that are
    `known` are not made again, and those that are made are known from then on.
    """
    vectors_of = known.of if known else lambda encoder, texts: encoder.encode_history_texts(texts)
    keys: list[Key] = []
    communities: list[Counter[str]] = []
    counter = HashingVectorizer(alternate_sign=False, norm=None, dtype=np.float32)
    words = [csr_matrix((0, counter.n_features), dtype=np.float32)]
    vectors: dict[str, list[np.ndarray]] = {name: [] for name in ("tuned", "base", *([UNIT_MEANS] if shown else ()))}
    for block in _blocks(histories):
        read = [shown(history) if shown else history for _, history in block]
        texts = [tuned.history_text(history)[0] for history in read]
        keys += [key for key, _ in block]
        communities += [community_counts(history) for _, history in block]
        words.append(counter.transform(texts))
        vectors["tuned"].append(vectors_of(tuned, texts))
        vectors["base"].append(vectors["tuned"][-1] if base.version == tuned.version else vectors_of(base, texts))
        if shown:
            vectors[UNIT_MEANS].append(unit_means(base, read))
    return ReadHistories(
        keys, {name: np.concatenate(found) if found else np.zeros((0, 1)) for name, found in vectors.items()}, vstack(words, "csr"), communities
    )


def _blocks(histories: Iterable[tuple[Key, History]]) -> Iterator[list[tuple[Key, History]]]:
    left = iter(histories)
    while block := list(islice(left, HISTORIES_AT_ONCE)):
        yield block


def unit_means(encoder: Encoder, histories: Sequence[History]) -> np.ndarray:
    """Mean of the vectors of each history's own words, unit by unit, at unit length; shape (N, D). No history may be empty."""
    vectors = encoder.encode_texts([unit["text"] for history in histories for unit in history], "query")
    starts = np.cumsum([0, *map(len, histories)])[:-1]
    sums = np.add.reduceat(vectors, starts, axis=0)
    return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def community_matrix(communities: Sequence[Counter[str]]) -> csr_matrix:
    """Counts (N, communities)."""
    if not any(communities):
        return csr_matrix((len(communities), 1), dtype=np.float32)
    return DictVectorizer(dtype=np.float32).fit_transform(communities)


def dot(some: Matrix, others: Matrix) -> np.ndarray:
    """Dot products (N, M), dense, of vectors (N, D) and (M, D)."""
    products = some @ others.T
    return products if isinstance(products, np.ndarray) else products.toarray()
