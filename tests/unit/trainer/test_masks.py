"""Relations by hand. Items: specific 0 'Late braking', 1 'Wet tyres', 2 'Rye loaf'; broad 3 'Formula 1', 4 'Bread'; 5 is specific 'Bread'."""

import numpy as np

from trainer.masks import MASKED, NEGATIVE, POSITIVE, pair_keys, relation

LATE_BRAKING, WET_TYRES, RYE_LOAF, FORMULA_1, BREAD, BREAD_SPECIFIC = range(6)
WORDS = np.array([0, 1, 2, 3, 4, 4])
PARENTS = pair_keys(np.array([LATE_BRAKING, WET_TYRES, RYE_LOAF]), np.array([FORMULA_1, FORMULA_1, BREAD]), len(WORDS))


def numbers(*items: int) -> np.ndarray:
    return np.array(items, np.int64)


def related(positives: list, done: list, answers: np.ndarray, **settings: bool) -> list[list[int]]:
    return relation(positives, done, answers, WORDS, PARENTS, **settings).tolist()


def test_two_people_with_the_same_label_share_one_answer_that_is_positive_for_both() -> None:
    answers = numbers(LATE_BRAKING, RYE_LOAF)
    found = related([numbers(LATE_BRAKING), numbers(LATE_BRAKING, RYE_LOAF)], [numbers(LATE_BRAKING), numbers(LATE_BRAKING, RYE_LOAF)], answers)
    assert found == [[POSITIVE, NEGATIVE], [POSITIVE, POSITIVE]]


def test_what_the_person_did_elsewhere_is_masked() -> None:
    found = related([numbers(LATE_BRAKING), numbers(RYE_LOAF)], [numbers(LATE_BRAKING, RYE_LOAF), numbers(RYE_LOAF)], numbers(LATE_BRAKING, RYE_LOAF))
    assert found == [[POSITIVE, MASKED], [NEGATIVE, POSITIVE]]


def test_the_parent_of_a_positive_is_masked_also_where_only_others_did_it() -> None:
    assert related([numbers(LATE_BRAKING)], [numbers(LATE_BRAKING)], numbers(LATE_BRAKING, FORMULA_1, BREAD)) == [[POSITIVE, MASKED, NEGATIVE]]


def test_children_of_a_positive_broad_label_are_masked_unless_turned_off() -> None:
    answers = numbers(WET_TYRES, RYE_LOAF, FORMULA_1)
    assert related([numbers(FORMULA_1)], [numbers(FORMULA_1)], answers) == [[MASKED, NEGATIVE, POSITIVE]]
    assert related([numbers(FORMULA_1)], [numbers(FORMULA_1)], answers, mask_children=False) == [[NEGATIVE, NEGATIVE, POSITIVE]]


def test_siblings_stay_negatives() -> None:
    assert related([numbers(LATE_BRAKING)], [numbers(LATE_BRAKING)], numbers(LATE_BRAKING, WET_TYRES)) == [[POSITIVE, NEGATIVE]]


def test_the_same_words_at_the_other_level_are_masked() -> None:
    answers = numbers(LATE_BRAKING, BREAD, BREAD_SPECIFIC)
    assert related([numbers(BREAD)], [numbers()], answers) == [[NEGATIVE, POSITIVE, MASKED]]
    assert related([numbers(LATE_BRAKING)], [numbers(BREAD_SPECIFIC)], answers) == [[POSITIVE, MASKED, MASKED]]


def test_nothing_done_nothing_known_and_nobody_asked_are_no_errors() -> None:
    assert relation([numbers(0)], [numbers()], numbers(0, 1), numbers(0, 1), numbers()).tolist() == [[POSITIVE, NEGATIVE]]
    assert relation([], [], numbers(), numbers(), numbers()).shape == (0, 0)


def test_many_random_relations_agree_with_a_slow_formula() -> None:
    generator = np.random.default_rng(3)
    items = 40
    words = generator.integers(0, 30, items)
    pairs = {(int(a), int(b)) for a, b in generator.integers(0, items, (60, 2))}
    parents = pair_keys(*np.array(sorted(pairs)).T, items)
    positives = [generator.choice(items, 3, replace=False) for _ in range(7)]
    done = [generator.choice(items, 5, replace=False) for _ in range(7)]
    answers = np.unique(np.concatenate(positives))

    def slow(query: int, answer: int) -> int:
        own = {*map(int, positives[query])}
        if answer in own:
            return POSITIVE
        same_words = {words[each] for each in own | {*map(int, done[query])}}
        kin = any((each, answer) in pairs or (answer, each) in pairs for each in own)
        return MASKED if words[answer] in same_words or kin else NEGATIVE

    expected = [[slow(query, int(answer)) for answer in answers] for query in range(7)]
    assert relation(positives, done, answers, words, parents).tolist() == expected
