"""Who encodes which answer."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.training.shares import Part, encoders_of_answers


def part(query_tokens: list[int], answers: dict[int, int]) -> Part:
    """A process's part: tokens of its queries, and its answers with their tokens."""
    held = dict(sorted(answers.items()))
    return Part(np.array(query_tokens, np.int64), np.array(list(held), np.int64), np.array(list(held.values()), np.int64))


def test_an_answer_of_one_process_stays_there_and_common_ones_go_to_who_has_less() -> None:
    answers, encoders = encoders_of_answers([part([100], {1: 5, 7: 5, 9: 5}), part([10], {7: 5, 8: 5, 9: 5})])
    assert answers.tolist() == [1, 7, 8, 9]
    assert encoders.tolist() == [0, 1, 1, 1]


def test_sums_of_tokens_and_of_their_squares_are_balanced() -> None:
    lengths = np.random.default_rng(3).integers(3, 400, 300)
    everything = {number: int(tokens) for number, tokens in enumerate(lengths)}
    _, encoders = encoders_of_answers([part([900, 20], everything), part([300], everything), part([], everything)])
    queries = ([900, 20], [300], [])
    for power in (1, 2):
        sums = [sum(n**power for n in own) + int((lengths[encoders == process] ** power).sum()) for process, own in enumerate(queries)]
        assert max(sums) < 1.05 * min(sums)


def test_processes_without_queries_or_answers_are_served() -> None:
    answers, encoders = encoders_of_answers([part([], {}), part([4], {3: 2}), part([], {})])
    assert (answers.tolist(), encoders.tolist()) == ([3], [1])
    assert [each.tolist() for each in encoders_of_answers([part([], {})])] == [[], []]


@given(
    st.lists(st.tuples(st.lists(st.integers(1, 50), max_size=4), st.dictionaries(st.integers(0, 12), st.integers(0, 50), max_size=8)), min_size=1, max_size=4)
)
def test_every_distinct_answer_is_encoded_once_by_a_process_that_holds_it(parts: list[tuple[list[int], dict[int, int]]]) -> None:
    answers, encoders = encoders_of_answers([part(*each) for each in parts])
    assert answers.tolist() == sorted({number for _, held in parts for number in held})
    assert all(answer in parts[process][1] for answer, process in zip(answers.tolist(), encoders.tolist(), strict=True))
