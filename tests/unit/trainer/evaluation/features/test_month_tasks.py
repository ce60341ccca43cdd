"""What people do in the month after a moment, worked out by hand on small histories; at which moment, and who is asked."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from tests.planted_people import START, history_unit
from trainer.config import EvaluationConfig
from trainer.evaluation.features.targets import DAY, Classes, asked_at, classes_of, moment_to_ask, month_of, tasks_of

AT = START + timedelta(days=100)
SETTINGS = EvaluationConfig(min_feature_units=2, feature_active_days=50, feature_days=28, min_class_people=2)


def units(*days: float, place: str | None = "tea", text: str = "words", **fields: Any) -> list[dict[str, Any]]:
    """Units so many days after the moment (before it: negative)."""
    found = [history_unit(f"u{day}", 0, text, place or "") for day in days]
    return [{**unit, "created_at": AT + timedelta(days=day), "community": place, **fields} for unit, day in zip(found, days, strict=True)]


def values(*histories: list[dict[str, Any]]) -> dict[str, list[str | None]]:
    """Task -> what of each person is right."""
    return {task.name: list(task.values) for task in tasks_of([month_of(history, AT, 28)[1] for history in histories], 28)}


def test_the_month_begins_at_the_moment_and_ends_before_its_last_day() -> None:
    past, month = month_of(units(-30, -1, 0, 27.9, 28, 40), AT, 28)
    assert [unit["unit_id"] for unit in past] == ["u-30", "u-1"]
    assert month.units == 2
    assert month.activity == pytest.approx(tuple(np.log1p([2, 1, 1])))


def test_acting_again_and_acting_more_are_asked_of_everybody() -> None:
    """Two units in 56 days are one in 28: one more is as much as before, two are more."""
    silent, as_before, more = units(-56, -20), units(-56, -20, 5), units(-56, -20, 5, 6)
    found = values(silent, as_before, more)
    assert found["acts again"] == ["no", "yes", "yes"]
    assert found["acts more"] == ["no", "no", "yes"]
    assert found["new place"] == found["opens a thread"] == [None, "no", "no"]


def test_places_are_told_apart_by_platform_and_settled_by_name() -> None:
    past = units(-30, -20)
    moved, stayed, elsewhere = (units(3, place=place) for place in ("coffee", "tea", None))
    other_platform = units(3, platform="hackernews")
    found = values(past + moved + stayed, past + stayed, past + elsewhere, past + other_platform)
    assert found["place"] == ["reddit/coffee", "reddit/tea", None, "hackernews/tea"]
    assert found["new place"] == ["yes", "no", None, "yes"]
    assert values(past + moved + units(4, 5))["place"] == ["reddit/tea"]


def test_who_opens_a_thread_answers_an_answer_or_acts_before_noon() -> None:
    past = units(-30, -20)
    opening = units(3, unit_id="reddit:t3_a", thread_id="reddit:t3_a")
    threadless = units(3, thread_id=None, unit_id="reddit:t3_a")
    answer = units(4.75, context=[{"role": "root"}, {"role": "parent"}])
    direct = units(5.75, 6.75, context=[{"role": "root"}])
    found = values(past + opening, past + threadless, past + answer + direct[:1], past + answer + direct)
    assert found["opens a thread"] == ["yes", "no", "no", "no"]
    assert found["answers answers"] == ["no", "no", "yes", "no"]
    assert found["before noon"] == ["yes", "yes", "no", "no"]


def test_long_words_are_longer_than_the_median_of_people_s_medians() -> None:
    past = units(-30, -20)
    texts = (["a" * 10] * 3, ["a" * 20, "a" * 400], ["a" * 30], ["a" * 40, ""])
    found = values(*(past + [unit for number, text in enumerate(of_one) for unit in units(number, text=text)] for of_one in texts), past + units(1, text=""))
    assert found["long words"] == ["no", "yes", "no", "yes", None]  # medians 10, 210, 30, 40: half lie above 35


def test_only_who_has_a_past_and_a_recent_one_is_asked() -> None:
    moment, days = AT.timestamp(), [np.array(each) * DAY for each in ([-9, -3, 5], [-3, 5], [-90, -60, 5], [-90, -50], [1, 2], [])]
    assert asked_at([moment + each for each in days], moment, SETTINGS).tolist() == [True, False, False, True, False, False]


def test_the_moment_is_the_time_split_where_enough_can_be_asked_there_and_else_where_most_can() -> None:
    start, split = START.timestamp(), START + timedelta(days=65)
    steady = [start + np.arange(0, 100, 5) * DAY for _ in range(9)]
    assert moment_to_ask(steady, split, SETTINGS) == split
    assert moment_to_ask(steady[:7], split, SETTINGS) == split, "of fewer than four times min_class_people, but nowhere are more"
    late = [start + np.arange(0, 30, 5) * DAY for _ in range(2)] + steady[:6]
    assert moment_to_ask(late, split, SETTINGS.model_copy(update={"feature_active_days": 20.0})) != split
    early = [start + np.arange(0, 40, 2) * DAY for _ in range(20)] + steady[:1]
    found = moment_to_ask(early, START + timedelta(days=71), SETTINGS.model_copy(update={"feature_active_days": 20.0}))
    assert found is not None
    assert 4 <= (found - START) / timedelta(days=1) <= 58
    assert moment_to_ask(steady, START + timedelta(days=90), SETTINGS) != START + timedelta(days=90), "the month after it is not over yet"
    for nobody in ([], [np.zeros(0)], [start + np.arange(3.0)]):
        assert moment_to_ask(nobody, split, SETTINGS) is None


def test_what_few_are_is_one_class_more_and_is_not_scored() -> None:
    classes = classes_of(["tea", "tea", None, "gin", "ale", "tea", "ale"], 2)
    assert isinstance(classes, Classes)
    assert (classes.people.tolist(), classes.target.tolist(), classes.scored) == ([0, 1, 3, 4, 5, 6], [0, 0, 2, 1, 0, 1], ["tea", "ale"])


@pytest.mark.parametrize("kinds", [[], [None], ["yes"] * 9, ["yes"] * 9 + ["no"], ["a", "b", "c"]])
def test_a_task_of_too_few_of_a_kind_says_so(kinds: list[str | None]) -> None:
    assert "2 must be of a kind and as many not" in str(classes_of(kinds, 2))
