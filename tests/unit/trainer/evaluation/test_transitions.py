"""What follows what, against chances worked out by hand."""

import numpy as np
import pytest

from trainer.evaluation.baselines import label_counts
from trainer.evaluation.transitions import next_label, transition_graph

A, B, C, D, UNSEEN = range(5)
TRAINING = [np.array([A, B, C]), np.array([A, B, C, D]), np.array([B, D]), np.array([C])]


def chances(*past: int) -> np.ndarray:
    counts = label_counts(TRAINING, 5)
    return next_label(transition_graph(TRAINING, counts), [np.array(past, np.int64)])(slice(0, 1))[0]


POPULAR = np.array([2, 3, 3, 2, 0]) / 10
AFTER_B = (np.array([0, 0, 2, 1, 0]) + POPULAR) / (3 + 1)


def test_the_next_label_is_what_followed_the_last_two_smoothed_by_the_last_and_by_popularity() -> None:
    assert chances(A, B) == pytest.approx((np.array([0, 0, 2, 0, 0]) + AFTER_B) / (2 + 1))
    assert chances(D, A, B) == pytest.approx(chances(A, B))


def test_a_pair_that_was_never_seen_says_what_its_last_label_says() -> None:
    assert chances(D, B) == pytest.approx(AFTER_B)
    assert chances(B) == pytest.approx(AFTER_B)


def test_a_label_that_nothing_followed_and_no_label_at_all_say_popularity() -> None:
    assert chances() == pytest.approx(POPULAR)
    assert chances(UNSEEN) == pytest.approx(POPULAR)
    assert chances(B, D) == pytest.approx(POPULAR)


def test_nothing_follows_from_one_person_to_the_next() -> None:
    graph = transition_graph(TRAINING, label_counts(TRAINING, 5))
    assert graph.after_one.toarray()[C].tolist() == [0, 0, 0, 1, 0]
    assert graph.after_one.sum() == 2 + 3 + 1
    assert graph.pairs.tolist() == [A * 5 + B, B * 5 + C]


def test_chances_sum_to_one_and_queries_do_not_touch_each_other() -> None:
    counts = label_counts(TRAINING, 5)
    scorer = next_label(transition_graph(TRAINING, counts), [np.array(past, np.int64) for past in ([A, B], [], [B])])
    assert scorer(slice(0, 3)).sum(axis=1) == pytest.approx([1, 1, 1])
    assert scorer(slice(1, 3)) == pytest.approx(np.stack([POPULAR, AFTER_B]))


def test_nobody_to_learn_from_gives_the_same_to_all() -> None:
    graph = transition_graph([], np.zeros(3))
    assert next_label(graph, [np.array([0, 1])])(slice(0, 1)).tolist() == [[0, 0, 0]]
