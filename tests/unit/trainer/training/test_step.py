"""What processes make of their parts of a step."""

import numpy as np

from trainer.training.masks import relation
from trainer.training.step import joined, micro_batches
from trainer.training.stream import rate_factor


def numbers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_the_relations_of_processes_are_joined_to_that_of_all_queries() -> None:
    answers = numbers(4, 5, 8, 12)
    positives, done = [numbers(4), numbers(8, 12), numbers(5), numbers(8)], [numbers(1), numbers(3), numbers(1, 2), numbers()]
    whole = relation(positives, done, answers)
    parts = joined((relation(positives[:3], done[:3], answers), relation([], [], answers), relation(positives[3:], done[3:], answers)))
    assert parts.shape == whole.shape
    for ours, theirs in ((parts.positive, whole.positive), (parts.masked, whole.masked)):
        assert np.array_equal(ours.queries, theirs.queries)
        assert np.array_equal(ours.answers, theirs.answers)


def test_histories_and_answers_never_share_a_micro_batch() -> None:
    texts = {0: "history", 1: "history", 5: "answer", 7: "answer", 8: "answer"}
    found = micro_batches(texts, {0: 30, 1: 20, 5: 2, 7: 4, 8: 3}, first_answer=3, tokens_per_forward=1000)
    assert found.rows == [[0, 1], [7, 8, 5]]
    assert (found.tokens, found.computed_tokens) == (59, 60 + 12)


def test_the_rate_rises_over_the_warm_up_and_falls_in_a_line() -> None:
    assert np.allclose([rate_factor(number, 10, 0.2) for number in range(1, 11)], [1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    assert rate_factor(1, 1, 0.1) == 1
