"""Rows that compare words: BM25 and TF-IDF of the text of a history against the texts of the items.

Shape letters: B queries, A items, V words.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from trainer.evaluation.scores import Scorer

WORD = r"(?u)\b\w+\b"
BM25_K1, BM25_B = 1.5, 0.75


def word_rows(histories: Sequence[str], items: Sequence[str]) -> Iterator[tuple[str, Scorer]]:
    """Name and scores of BM25 (Lucene's, k1 1.5, b 0.75) and of the cosine of TF-IDF; none where no item has a word. A word of a history counts as often as it comes."""
    analyse = CountVectorizer(token_pattern=WORD).build_analyzer()
    if not any(map(analyse, items)):
        return
    vectorizer = CountVectorizer(token_pattern=WORD, dtype=np.float32)
    of_items = csr_array(vectorizer.fit_transform(items))
    of_histories = csr_array(vectorizer.transform(histories))
    yield "BM25", _products(of_histories, bm25_weights(of_items))
    tf_idf = TfidfTransformer().fit(of_items)
    yield "TF-IDF", _products(csr_array(tf_idf.transform(of_histories)), csr_array(tf_idf.transform(of_items)))


def bm25_weights(counts: csr_array) -> csr_array:
    """What each word adds to the score of an item for each time that it is asked for, (A, V), by how often items have it (A, V).

    Lucene's variant. Source: Kamphuis et al. 2020, https://doi.org/10.1007/978-3-030-45442-5_4, table 1. (bm25s would give the same, and brings numba, beside which vLLM 0.32 does not start
    in one process.)
    """
    counts = csr_array(counts, dtype=np.float64)
    lengths, held_by = counts.sum(axis=1), np.bincount(counts.indices, minlength=counts.shape[1])
    rarity = np.log1p((counts.shape[0] - held_by + 0.5) / (held_by + 0.5))
    item = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    saturated = counts.data / (counts.data + BM25_K1 * (1 - BM25_B + BM25_B * lengths[item] / lengths.mean()))
    weights = (rarity[counts.indices] * saturated).astype(np.float32)  # scores of a block have the type of these
    return csr_array((weights, counts.indices, counts.indptr), shape=counts.shape)


def _products(queries: csr_array, items: csr_array) -> Scorer:
    """Dot products of sparse vectors (B, V) and (A, V). A dense block of queries goes through the items, so that long histories cost what short ones do."""
    return lambda block: np.ascontiguousarray((items @ queries[block].toarray().T).T)
