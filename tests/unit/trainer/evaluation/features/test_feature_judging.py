"""Vectors as features of made-up people: who knows what decides, and what people give away."""

from collections import Counter
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from tests.counting_encoder import CountingEncoder
from tests.planted_people import START, history_unit
from trainer.config import EvaluationConfig
from trainer.evaluation.features.found import ALL_TASKS, feature_title, guess_numbers, privacy_title, task_lines
from trainer.evaluation.features.judging import NOT_STRANGERS, TOO_SHORT, UNREADABLE, given_away, use_as_feature
from trainer.evaluation.features.rows import ACTIVITY, ORACLE, RANDOM, REDUCED, WITH_ACTIVITY, behaviour_rows
from trainer.evaluation.features.targets import Month
from trainer.evaluation.halves import Person
from trainer.evaluation.history_vectors import COMMUNITIES, HistoryVectors, ReadHistories
from trainer.evaluation.numbers import DIFFERENCE

SPLIT = START + timedelta(days=60)
SETTINGS = EvaluationConfig(min_feature_units=5, min_class_people=10, feature_folds=4)
GOOD, POOR = CountingEncoder(size=64), CountingEncoder(size=2)
ADDED = f"{WITH_ACTIVITY} - {ACTIVITY}"


def person(number: int, random: np.random.Generator, units: int = 20) -> Person:
    """Words say where somebody goes in the month after the split, and how much they did before, nothing else."""
    taste = number % 2
    days = np.sort(random.choice(np.arange(30, 60), units, replace=False))
    past = [history_unit(f"p{number}-{day}", int(day), f"taste{taste} word{random.integers(0, 30)}", "old") for day in days]
    after = [history_unit(f"p{number}-{day}", day, "then", f"place{taste}") for day in (61 + number % 20, 95)]
    return Person(f"person{number:03}", True, past + after)


def people(count: int = 80) -> list[Person]:
    random = np.random.default_rng(0)
    return [person(number, random, int(random.integers(5, 25))) for number in range(count)]


def asked(found: list[Person], tuned: CountingEncoder = GOOD, base: CountingEncoder = POOR, **settings: Any) -> Any:
    return use_as_feature(lambda: iter(found), SPLIT, tuned, base, SETTINGS.model_copy(update=settings))


def test_who_reads_what_decides_knows_where_people_go_and_the_other_rows_do_not() -> None:
    found = asked(people())
    assert (found.people, found.at, found.left_out) == (80, SPLIT, {})
    (place,) = (task for task in found.tasks if task.name == "place")
    assert (place.people, place.values) == (80, {"reddit/place0": 40, "reddit/place1": 40})
    for scorer in ("tuned", WITH_ACTIVITY):
        assert found.score(scorer, "place").low > 0.8, scorer
    assert found.score(REDUCED, "place").low > 0.6
    for scorer in (RANDOM, ACTIVITY, COMMUNITIES):
        assert found.score(scorer, "place").mean < 0.7, scorer
    ahead, added = found.score(DIFFERENCE, "place"), found.score(ADDED, "place")
    assert ahead.mean == pytest.approx(found.score("tuned", "place").mean - found.score("base", "place").mean)
    assert added.low > 0
    assert found.score("tuned", ALL_TASKS).mean == pytest.approx(np.mean([found.score("tuned", task.name).mean for task in found.tasks]))


def test_tasks_that_nobody_or_everybody_does_are_left_out_and_said() -> None:
    found = asked(people())
    assert {task.name for task in found.tasks} >= {"place"}
    assert found.tasks_left_out["acts again"] == "of 80 people 80 are alike in it, and 10 must be of a kind and as many not"
    assert "opens a thread: not asked, of 80 people 80 are alike in it" in "\n".join(task_lines(found))
    assert "place: where they act most in the next 28 days (80 people: reddit/place0 40, reddit/place1 40)" in "\n".join(task_lines(found))
    assert feature_title(found).endswith("cut at 2023-03-02 00:00 (80 people)")
    none = asked(people(12), min_class_people=20)
    assert (none.tasks, none.scores) == ([], [])
    assert guess_numbers("as_feature", none)["as_feature/people"] == none.people


