"""Whom the teacher labels, and the batches that make a killed run equal to an undisturbed one."""

import hashlib
from typing import Any

import pyarrow as pa

from teacher.selection import content_batches, contents_of, one_unit_a_content, units_of_people, whole_people, with_persons

COLUMNS = ("unit_id", "user_id", "unit_hash", "duplicate_group")
SCHEMA = pa.schema([(column, pa.string()) for column in COLUMNS])


def unit_rows(*rows: tuple[str, str, str, str | None]) -> pa.Table:
    return contents_of(pa.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in rows], schema=SCHEMA))


def people_of(counts: dict[str, int], identities: dict[str, str] | None = None) -> pa.Table:
    rows = [(f"{user}-{number}", user, f"hash-{user}-{number}", None) for user, count in counts.items() for number in range(count)]
    return with_persons(unit_rows(*rows), identities or {})


def chosen(units: pa.Table, **limits: Any) -> set[str]:
    return set(whole_people(units_of_people(units), **limits).to_pylist())


def shown(units: pa.Table) -> dict[str, str]:
    found = one_unit_a_content(units)
    return dict(zip(found["content"].to_pylist(), found["unit_id"].to_pylist(), strict=True))


def by_hash(*people: str) -> list[str]:
    return sorted(people, key=lambda person: hashlib.sha256(person.encode()).hexdigest())


def test_people_are_taken_whole_until_the_next_would_pass_the_limit() -> None:
    first, second, third = by_hash("ann", "bob", "cat")
    units = people_of({first: 5, second: 6, third: 5})
    assert chosen(units, max_units=11, min_units=5) == {first, second}
    assert chosen(units, max_units=10, min_units=5) == {first}
    apart = pa.concat_tables([units_of_people(units.slice(start, 4)) for start in range(0, 16, 4)])
    assert set(whole_people(apart, 11, 5).to_pylist()) == {first, second}, "as their units lie in several partitions"


def test_one_person_is_taken_even_beyond_the_limit() -> None:
    assert len(chosen(people_of({"ann": 9, "bob": 9}), max_units=3, min_units=5)) == 1


def test_people_with_few_units_are_passed_over() -> None:
    assert chosen(people_of({"ann": 4, "bob": 5}), max_units=100, min_units=5) == {"bob"}


def test_identities_join_accounts_before_people_are_counted() -> None:
    units = people_of({"ann": 3, "ann2": 3}, {"ann2": "ann"})
    assert chosen(units, max_units=100, min_units=5) == {"ann"}


def test_nobody_there_is_nobody_chosen() -> None:
    empty = with_persons(unit_rows(), {})
    assert len(whole_people(units_of_people(empty), 10, 5)) == 0
    assert one_unit_a_content(empty).num_rows == 0
    assert list(content_batches([], 4, "v")) == []


def test_duplicates_are_one_content_shown_by_the_unit_that_stands_for_them() -> None:
    units = unit_rows(("a", "u", "copy", "original"), ("b", "u", "original", "original"), ("c", "u", "alone", None))
    assert shown(units) == {"original": "b", "alone": "c"}


def test_of_equal_contents_the_first_unit_id_is_shown_whatever_the_order_of_rows() -> None:
    assert shown(unit_rows(("b", "u", "x", None), ("a", "u", "x", None))) == {"x": "a"}


def test_batches_are_cut_as_contents_come_and_known_by_them_and_the_teacher() -> None:
    units: list[tuple[str, dict[str, Any]]] = [(content, {"text": content}) for content in "dacb"]
    batches = list(content_batches(units, 3, "v"))
    assert [list(batch.units) for batch in batches] == [["d", "a", "c"], ["b"]]
    assert list(content_batches(units[3:], 3, "v")) == batches[1:], "where a killed run goes on"
    assert {batch.batch_id for batch in batches}.isdisjoint(batch.batch_id for batch in content_batches(units, 3, "other"))
