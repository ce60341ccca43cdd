"""Whom the teacher labels, and the batches that make a killed run equal to an undisturbed one."""

import hashlib
from typing import Any

import pyarrow as pa

from teacher.selection import contents_of, cut_batches, one_unit_a_content, pending_batches, whole_people, with_persons

COLUMNS = ("unit_id", "user_id", "unit_hash", "duplicate_group")
SCHEMA = pa.schema([(column, pa.string()) for column in COLUMNS])


def unit_rows(*rows: tuple[str, str, str, str | None]) -> pa.Table:
    return contents_of(pa.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in rows], schema=SCHEMA))


def people_of(counts: dict[str, int], identities: dict[str, str] | None = None) -> pa.Table:
    rows = [(f"{user}-{number}", user, f"hash-{user}-{number}", None) for user, count in counts.items() for number in range(count)]
    return with_persons(unit_rows(*rows), identities or {})


def chosen(units: pa.Table, **limits: Any) -> set[str]:
    return set(whole_people(units, **limits)["person_id"].to_pylist())


def by_hash(*people: str) -> list[str]:
    return sorted(people, key=lambda person: hashlib.sha256(person.encode()).hexdigest())


def test_people_are_taken_whole_until_the_next_would_pass_the_limit() -> None:
    first, second, third = by_hash("ann", "bob", "cat")
    units = people_of({first: 5, second: 6, third: 5})
    assert chosen(units, max_units=11, min_units=5) == {first, second}
    assert chosen(units, max_units=10, min_units=5) == {first}
    assert whole_people(units, 11, 5).num_rows == 11


def test_one_person_is_taken_even_beyond_the_limit() -> None:
    assert len(chosen(people_of({"ann": 9, "bob": 9}), max_units=3, min_units=5)) == 1


def test_people_with_few_units_are_passed_over() -> None:
    assert chosen(people_of({"ann": 4, "bob": 5}), max_units=100, min_units=5) == {"bob"}


def test_identities_join_accounts_before_people_are_counted() -> None:
    units = people_of({"ann": 3, "ann2": 3}, {"ann2": "ann"})
    assert chosen(units, max_units=100, min_units=5) == {"ann"}


def test_nobody_there_is_nobody_chosen() -> None:
    empty = with_persons(unit_rows(), {})
    assert whole_people(empty, 10, 5).num_rows == 0
    assert one_unit_a_content(empty) == {}
    assert cut_batches([], 4, "v") == []


def test_duplicates_are_one_content_shown_by_the_unit_that_stands_for_them() -> None:
    units = unit_rows(("a", "u", "copy", "original"), ("b", "u", "original", "original"), ("c", "u", "alone", None))
    assert one_unit_a_content(units) == {"original": "b", "alone": "c"}


def test_of_equal_contents_the_first_unit_id_is_shown_whatever_the_order_of_rows() -> None:
    assert one_unit_a_content(unit_rows(("b", "u", "x", None), ("a", "u", "x", None))) == {"x": "a"}


def test_batches_depend_on_contents_and_teacher_alone() -> None:
    batches = cut_batches(["d", "a", "c", "b", "a"], 2, "v")
    assert [batch.contents for batch in batches] == [("a", "b"), ("c", "d")]
    assert batches == cut_batches(["a", "b", "c", "d"], 2, "v")
    assert {batch.batch_id for batch in batches}.isdisjoint(batch.batch_id for batch in cut_batches("abcd", 2, "other"))


def test_answered_batches_are_not_pending() -> None:
    first, second = cut_batches("abcd", 2, "v")
    assert pending_batches([first, second], {"a", "b"}) == [second]


def test_contents_answered_in_a_batch_of_an_earlier_selection_are_left_out() -> None:
    (batch,) = cut_batches("abcd", 4, "v")
    (pending,) = pending_batches([batch], {"b"})
    assert pending == (batch.batch_id, ("a", "c", "d"))
