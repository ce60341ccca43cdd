"""Units -> chunks: streamed over any batch borders, bounded in units and bytes, nobody with too few."""

import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from etl.sequences.chunks import TOO_FEW, UNITS_LEFT_OUT, HistoryLimits, chunks_of_rows, cut_points
from lake.schema import arrow_schema
from lake.units import SEQUENCES, SHORT_SEQUENCES
from tests.etl_rows import START, entry, unit, units_table


def stream(units: list[dict[str, Any]], batch_rows: int, known: dict[str, dict[str, Any]] | None = None) -> list[pa.RecordBatch]:
    """Units as the sequences job puts them in order, in batches; `known` is what was there before, by person."""
    rows = sorted(units, key=lambda row: (row["user_id"], row["created_at"], row["unit_id"]))
    table = units_table(rows)
    before = [{"next_chunk": 0, "last_at": None, "known_in": None} | (known or {}).get(row["user_id"], {}) for row in rows]
    columns = {
        "person_id": table["user_id"],
        "user_ids": pa.array([[row["user_id"]] for row in rows], pa.list_(pa.string())),
        "bucket": pa.array([3] * table.num_rows, pa.int64()),
        "next_chunk": pa.array([row["next_chunk"] for row in before], pa.int32()),
        "last_at": pa.array([row["last_at"] for row in before], table["created_at"].type),
        "known_in": pa.array([row["known_in"] for row in before], pa.string()),
    }
    for name, column in columns.items():
        table = table.append_column(name, column)
    return table.to_batches(max_chunksize=batch_rows)


def chunk(units: list[dict[str, Any]], limits: HistoryLimits, batch_rows: int = 1000, **known: dict[str, Any]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Rows of `sequences` and the counts."""
    rows, counts = [], Counter[str]()
    for made in chunks_of_rows(stream(units, batch_rows, known), limits):
        assert made.rows.schema.equals(arrow_schema(made.spec))
        rows += made.rows.to_pylist() if made.spec == SEQUENCES else []
        counts.update(made.counts)
    return rows, Counter({name: count for name, count in counts.items() if count})


def ids(rows: list[dict[str, Any]]) -> dict[tuple[str, int], list[str]]:
    return {(row["person_id"], row["chunk"]): [member["unit_id"] for member in row["units"]] for row in rows}


def limits(units: int = 3, size: int = 10**9, least: int = 1) -> HistoryLimits:
    return HistoryLimits(units, size, least, session_minutes=30)


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


def test_titles_and_texts_of_contexts_count_among_the_bytes() -> None:
    def chunks(**texts: Any) -> list[list[str]]:
        units = [unit(name, minutes=number, context=[entry("root", "") | texts]) for number, name in enumerate("ab")]
        return list(ids(chunk(units, limits(units=10, size=1500))[0]).values())

    assert chunks(title="x" * 150, text="x" * 150) == chunks(title=None, text="x" * 300) == [["a", "b"]]
    assert chunks(title="ü" * 150, text="x" * 150) == chunks(title="x" * 400, text="") == [["a"], ["b"]]


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
    found = [len(made.rows) for made in chunks_of_rows(stream(units, 10), limits(units=5)) if made.spec == SEQUENCES]
    assert found == [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]


def test_a_history_goes_on_with_the_next_number_and_needs_no_least() -> None:
    units = [unit("a", minutes=50), unit("b", minutes=51), unit("c", "q", minutes=50)]
    rows, _ = chunk(units, limits(units=1, least=2), p={"next_chunk": 4, "last_at": START + timedelta(minutes=49)})
    assert ids(rows) == {("p", 4): ["a"], ("p", 5): ["b"]}
    assert [row["units"][0]["starts_session"] for row in rows] == [False, False]


def test_people_with_too_few_units_wait_and_those_that_were_known_are_replaced() -> None:
    units = [unit("a"), unit("b", "q"), unit("c", "q")]
    made = list(chunks_of_rows(stream(units, 1, {"q": {"known_in": "short_sequences"}}), limits(least=2)))
    waiting = [row for part in made if part.spec == SHORT_SEQUENCES for row in part.rows.to_pylist()]
    assert ids(waiting) == {("p", 0): ["a"]}
    replaced = {(part.spec.name, partition, person) for part in made for partition, people in part.replaced.items() for person in people}
    assert replaced == {("short_sequences", ("3",), "q")}


@pytest.mark.parametrize("batch_rows", [1, 2, 100])
def test_a_session_starts_where_the_gap_is_long(batch_rows: int) -> None:
    minutes = [0, 30, 61, 61, 100]
    units = [unit(f"{number}", minutes=minute) for number, minute in enumerate(minutes)] + [unit("first of q", "q", minutes=100)]
    rows, _ = chunk(units, limits(units=2), batch_rows)
    assert [member["starts_session"] for row in rows for member in row["units"]] == [True, False, True, False, True, True]


def test_no_units_make_no_chunks() -> None:
    assert chunk([], limits()) == ([], Counter())
