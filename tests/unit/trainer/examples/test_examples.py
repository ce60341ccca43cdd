"""Cuts of hand-made histories."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from lake.examples import EXAMPLES, HeldOut
from lake.labels import label_item_id
from lake.schema import checked_table, rows_table
from lake.units import SEQUENCES
from trainer.config import ExamplesConfig
from trainer.examples.cuts import ContentLabel, choose_labels, cut_lengths, labelled_people, person_example, time_split
from trainer.jobs.examples import newest_units

START = datetime(2024, 1, 1, tzinfo=UTC)
CONFIG = ExamplesConfig(cuts_per_person=2, min_past_units=2, min_future_labels=2)
NEVER = 2**62
"""A time split after everything."""


def unit(number: int, thread: str | None = None, minutes: int | None = None, **values: Any) -> dict[str, Any]:
    return {
        "unit_id": f"reddit:t1_{number:03}",
        "unit_hash": f"hash{number}",
        "duplicate_group": None,
        "starts_session": False,
        "created_at": START + timedelta(minutes=number if minutes is None else minutes),
        "platform": "reddit",
        "thread_id": thread,
        "action": "comment",
        "community": "tea",
        "title": None,
        "text": f"words {number}",
        "context": [],
    } | values


def labels_of(units: Sequence[dict[str, Any]]) -> dict[str, ContentLabel]:
    return {one["unit_hash"]: ContentLabel(f"specific {one['unit_hash']}", "broad", "teacher") for one in units}


def example_of(history: list[dict[str, Any]], labelled: list[dict[str, Any]] | None = None, split_at: int = NEVER, **settings: Any) -> Any:
    labels = labels_of(history if labelled is None else labelled)
    return person_example("somebody", history, set(), labels, split_at, CONFIG.model_copy(update=settings))


def after(cut: dict[str, Any]) -> list[dict[str, Any]]:
    return [positive for positive in cut["positives"] if positive["where"] == "after"]


def test_the_future_is_later_than_the_past_and_both_levels_stand_in_it() -> None:
    history = [unit(number) for number in range(20)]
    example = example_of(history, future_units=3)
    times = {one["unit_id"]: one["created_at"] for one in history}
    assert len(example["cuts"]) == 2
    for cut in example["cuts"]:
        inside = [positive for positive in cut["positives"] if positive["where"] == "inside"]
        assert cut["cut_at"] == history[cut["history_length"] - 1]["created_at"]
        assert all(times[positive["unit_id"]] > cut["cut_at"] for positive in after(cut))
        assert all(times[positive["unit_id"]] <= cut["cut_at"] for positive in inside)
        assert [positive["level"] for positive in after(cut)] == ["specific", "broad"] * 3
        assert len(inside) == 2 * cut["history_length"]


def test_no_window_takes_all_labels_after_the_cut() -> None:
    example = example_of([unit(number) for number in range(20)], future_units=None)
    assert all(len(after(cut)) == 2 * (20 - cut["history_length"]) for cut in example["cuts"])


def test_cuts_are_middles_of_equal_parts_of_the_places_where_one_may_cut() -> None:
    times = [START + timedelta(minutes=number) for number in range(12)]
    # of 12 labelled units, 2 lie before any cut and 2 after: 9 places from 2 to 10; middles of 3 parts
    assert cut_lengths(times, range(12), ExamplesConfig(cuts_per_person=3, min_past_units=2, min_future_labels=2)) == [3, 6, 9]


def test_fewer_places_than_cuts_give_each_place_once() -> None:
    times = [START + timedelta(minutes=number) for number in range(5)]
    assert cut_lengths(times, range(5), ExamplesConfig(cuts_per_person=9, min_past_units=2, min_future_labels=2)) == [2, 3]


def test_no_cut_separates_units_of_the_same_time() -> None:
    history = [unit(number, minutes=number // 4) for number in range(12)]
    example = example_of(history, cuts_per_person=10)
    assert [cut["history_length"] for cut in example["cuts"]] == [4, 8]


def test_a_history_at_one_moment_has_no_cut() -> None:
    assert example_of([unit(number, minutes=0) for number in range(9)]) == "no cut with enough units before and labels after"


def test_people_without_enough_units_or_labels_give_a_reason() -> None:
    history = [unit(number) for number in range(9)]
    assert example_of(history[:2]) == "too few units"
    assert example_of(history, labelled=[]) == "too few labelled units"
    assert example_of(history, labelled=history[:2]) == "no cut with enough units before and labels after"


def test_unlabelled_units_stay_in_the_history_but_are_no_positives() -> None:
    history = [unit(number) for number in range(10)]
    example = example_of(history, labelled=history[1::2])
    assert len(example["history"]) == 10
    assert [one["unit_id"] for one in example["labelled"]] == [one["unit_id"] for one in history[1::2]]
    assert {positive["unit_id"] for cut in example["cuts"] for positive in cut["positives"]} == {one["unit_id"] for one in history[1::2]}


def test_a_history_in_no_thread_has_nothing_in_a_new_one() -> None:
    example = example_of([unit(number, None) for number in range(9)])
    assert not any(positive["new_thread"] for cut in example["cuts"] for positive in cut["positives"])


def test_a_thread_is_new_where_no_unit_before_the_cut_is_in_it() -> None:
    history = [unit(0, "old"), unit(1, "old"), unit(2, "old"), unit(3, "fresh"), unit(4, "fresh"), unit(5, None), unit(6, "forgotten")]
    example = person_example("somebody", history, {"forgotten"}, labels_of(history), NEVER, CONFIG.model_copy(update={"cuts_per_person": 99}))
    assert isinstance(example, dict)
    first = example["cuts"][0]
    assert first["history_length"] == 2
    assert [positive["new_thread"] for positive in after(first) if positive["level"] == "broad"] == [False, True, True, False, False]
    assert not any(positive["new_thread"] for positive in first["positives"] if positive["where"] == "inside")


def test_duplicates_share_the_label_of_their_group() -> None:
    history = [unit(number, duplicate_group="hash0") for number in range(6)]
    example = example_of(history, labelled=history[:1])
    assert {one["specific_item_id"] for one in example["labelled"]} == {"specific hash0"}
    assert len(example["labelled"]) == 6


def test_a_cut_is_past_only_if_all_its_futures_lie_before_the_time_split() -> None:
    history = [unit(number) for number in range(10)]
    split_at = int((START + timedelta(minutes=6)).timestamp() * 1e6)
    example = example_of(history, split_at=split_at, cuts_per_person=99, future_units=2)
    assert [(cut["history_length"], cut["period"]) for cut in example["cuts"]] == [
        (2, "past"), (3, "past"), (4, "past"), (5, "future"), (6, "future"), (7, "future"), (8, "future"),
    ]  # fmt: skip


def test_time_split_is_a_quantile_and_leaves_no_past_without_units() -> None:
    import numpy as np

    assert time_split(np.arange(11), 0.8) == 8
    assert time_split(np.zeros(0, np.int64), 0.8) == 0


def test_everybody_belongs_to_one_split_in_the_configured_shares() -> None:
    held_out = HeldOut(validation_share=0.15, test_share=0.25)
    splits = [held_out.split_of(f"person {number}") for number in range(4000)]
    shares = {split: splits.count(split) / 4000 for split in ("train", "validation", "test")}
    assert shares["validation"] == pytest.approx(0.15, abs=0.03)
    assert shares["test"] == pytest.approx(0.25, abs=0.03)
    assert held_out.split_of("person 7") == splits[7]
    assert HeldOut(validation_share=0, test_share=0).split_of("anybody") == "train"


def test_of_two_teachers_the_one_with_most_labels_wins_and_ties_go_by_name() -> None:
    def table(rows: list[tuple[str, str]]) -> pa.Table:
        columns = {"unit_hash": [row[0] for row in rows], "teacher_version": [row[1] for row in rows]}
        return pa.table(columns | {"specific": [f"{row[1]} words" for row in rows], "broad": ["Tea"] * len(rows)})

    most = choose_labels(table([("a", "small"), ("a", "zealous"), ("b", "zealous")]))
    assert {content: label.teacher_version for content, label in most.items()} == {"a": "zealous", "b": "zealous"}
    assert most["a"].specific_item_id == label_item_id("specific", "Zealous WORDS!")
    tie = choose_labels(table([("a", "second"), ("a", "first")]))
    assert tie["a"].teacher_version == "first"


def test_labelled_people_are_found_by_content_and_counted_with_the_others() -> None:
    chunks = [
        {"person_id": "one", "bucket": 3, "chunk": 0, "units": [unit(0), unit(1)]},
        {"person_id": "one", "bucket": 3, "chunk": 1, "units": [unit(2, duplicate_group="hash0")]},
        {"person_id": "two", "bucket": 1, "chunk": 0, "units": [unit(3)]},
    ]
    rows = [chunk | {"user_ids": [], "first_at": START, "last_at": START} for chunk in chunks]
    found = labelled_people(rows_table(SEQUENCES, rows).to_batches(), {"hash0"})
    assert found.by_bucket == {3: ["one"]}
    assert found.people == 2
    assert found.times.tolist() == [int((START + timedelta(minutes=number)).timestamp() * 1e6) for number in (0, 2)]


def test_nobody_is_labelled_in_an_empty_table() -> None:
    found = labelled_people(rows_table(SEQUENCES, []).to_batches(), set())
    assert (found.by_bucket, found.people, len(found.times)) == ({}, 0, 0)


def test_the_newest_units_are_joined_over_chunks_and_older_threads_remembered() -> None:
    chunks = pa.array([[unit(0, "a"), unit(1, None)], [unit(2, "b"), unit(3, "c")], [unit(4, "c")]])
    newest, older_threads = newest_units(list(chunks), 2)
    assert [one["unit_id"] for one in newest] == ["reddit:t1_003", "reddit:t1_004"]
    assert older_threads == {"a", "b"}
    everything, nothing = newest_units(list(chunks), 50)
    assert len(everything) == 5
    assert nothing == set()


def test_an_example_fits_its_row_model() -> None:
    row = example_of([unit(number, "thread") for number in range(9)])
    assert checked_table(EXAMPLES, rows_table(EXAMPLES, [row])).num_rows == 1
