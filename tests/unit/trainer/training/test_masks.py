"""Relations by hand. Words: 0 'Late braking', 1 'Wet tyres', 2 'Rye loaf', 3 'Formula 1', 4 'Bread'; 'Bread' is there at both levels."""

import numpy as np
import pytest

from lake.examples import KINDS, answer_key
from trainer.training.masks import MASKED, NEGATIVE, POSITIVE, answer_numbers, keys_of, kinds_of, relation

SPECIFIC, BROAD = KINDS.index("specific"), KINDS.index("broad")


def numbers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def specific(*keys: int) -> np.ndarray:
    return answer_numbers(numbers(*keys), SPECIFIC)


LATE_BRAKING, WET_TYRES, RYE_LOAF, BREAD_SPECIFIC = specific(0, 1, 2, 4).tolist()
FORMULA_1, BREAD = answer_numbers(numbers(3, 4), BROAD).tolist()


def related(positives: list, done: list, answers: np.ndarray) -> list[list[int]]:
    """With the answers in the order that they have in a step."""
    assert (np.diff(answers) > 0).all()
    return relation(positives, done, answers).dense().tolist()


def test_an_answer_says_its_words_and_its_kind() -> None:
    keys = numbers(0, answer_key("Rye loaf"), 2**60 - 1)
    for kind in range(len(KINDS)):
        answers = answer_numbers(keys, kind)
        assert answers.dtype == np.int64
        assert (answers >= 0).all()
        assert keys_of(answers).tolist() == keys.tolist()
        assert kinds_of(answers).tolist() == [kind] * 3


def test_two_people_with_the_same_label_share_one_answer_that_is_positive_for_both() -> None:
    answers = numbers(LATE_BRAKING, RYE_LOAF)
    found = related([specific(0), specific(0, 2)], [numbers(0), numbers(0, 2)], answers)
    assert found == [[POSITIVE, NEGATIVE], [POSITIVE, POSITIVE]]


def test_what_the_person_did_elsewhere_is_masked() -> None:
    found = related([specific(0), specific(2)], [numbers(0, 2), numbers(2)], numbers(LATE_BRAKING, RYE_LOAF))
    assert found == [[POSITIVE, MASKED], [NEGATIVE, POSITIVE]]


def test_other_peoples_labels_below_a_broad_positive_stay_negatives() -> None:
    assert related([numbers(FORMULA_1)], [numbers(3)], numbers(WET_TYRES, RYE_LOAF, FORMULA_1)) == [[NEGATIVE, NEGATIVE, POSITIVE]]


def test_siblings_stay_negatives() -> None:
    assert related([specific(0)], [numbers(0)], numbers(LATE_BRAKING, WET_TYRES)) == [[POSITIVE, NEGATIVE]]


def test_the_same_words_at_the_other_level_are_masked() -> None:
    answers = numbers(LATE_BRAKING, BREAD_SPECIFIC, BREAD)
    assert related([numbers(BREAD)], [numbers()], answers) == [[NEGATIVE, MASKED, POSITIVE]]
    assert related([specific(0)], [numbers(4)], answers) == [[POSITIVE, MASKED, MASKED]]


def test_nothing_done_nothing_known_and_nobody_asked_are_no_errors() -> None:
    assert related([specific(0)], [numbers()], specific(0, 1)) == [[POSITIVE, NEGATIVE]]
    assert related([numbers()], [numbers()], specific(0, 1)) == [[NEGATIVE, NEGATIVE]]
    assert relation([], [], numbers()).dense().shape == (0, 0)
    assert relation([numbers()], [numbers(7)], numbers()).dense().shape == (1, 0)


def test_what_is_not_among_the_answers_of_the_step_is_left_out() -> None:
    assert related([specific(0, 9)], [numbers(8, 2)], numbers(LATE_BRAKING, RYE_LOAF)) == [[POSITIVE, MASKED]]


def test_pairs_ascend_and_none_stands_twice_or_on_both_sides() -> None:
    found = relation([specific(2, 0), specific(1)], [numbers(2, 2, 1, 0), numbers(0, 1, 0)], numbers(LATE_BRAKING, WET_TYRES, RYE_LOAF))
    assert list(zip(found.positive.queries, found.positive.answers, strict=True)) == [(0, 0), (0, 2), (1, 1)]
    assert list(zip(found.masked.queries, found.masked.answers, strict=True)) == [(0, 1), (1, 0)]


@pytest.mark.parametrize("seed", range(5))
def test_many_random_relations_agree_with_a_slow_formula(seed: int) -> None:
    generator = np.random.default_rng(seed)
    words = generator.integers(0, 2**60, 15)
    items = np.unique(answer_numbers(generator.choice(words, 40), 0) + generator.integers(0, len(KINDS), 40))
    positives = [generator.choice(items, 3, replace=False) for _ in range(7)]
    done = [generator.choice(words, 2, replace=False) for _ in range(7)]
    answers = np.unique(np.concatenate(positives))

    def slow(query: int, answer: int) -> int:
        own = {*map(int, positives[query])}
        if answer in own:
            return POSITIVE
        same_words = {each >> 2 for each in own} | {*map(int, done[query])}
        return MASKED if answer >> 2 in same_words else NEGATIVE

    expected = [[slow(query, int(answer)) for answer in answers] for query in range(7)]
    assert MASKED in np.array(expected)
    assert related(positives, done, answers) == expected
