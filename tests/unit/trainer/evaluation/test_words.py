"""BM25 and TF-IDF against their formulas, word by word."""

import math
from collections import Counter

import numpy as np
import pytest

from trainer.evaluation.words import word_rows

ITEMS = ["Brewing green tea", "Tea, tea, tea!", "Chess openings for a club of five", "x", "..."]
HISTORIES = ["green TEA and tea", "a chess club", "", "words that no item has: zzz"]


def words(text: str) -> list[str]:
    return [word for word in (part.strip(".,!:").lower() for part in text.split()) if word]


def bm25(history: str, item: str) -> float:
    """Lucene's BM25, each word of the history as often as it comes."""
    length, mean_length, score = len(words(item)), np.mean([len(words(each)) for each in ITEMS]), 0.0
    for word in words(history):
        having, count = sum(word in words(each) for each in ITEMS), words(item).count(word)
        if having:
            score += math.log(1 + (len(ITEMS) - having + 0.5) / (having + 0.5)) * count / (count + 1.5 * (1 - 0.75 + 0.75 * length / mean_length))
    return score


def tf_idf(text: str) -> np.ndarray:
    vocabulary = sorted({word for item in ITEMS for word in words(item)})
    weight = {word: 1 + math.log((1 + len(ITEMS)) / (1 + sum(word in words(item) for item in ITEMS))) for word in vocabulary}
    counts = Counter(words(text))
    vector = np.array([counts[word] * weight[word] for word in vocabulary])
    return vector / (np.linalg.norm(vector) or 1)


def test_bm25_and_tf_idf_are_their_formulas() -> None:
    rows = {name: scorer(slice(0, 4)) for name, scorer in word_rows(HISTORIES, ITEMS)}
    assert list(rows) == ["BM25", "TF-IDF"]
    expected = [[bm25(history, item) for item in ITEMS] for history in HISTORIES]
    assert rows["BM25"] == pytest.approx(np.array(expected), abs=1e-6)
    assert rows["TF-IDF"] == pytest.approx(np.array([[tf_idf(history) @ tf_idf(item) for item in ITEMS] for history in HISTORIES]), abs=1e-6)
    assert not rows["BM25"][2:].any()


def test_a_block_of_queries_is_what_the_whole_has_there() -> None:
    for _, scorer in word_rows(HISTORIES, ITEMS):
        assert scorer(slice(1, 3)) == pytest.approx(scorer(slice(0, 4))[1:3])
        assert scorer(slice(0, 4)).flags.c_contiguous


def test_items_without_a_word_have_no_such_rows() -> None:
    assert list(word_rows(["tea"], ["...", "!"])) == []
    assert list(word_rows([], [])) == []
