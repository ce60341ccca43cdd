"""Signatures -> which older unit stands for which, how partitions are shared out, and what is set in units."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.tasks.files import TableFile
from etl.units.duplicates import oldest_alike, portions, share_a_key, with_groups
from lake.units import SIGNATURE_BYTES


def signatures(*rows: list[int]) -> np.ndarray:
    """Signatures of which each eighth is one number eight times."""
    return np.repeat(np.array(rows, dtype=np.uint8).reshape(len(rows), 8), SIGNATURE_BYTES // 8, axis=1)


def changed(signature: np.ndarray, count: int) -> np.ndarray:
    """A signature with other values in so many places, spread over its bands as they come."""
    places = np.arange(count) * 8 % SIGNATURE_BYTES + np.arange(count) // 8
    other = signature.copy()
    other[places] += 101
    return other


BASE = np.random.default_rng(2).integers(0, 256, SIGNATURE_BYTES, dtype=np.uint8)


def test_the_oldest_stands_for_its_copies() -> None:
    one, other = list(range(8)), list(range(10, 18))
    assert oldest_alike(signatures(one, other, one, [99] * 8, other, one), 0.9).tolist() == [0, 1, 0, 3, 1, 0]


def test_nearly_equal_ones_count_from_the_similarity_on() -> None:
    # 6 of 64 bytes differ: (58 / 64 - 1 / 256) / (255 / 256) = 0.9059
    rows = np.stack([BASE, changed(BASE, 6)])
    assert oldest_alike(rows, 0.905).tolist() == [0, 0]
    assert oldest_alike(rows, 0.907).tolist() == [0, 1]


def test_a_group_is_where_the_oldest_leads() -> None:
    """The third is like the second alone, which is like the first: all are of one group."""
    second, third = changed(BASE, 4), changed(changed(BASE, 4)[::-1], 4)[::-1]
    rows = np.stack([BASE, second, third])
    assert oldest_alike(rows, 0.92).tolist() == [0, 0, 0]
    assert oldest_alike(rows[[0, 2]], 0.92).tolist() == [0, 1]


def test_one_that_shares_a_band_and_little_else_hides_no_copies() -> None:
    stranger = [0, 71, 72, 73, 74, 75, 76, 77]
    rows = signatures(stranger, list(range(8)), list(range(8)))
    assert oldest_alike(rows, 0.85).tolist() == [0, 1, 1]


def test_copies_are_found_though_strangers_are_the_oldest_of_every_band() -> None:
    strangers = [[place if place == number else 100 + number for place in range(8)] for number in range(8)]
    rows = signatures(*strangers, list(range(8)), list(range(8)))
    assert oldest_alike(rows, 0.85).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 8]


def test_a_hundred_thousand_copies_are_one_group() -> None:
    assert (oldest_alike(np.repeat(BASE[None], 100_000, axis=0), 0.85) == 0).all()


def test_nothing_and_one_alone_have_no_group() -> None:
    assert oldest_alike(np.empty((0, SIGNATURE_BYTES), np.uint8), 0.85).tolist() == []
    assert oldest_alike(BASE[None], 0.85).tolist() == [0]


def slowly(rows: np.ndarray, similarity: float) -> list[int]:
    """The same, a row at a time: the oldest of those that were first to have one of its bands, or all of it, and follow from there."""
    stands_for: list[int] = []
    first: dict[tuple[int, bytes], int] = {}
    for number, row in enumerate(rows):
        keys = [*((band, row[8 * band : 8 * band + 8].tobytes()) for band in range(8)), (8, row.tobytes())]
        older = {first.setdefault(key, number) for key in keys}
        nearest = min(other for other in older if ((rows[other] == row).mean() - 1 / 256) / (255 / 256) >= similarity)
        stands_for.append(number if nearest == number else stands_for[nearest])
    return stands_for


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20), st.integers(0, 20)), max_size=40))
def test_groups_are_those_of_a_slow_search(kinds: list[tuple[int, int, int]]) -> None:
    rows = np.random.default_rng(3).integers(0, 256, (3, SIGNATURE_BYTES), dtype=np.uint8)[[kind for kind, _, _ in kinds]]
    for row, (_, at_the_start, at_the_end) in zip(rows, kinds, strict=True):
        row[:at_the_start] += 7
        row[SIGNATURE_BYTES - at_the_end :] += 9
    assert oldest_alike(rows, 0.8).tolist() == slowly(rows, 0.8)


def test_only_rows_that_share_a_key_with_another_are_looked_at() -> None:
    parts = [np.array([[1, 10], [2, 20], [3, 30]], dtype=np.uint32), np.array([[4, 20], [10, 1], [3, 60], [3, 70]], dtype=np.uint32)]
    assert share_a_key(parts).tolist() == [False, True, True, True, False, True, True]
    assert share_a_key([]).tolist() == []


def file(path: str, group: str, size: int) -> TableFile:
    return TableFile(path, ("reddit", group), size)


def test_partitions_are_looked_through_in_portions_of_a_size() -> None:
    files = [file("a", "1", 5), file("b", "2", 3), file("c", "2", 3), file("d", "4", 30), file("e", "5", 1)]
    partitions = [("reddit", group) for group in "54321"]
    found = list(portions(partitions, files, at_most=11))
    assert found == [
        {("reddit", "1"): ["a"], ("reddit", "2"): ["b", "c"], ("reddit", "3"): []},
        {("reddit", "4"): ["d"]},
        {("reddit", "5"): ["e"]},
    ]
    assert list(portions([], [], at_most=11)) == []


@pytest.mark.parametrize("before", ["g", None])
def test_groups_are_set_and_taken_away(before: str | None) -> None:
    schema = pa.schema([("text", pa.string()), ("unit_id", pa.string()), ("duplicate_group", pa.string())])
    units = pa.RecordBatch.from_pylist([{"text": name, "unit_id": name, "duplicate_group": before} for name in "abc"], schema=schema)
    groups = pa.RecordBatch.from_pydict({"unit_id": ["c", "elsewhere"], "duplicate_group": ["h", "i"]})
    found = with_groups(units, groups)
    assert found.schema == schema
    assert found["duplicate_group"].to_pylist() == [None, None, "h"]
    assert with_groups(units, groups.slice(0, 0))["duplicate_group"].to_pylist() == [None] * 3
