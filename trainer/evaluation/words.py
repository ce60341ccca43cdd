"""Rows that compare words: BM25 and TF-IDF of the text of a history against the texts of the items.

Shape letters: B queries, A items, V words.
"""

import logging
from collections.abc import Iterator, Sequence

import numpy as np
from bm25s import BM25
from scipy.sparse import csc_array, csr_array
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from trainer.evaluation.scores import Scorer

WORD = r"(?u)\b\w+\b"


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
    """What each word adds to the score of an item for each time that it is asked for, (A, V), by how often items have it (A, V)."""
    logging.getLogger("bm25s").setLevel(logging.WARNING)  # importing it lets it say everything
    words = np.repeat(counts.indices, counts.data.astype(np.int64))
    ends = np.cumsum(counts.sum(axis=1)).astype(np.int64)
    index = BM25(k1=1.5, b=0.75, method="lucene")
    vocabulary = {number: number for number in range(counts.shape[1])}
    index.index(([part.tolist() for part in np.split(words, ends[:-1])], vocabulary), create_empty_token=False, show_progress=False)
    found = index.scores
    return csr_array(csc_array((found["data"], found["indices"], found["indptr"]), shape=counts.shape))


def _products(queries: csr_array, items: csr_array) -> Scorer:
    """Dot products of sparse vectors (B, V) and (A, V). A dense block of queries goes through the items, so that long histories cost what short ones do."""
    return lambda block: np.ascontiguousarray((items @ queries[block].toarray().T).T)