def test_who_has_too_little_before_the_moment_or_nothing_to_read_is_left_out() -> None:
    random = np.random.default_rng(1)
    found = asked([*people(), person(90, random, 3)])
    assert (found.people, found.left_out) == (80, {TOO_SHORT: 1})
    labels = CountingEncoder(query_format="labels")
    assert asked(people(), labels, labels).left_out == {UNREADABLE: 80}
    assert asked([]).at is None
    assert asked([]).scores == []


def test_a_few_numbers_of_activity_stand_beside_as_many_of_a_vector() -> None:
    month = Month((1.0, 2.0, 3.0), 0, False, None, False, False, False, False, None)
    read = ReadHistories(
        ["a", "b"], {"tuned": np.zeros((2, 64), np.float32), "base": np.zeros((2, 64), np.float32)}, csr_matrix((2, 5)), [Counter(x=1), Counter()]
    )
    rows = behaviour_rows(read, [month, month], seed=0)
    assert rows[ACTIVITY].inputs.tolist() == [[1, 2, 3]] * 2
    assert rows[WITH_ACTIVITY].inputs[0].tolist() == [1, 2, 3] * 21 + [0] * 64
    assert {name: row.inputs.shape for name, row in rows.items() if name not in (ACTIVITY, WITH_ACTIVITY)} == {
        "tuned": (2, 64), "base": (2, 64), RANDOM: (2, 64), COMMUNITIES: (2, 1), REDUCED: (2, 1),
    }  # fmt: skip
    assert rows[COMMUNITIES].inputs.tolist() == pytest.approx(np.log1p([[1], [0]]))


def test_order_of_people_is_nothing_and_vectors_that_are_known_are_not_made_again() -> None:
    some, known = people(), HistoryVectors()
    encoder = CountingEncoder(size=64)
    first = use_as_feature(lambda: iter(some), SPLIT, encoder, POOR, SETTINGS, known)
    read = len(encoder.texts)
    assert read == len(set(encoder.texts))
    assert use_as_feature(lambda: iter(some[::-1]), SPLIT, encoder, POOR, SETTINGS, known) == first
    assert len(encoder.texts) == read
    assert asked(some) == first


def test_an_encoder_that_is_its_base_is_not_ahead() -> None:
    same = asked(people(), GOOD, GOOD).score(DIFFERENCE, "place")
    assert (same.low, same.mean, same.high) == (0, 0, 0)


def test_a_planted_attribute_is_given_away_and_one_that_was_drawn_is_not() -> None:
    some, random = people(120), np.random.default_rng(2)
    drink = {one.person_id: f"drink{number % 2}" for number, one in enumerate(some)}
    hand = {one.person_id: "left" if random.random() < 0.4 else "right" for one in some}
    rare = {some[0].person_id: "a", some[1].person_id: "b", "somebody else": "a"}
    found = given_away(some, {"drink": drink, "hand": hand, "rare": rare}, GOOD, POOR, SETTINGS)
    assert (found.people, found.left_out, found.at) == (120, {NOT_STRANGERS: 1}, None)
    for scorer in ("tuned", ORACLE):
        assert found.score(scorer, "drink").low > 0.9
        assert found.score(scorer, "hand").low < 0.5 < found.score(scorer, "hand").high
    assert abs(found.score(RANDOM, "drink").mean - 0.5) < 0.15
    assert list(found.tasks_left_out) == ["rare"]
    assert privacy_title(found).startswith("PRIVACY, no feature")
    numbers = guess_numbers("privacy", found)
    assert numbers["privacy/drink/tuned_minus_base"] == found.score(DIFFERENCE, "drink").mean
    nobody = given_away([], {"drink": drink}, GOOD, POOR, SETTINGS)
    assert (nobody.people, nobody.left_out, nobody.scores) == (0, {NOT_STRANGERS: 120}, [])
