"""Relations by hand. Items: specific 0 'Late braking', 1 'Wet tyres', 2 'Rye loaf'; broad 3 'Formula 1', 4 'Bread'; 5 is specific 'Bread'."""

import numpy as np

from trainer.training.masks import MASKED, NEGATIVE, POSITIVE, relation

LATE_BRAKING, WET_TYRES, RYE_LOAF, FORMULA_1, BREAD, BREAD_SPECIFIC = range(6)
WORDS = np.array([0, 1, 2, 3, 4, 4])


def numbers(*items: int) -> np.ndarray:
    return np.array(items, np.int64)


def related(positives: list, done: list, answers: np.ndarray) -> list[list[int]]:
    return relation(positives, done, answers, WORDS).tolist()


def test_two_people_with_the_same_label_share_one_answer_that_is_positive_for_both() -> None:
    answers = numbers(LATE_BRAKING, RYE_LOAF)
    found = related([numbers(LATE_BRAKING), numbers(LATE_BRAKING, RYE_LOAF)], [numbers(LATE_BRAKING), numbers(LATE_BRAKING, RYE_LOAF)], answers)
    assert found == [[POSITIVE, NEGATIVE], [POSITIVE, POSITIVE]]


def test_what_the_person_did_elsewhere_is_masked() -> None:
    found = related([numbers(LATE_BRAKING), numbers(RYE_LOAF)], [numbers(LATE_BRAKING, RYE_LOAF), numbers(RYE_LOAF)], numbers(LATE_BRAKING, RYE_LOAF))
    assert found == [[POSITIVE, MASKED], [NEGATIVE, POSITIVE]]


def test_other_peoples_labels_below_a_broad_positive_stay_negatives() -> None:
    assert related([numbers(FORMULA_1)], [numbers(FORMULA_1)], numbers(WET_TYRES, RYE_LOAF, FORMULA_1)) == [[NEGATIVE, NEGATIVE, POSITIVE]]


def test_siblings_stay_negatives() -> None:
    assert related([numbers(LATE_BRAKING)], [numbers(LATE_BRAKING)], numbers(LATE_BRAKING, WET_TYRES)) == [[POSITIVE, NEGATIVE]]


def test_the_same_words_at_the_other_level_are_masked() -> None:
    answers = numbers(LATE_BRAKING, BREAD, BREAD_SPECIFIC)
    assert related([numbers(BREAD)], [numbers()], answers) == [[NEGATIVE, POSITIVE, MASKED]]
    assert related([numbers(LATE_BRAKING)], [numbers(BREAD_SPECIFIC)], answers) == [[POSITIVE, MASKED, MASKED]]


def test_nothing_done_nothing_known_and_nobody_asked_are_no_errors() -> None:
    assert relation([numbers(0)], [numbers()], numbers(0, 1), numbers(0, 1)).tolist() == [[POSITIVE, NEGATIVE]]
    assert relation([], [], numbers(), numbers()).shape == (0, 0)


def test_many_random_relations_agree_with_a_slow_formula() -> None:
    generator = np.random.default_rng(3)
    items = 40
    words = generator.integers(0, 30, items)
    positives = [generator.choice(items, 3, replace=False) for _ in range(7)]
    done = [generator.choice(items, 5, replace=False) for _ in range(7)]
    answers = np.unique(np.concatenate(positives))

    def slow(query: int, answer: int) -> int:
        own = {*map(int, positives[query])}
        if answer in own:
            return POSITIVE
        same_words = {words[each] for each in own | {*map(int, done[query])}}
        return MASKED if words[answer] in same_words else NEGATIVE

    expected = [[slow(query, int(answer)) for answer in answers] for query in range(7)]
    assert relation(positives, done, answers, words).tolist() == expected
