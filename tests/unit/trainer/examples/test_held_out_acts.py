"""Acts held out of everybody's training: nothing of an example but the cuts that ask for them knows of them."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from lake.examples import EXAMPLES, PERSON_LABELS, HeldOut, answer_key
from lake.schema import checked_table, rows_table
from lake.units import SEQUENCES
from tests.unit.trainer.examples.test_example_people import START, chunk, films, label, rated
from trainer.config import ExamplesConfig
from trainer.examples.cuts import held_out
from trainer.examples.people import TimeSplit, examples_of, people_of


def moment(minutes: float) -> int:
    return int((START + timedelta(minutes=minutes)).timestamp()) * 1_000_000


def made(numbers: list[str], texts: dict[str, str] | None = None, dropped: Counter[str] | None = None, **settings: Any) -> list[dict[str, Any]]:
    """Examples of somebody who rates these films, one a minute, the third and the last but two of them labelled; the films after minute 6 are to choose by, those after 8 to judge by."""
    config = ExamplesConfig(cuts_per_person=9, min_past_units=2, min_future_units=1, min_future_labels=1).model_copy(update=settings)
    chunks = [chunk("a", 0, [rated(number, film) for number, film in enumerate(numbers)])]
    labels = [label("a", number, f"label {number}") for number in (2, len(numbers) - 2)]
    people = people_of(
        rows_table(SEQUENCES, chunks).select(["person_id", "chunk", "units"]), rows_table(PERSON_LABELS, labels), films(*set(numbers), texts=texts)
    )
    table = examples_of(people, TimeSplit(moment(8), moment(6)), config, Counter(), Counter() if dropped is None else dropped)
    return checked_table(EXAMPLES, table).to_pylist()


def parts(row: dict[str, Any]) -> dict[str, list[tuple[int, list[int]]]]:
    return {part: [(cut["history_length"], cut["acted_on"]) for cut in row["cuts"] if cut["part"] == part] for part in (None, "validation", "test")}


def test_each_persons_last_item_is_judged_by_and_the_one_before_chosen_by_and_nothing_else_knows_them() -> None:
    (row,) = made(["1", "2", "3", "4", "5", "6", "7", "8", "2"], held_out_acts="last")
    assert (row["held_out_acts"], row["trained_units"], row["split"]) == ("last", 6, "train")
    of = parts(row)
    assert (of["validation"], of["test"]) == ([(6, [6])], [(7, [7])])
    assert max(place for _, places in of[None] for place in places) == 5
    assert {cut["period"] for cut in row["cuts"] if cut["part"] is None} == {"past"}
    assert {answer_key(f"Film {film}") for film in "123456"} < set(row["did"])
    assert not {answer_key(f"Film {film}") for film in "78"} & set(row["did"])
    assert [each["specific"] for each in row["labelled"]] == ["label 2"]
    assert len(row["history"]) == 9
    assert len(row["acted_on"]) == 9


def test_the_last_item_is_the_last_that_is_met_for_the_first_time_by_its_words() -> None:
    (row,) = made(["1", "2", "3", "4", "5", "6", "7", "1"], {"7": "film 2"}, held_out_acts="last")
    assert (parts(row)["validation"], parts(row)["test"]) == ([(4, [4])], [(5, [5])])


def test_who_acts_on_too_few_items_is_trained_on_alone() -> None:
    (row,) = made(["1", "2", "1", "2", "1", "2"], held_out_acts="last", min_past_units=1)
    assert row["trained_units"] == 6
    assert {cut["part"] for cut in row["cuts"]} == {None}


def test_later_acts_are_those_after_one_moment_for_everybody() -> None:
    (row,) = made(["1", "2", "3", "4", "5", "6", "7", "8", "9", "1", "10"], held_out_acts="later")
    of = parts(row)
    assert (row["trained_units"], of["validation"], of["test"]) == (6, [(6, [6, 7])], [(8, [8, 10])])
    assert max(place for _, places in of[None] for place in places) == 5


def test_who_begins_after_the_moment_to_choose_by_is_asked_about_what_comes_after_the_one_to_judge_by() -> None:
    (row,) = made([str(film) for film in range(11)], held_out_acts="later", min_past_units=7)
    assert [(cut["part"], cut["history_length"]) for cut in row["cuts"]] == [("test", 8)]
    dropped: Counter[str] = Counter()
    assert made([str(film) for film in range(11)], dropped=dropped, held_out_acts="later", min_past_units=9) == []
    assert dropped == {"people: too few units": 1}


def test_only_the_newest_units_are_kept_of_a_history_with_held_out_acts_too() -> None:
    (row,) = made([str(film) for film in range(11)], held_out_acts="later", max_history_units=7)
    assert (row["trained_units"], parts(row)["validation"], parts(row)["test"]) == (2, [(2, [2, 3])], [(4, [4, 5, 6])])


def test_without_the_setting_whole_people_are_held_out_and_rows_say_so() -> None:
    (row,) = made([str(film) for film in range(11)])
    assert (row["held_out_acts"], row["trained_units"], {cut["part"] for cut in row["cuts"]}) == (None, None, {None})
    assert max(place for cut in row["cuts"] for place in cut["acted_on"]) == 10
    assert held_out(ExamplesConfig(held_out_acts="last")) == HeldOut(validation_share=0, test_share=0, acts="last")
    for settings in ({"held_out_acts": "last", "held_out_communities": ["tea"]}, {"held_out_acts": "later", "past_share": 0.1}):
        with pytest.raises(ValidationError, match="held_out_acts"):
            ExamplesConfig(**settings)  # type: ignore[arg-type]
