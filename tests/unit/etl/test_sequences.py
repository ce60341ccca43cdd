"""Units -> chunks: streamed over any batch borders, bounded in units and bytes, nobody with too few."""

import random
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from etl.sequences import TOO_FEW, UNITS_LEFT_OUT, ChunkLimits, chunks_of_rows, cut_points
from lake.schema import arrow_schema
from lake.units import SEQUENCES
from tests.etl_rows import unit, units_table


def stream(units: list[dict[str, Any]], batch_rows: int) -> list[pa.RecordBatch]:
    """Units as the sequences job hands them to Python, in batches."""
    table = units_table(sorted(units, key=lambda row: (row["user_id"], row["created_at"], row["unit_id"])))
    table = table.append_column("person_id", table["user_id"]).append_column("bucket", pa.array([3] * table.num_rows, pa.int64()))
    return table.to_batches(max_chunksize=batch_rows)


def chunk(units: list[dict[str, Any]], limits: ChunkLimits, batch_rows: int = 1000) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Rows of `sequences` and the counts."""
    rows, counts = [], Counter[str]()
    for table, counted in chunks_of_rows(stream(units, batch_rows), limits):
        assert table.schema.equals(arrow_schema(SEQUENCES))
        rows += table.to_pylist()
        counts.update(counted)
    return rows, counts


def ids(rows: list[dict[str, Any]]) -> dict[tuple[str, int], list[str]]:
    return {(row["person_id"], row["chunk"]): [member["unit_id"] for member in row["units"]] for row in rows}


def limits(units: int = 3, size: int = 10**9, least: int = 1) -> ChunkLimits:
    return ChunkLimits(units, size, least)


def test_chunks_hold_a_persons_units_oldest_first_and_ties_go_by_id() -> None:
    rows, counts = chunk([unit("d", minutes=2), unit("b", minutes=1), unit("a", minutes=2), unit("c", minutes=2), unit("x", "q")], limits())
    assert ids(rows) == {("p", 0): ["b", "a", "c"], ("p", 1): ["d"], ("q", 0): ["x"]}
    assert counts == {"people": 2, "units": 5, "chunks": 3}


def test_chunk_tells_its_first_and_last_time_its_accounts_and_bucket() -> None:
    units = [unit("a", minutes=1), unit("b", minutes=5)]
    (row,), _ = chunk(units, limits())
    assert (row["first_at"], row["last_at"], row["user_ids"], row["bucket"]) == (units[0]["created_at"], units[1]["created_at"], ["p"], 3)


def test_people_with_too_few_units_are_counted_as_people() -> None:
    rows, counts = chunk([unit("a"), unit("b", "q"), unit("c", "q"), unit("d", "r")], limits(least=2))
    assert list(ids(rows)) == [("q", 0)]
    assert counts == {"people": 1, "units": 2, "chunks": 1, TOO_FEW: 2, UNITS_LEFT_OUT: 2}


def test_bytes_bound_a_chunk_and_a_longer_unit_stands_alone() -> None:
    units = [unit("a", minutes=0, text="x" * 400), unit("b", minutes=1, text="x" * 400), unit("c", minutes=2, text="x" * 5000), unit("d", minutes=3)]
    rows, _ = chunk(units, limits(units=10, size=1500))
    assert list(ids(rows).values()) == [["a", "b"], ["c"], ["d"]]


@pytest.mark.parametrize(
    ("sizes", "starts"), [([], []), ([1], [0]), ([4, 4, 4], [0, 2]), ([1, 1, 1, 1], [0, 3]), ([99, 1, 99], [0, 1, 2]), ([8, 1, 1], [0, 2])]
)
def test_cut_points_keep_to_both_limits(sizes: list[int], starts: list[int]) -> None:
    assert cut_points(sizes, limits(units=3, size=9)) == starts


@pytest.mark.parametrize("seed", range(40))
def test_borders_of_batches_change_nothing(seed: int) -> None:
    rng = random.Random(seed)
    units = [
        unit(f"{person}{number}", f"person {person}", rng.randint(0, 5), text="x" * rng.choice([1, 1, 500]))
        for person in range(rng.randint(1, 6))
        for number in range(rng.choice([1, 2, 3, 9, 20]))
    ]
    bounds = limits(rng.randint(1, 6), rng.choice([700, 2000, 10**9]), rng.randint(1, 8))
    whole = chunk(units, bounds)
    assert chunk(units, bounds, rng.randint(1, 9)) == whole
    assert whole[1]["units"] + whole[1][UNITS_LEFT_OUT] == len(units)


def test_no_more_than_the_open_chunk_is_held_back() -> None:
    units = [unit(f"{number:03}", minutes=number) for number in range(100)]
    found = [len(table) for table, _ in chunks_of_rows(stream(units, 10), limits(units=5))]
    assert found == [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]


def test_no_units_make_no_chunks() -> None:
    assert chunk([], limits()) == ([], Counter())
