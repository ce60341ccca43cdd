"""Cuts of hand-made histories, as arrays."""

from typing import Any

import numpy as np
import pytest

from lake.examples import HeldOut
from trainer.config import ExamplesConfig
from trainer.examples.cuts import NONE, PersonHistory, catalogue_places, cut_row, label_places, person_cuts, title_places

CONFIG = ExamplesConfig(cuts_per_person=2, min_past_units=2, min_future_labels=2, min_future_units=2)
NEVER = 2**62
"""A time split after everything."""
MINUTE = 60_000_000


def history(units: int, minutes: list[int] | None = None, threads: list[int] | None = None, labelled: list[int] | None = None, **changes: Any) -> PersonHistory:
    """A unit a minute, each labelled and in a titled thread of its own unless said otherwise."""
    labels = np.full(units, NONE)
    for row, place in enumerate(range(units) if labelled is None else labelled):
        labels[place] = row
    numbers = np.arange(units)
    values = {
        "times": np.array(minutes or numbers) * MINUTE, "threads": np.array(threads) if threads else numbers, "titles": numbers, "labels": labels,
        "items": np.full(units, NONE), "kept_from": 0,
    }  # fmt: skip
    return PersonHistory(**(values | changes))


def rows(of: PersonHistory, split_at: int = NEVER, **settings: Any) -> list[dict[str, Any]]:
    config = CONFIG.model_copy(update=settings)
    cuts = person_cuts(of, config)
    assert not isinstance(cuts, str), cuts
    units = [f"u{place}" for place in range(len(of.times))]
    items = {row: {"specific": f"specific {row}", "broad": "broad"} for row in range(len(of.times))}
    return [cut_row(of, cut, for_labels, ["tea"] * len(units), units, items, split_at, config) for cut, for_labels in cuts]  # type: ignore[arg-type]


def after(cut: dict[str, Any], level: str = "specific") -> list[dict[str, Any]]:
    return [positive for positive in cut["positives"] if (positive["where"], positive["level"]) == ("after", level)]


def test_labels_lie_inside_and_after_the_cut_at_both_levels() -> None:
    for cut in rows(history(20), future_units=3):
        length = cut["history_length"]
        assert [each["unit_id"] for each in after(cut)] == [f"u{place}" for place in range(length, length + 3)]
        assert [each["level"] for each in cut["positives"] if each["where"] == "after"] == ["specific", "broad"] * 3
        assert len([each for each in cut["positives"] if each["where"] == "inside"]) == 2 * length
    for cut in rows(history(20), future_units=None):
        assert len(after(cut)) == 20 - cut["history_length"]


def test_label_cuts_are_middles_of_equal_parts_of_the_places_where_one_may_cut() -> None:
    # of 12 labelled units, 2 lie before any cut and 2 after: 9 places from 2 to 10; middles of 3 parts
    assert label_places(history(12), CONFIG.model_copy(update={"cuts_per_person": 3})) == [3, 6, 9]
    assert label_places(history(5), CONFIG.model_copy(update={"cuts_per_person": 9})) == [2, 3]


def test_a_cut_for_titles_stands_before_a_unit_that_enters_a_thread_with_enough_units_around_it() -> None:
    threads = [0, 0, 1, 1, 2, 2, 3, 3]
    assert title_places(history(8, threads=threads), CONFIG.model_copy(update={"cuts_per_person": 9})) == [2, 4, 6]
    assert title_places(history(8, threads=threads), CONFIG) == [2, 6]
    assert title_places(history(8, threads=threads), CONFIG.model_copy(update={"min_past_units": 3, "min_future_units": 4})) == [4]
    assert title_places(history(8, threads=[0] * 8), CONFIG) == []
    assert title_places(history(8, titles=np.full(8, NONE)), CONFIG) == []


def test_a_cut_for_the_catalogue_stands_before_a_unit_that_acts_on_an_item_for_the_first_time() -> None:
    of = history(9, threads=[0] * 9, labelled=[], items=np.array([5, NONE, 5, 7, 7, NONE, 8, 9, 10]))
    every = CONFIG.model_copy(update={"cuts_per_person": 9})
    assert catalogue_places(of, every) == [3, 6, 7]
    assert catalogue_places(history(9), every) == []
    found = rows(of, split_at=7 * MINUTE, cuts_per_person=9, catalogue_units=4)
    assert [(cut["history_length"], cut["acted_on"], cut["entered"], cut["period"]) for cut in found] == [
        (3, [3, 6], [], "past"), (6, [6, 7, 8], [], "future"), (7, [7, 8], [], "future"),
    ]  # fmt: skip


def test_a_titled_thing_of_no_thread_is_asked_for_the_first_time_it_is_acted_on() -> None:
    watched = history(8, threads=[NONE] * 8, titles=np.array([0, 1, 2, 0, 2, 3, 4, NONE]))
    assert title_places(watched, CONFIG.model_copy(update={"cuts_per_person": 9})) == [2, 5, 6]


def test_people_without_labels_are_cut_for_titles_and_asked_for_no_label() -> None:
    found = rows(history(9, threads=[0, 0, 0, 1, 1, 2, 2, 3, 3], labelled=[]))
    assert [(cut["history_length"], cut["entered"], cut["positives"]) for cut in found] == [(3, [3, 5, 7], []), (7, [7], [])]


def test_a_cut_for_labels_says_too_what_is_entered_and_one_for_titles_alone_asks_for_no_label() -> None:
    found = rows(history(12, labelled=[0, 8, 9, 10]), cuts_per_person=9)
    assert [cut["history_length"] for cut in found if cut["positives"]] == [8, 9]
    assert [cut["history_length"] for cut in found if not cut["positives"]] == [2, 3, 4, 5, 6, 7, 10]
    assert all(cut["entered"] == list(range(cut["history_length"], 12)) for cut in found)


def test_only_the_next_units_are_looked_at_for_titles() -> None:
    assert {len(cut["entered"]) for cut in rows(history(30, labelled=[]), title_units=4)} == {4}


def test_no_cut_separates_units_of_the_same_time() -> None:
    found = rows(history(12, minutes=[number // 4 for number in range(12)]), cuts_per_person=10)
    assert [cut["history_length"] for cut in found] == [4, 8]
    assert person_cuts(history(9, minutes=[0] * 9), CONFIG) == "no cut with enough units before and answers after"


def test_people_without_enough_units_or_answers_give_a_reason() -> None:
    assert person_cuts(history(2), CONFIG) == "too few units"
    assert person_cuts(history(9, threads=[0] * 9, labelled=[]), CONFIG) == "no cut with enough units before and answers after"
    assert person_cuts(history(9, threads=[0] * 9, labelled=[4]), CONFIG) == "no cut with enough units before and answers after"


def test_a_thread_is_new_where_no_unit_before_the_cut_is_in_it_those_that_are_not_kept_too() -> None:
    of = history(9, threads=[7, 0, 0, 0, 1, 1, NONE, 7, 7], kept_from=1)
    first = rows(of, cuts_per_person=99)[0]
    assert first["history_length"] == 2
    assert [each["new_thread"] for each in after(first)] == [False, True, True, False, False, False]
    assert first["entered"] == [3, 5]
    assert not any(each["new_thread"] for each in first["positives"] if each["where"] == "inside")


def test_places_in_the_kept_history_are_counted_from_its_first_unit() -> None:
    whole, kept = history(20), history(20, kept_from=10)
    assert [cut["history_length"] for cut in rows(kept)] == [length - 10 for length in label_places(kept, CONFIG)]
    assert min(label_places(kept, CONFIG)) >= 12 > min(label_places(whole, CONFIG))
    (cut, *_) = rows(kept)
    assert cut["entered"][0] == cut["history_length"]
    assert after(cut)[0]["unit_id"] == f"u{cut['history_length'] + 10}"


def test_a_cut_is_past_only_if_all_its_answers_lie_before_the_time_split() -> None:
    found = rows(history(10), split_at=6 * MINUTE, cuts_per_person=99, future_units=2, title_units=2)
    assert [(cut["history_length"], cut["period"]) for cut in found] == [
        (2, "past"), (3, "past"), (4, "past"), (5, "future"), (6, "future"), (7, "future"), (8, "future"),
    ]  # fmt: skip
    of_titles = rows(history(10, labelled=[]), split_at=6 * MINUTE, cuts_per_person=99, title_units=3)
    assert [cut["period"] for cut in of_titles] == ["past", "past", "future", "future", "future", "future", "future"]


def test_everybody_belongs_to_one_split_in_the_configured_shares() -> None:
    held_out = HeldOut(validation_share=0.15, test_share=0.25)
    splits = [held_out.split_of(f"person {number}") for number in range(4000)]
    shares = {split: splits.count(split) / 4000 for split in ("train", "validation", "test")}
    assert shares["validation"] == pytest.approx(0.15, abs=0.03)
    assert shares["test"] == pytest.approx(0.25, abs=0.03)
    assert held_out.split_of("person 7") == splits[7]
    assert HeldOut(validation_share=0, test_share=0).split_of("anybody") == "train"
