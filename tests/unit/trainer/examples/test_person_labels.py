"""Which units of whom are labelled."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lake.examples import PERSON_LABELS
from lake.labels import label_item_id
from lake.schema import checked_table, rows_table
from lake.units import SEQUENCES
from tests.planted_people import history_unit
from trainer.examples.person_labels import HOUR, Times, label_index, labelled_units

START = datetime(2024, 1, 1, tzinfo=UTC)


def labels(rows: list[tuple[str, str]]) -> list[pa.RecordBatch]:
    columns = {"unit_hash": [row[0] for row in rows], "teacher_version": [row[1] for row in rows]}
    table = pa.table(columns | {"specific": [f"{row[1]} words" for row in rows], "broad": ["Tea"] * len(rows)})
    return table.to_batches(max_chunksize=2)


def chunks(*rows: dict[str, Any]) -> list[pa.RecordBatch]:
    whole = [row | {"user_ids": [], "first_at": START, "last_at": START} for row in rows]
    return rows_table(SEQUENCES, whole).to_batches(max_chunksize=1)


def unit(number: int, **values: Any) -> dict[str, Any]:
    return history_unit(f"u{number}", number, "words") | {"unit_hash": f"hash{number}"} | values


def test_units_are_labelled_by_content_or_the_group_that_it_stands_for() -> None:
    of_labelled, of_all = Times(), Times()
    index = label_index(labels([("hash0", "t"), ("hash9", "t")]), {"t": 0}, 0, 1)
    found = labelled_units(
        chunks(
            {"person_id": "one", "bucket": 3, "chunk": 0, "units": [unit(0), unit(1)]},
            {"person_id": "one", "bucket": 3, "chunk": 1, "units": [unit(2, duplicate_group="hash0"), unit(9, duplicate_group="hash1")]},
            {"person_id": "two", "bucket": 1, "chunk": 0, "units": [unit(3)]},
        ),
        index, of_labelled, of_all,
    )  # fmt: skip
    rows = checked_table(PERSON_LABELS, pa.concat_tables(rows for _, rows in found)).to_pylist()
    assert [(row["person_id"], row["bucket"], row["unit_id"], row["specific"], row["broad"]) for row in rows] == [
        ("one", 3, "u0", "t words", "Tea"), ("one", 3, "u2", "t words", "Tea"),
    ]  # fmt: skip
    assert {row["specific_item_id"] for row in rows} == {label_item_id("specific", "T WORDS!")}
    assert rows[1]["created_at"] == unit(2)["created_at"]
    assert (sum(of_labelled.counts.values()), sum(of_all.counts.values())) == (2, 5)


def test_of_two_teachers_the_one_of_the_least_rank_counts_and_one_without_a_rank_never() -> None:
    rows = [("a", "small"), ("a", "zealous"), ("b", "small"), ("c", "unwanted")]
    found = label_index(labels(rows), {"zealous": 0, "small": 1}, 0, 1)
    assert dict(zip(found.rows["unit_hash"].to_pylist(), found.rows["teacher_version"].to_pylist(), strict=True)) == {"a": "zealous", "b": "small"}


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_parts_of_the_labels_find_together_what_all_find(parts: int) -> None:
    rows = [(f"hash{number}", "t") for number in range(40)]
    wanted = pa.array([f"hash{number}" for number in range(0, 80, 3)])
    found = [label_index(labels(rows), {"t": 0}, part, parts).find(wanted) != -1 for part in range(parts)]
    assert np.sum(found, axis=0).tolist() == [int(number < 40) for number in range(0, 80, 3)]


def test_contents_that_share_a_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.examples.person_labels.content_hashes", lambda contents: np.full(len(contents), 7, np.uint64))
    index = label_index(labels([("hash0", "t")]), {"t": 0}, 0, 1)
    assert index.find(pa.array(["hash0", "hash1"])).tolist() == [0, -1]


def test_without_labels_nobody_has_one() -> None:
    index = label_index((), {}, 0, 1)
    assert list(labelled_units(chunks({"person_id": "one", "bucket": 0, "chunk": 0, "units": [unit(0)]}), index, Times(), Times())) == []


def test_the_time_split_is_the_end_of_the_hour_up_to_which_a_share_lies() -> None:
    times = Times()
    times.add(np.array([number * HOUR + 5 for number in range(10)]))
    assert times.quantile(0.8) == 8 * HOUR
    assert times.quantile(1) == 10 * HOUR
    assert Times().quantile(0.8) == 0
    times.add(np.array([int((datetime(1969, 1, 1, tzinfo=UTC) + timedelta(hours=1)).timestamp() * 1e6)]))
    assert times.quantile(0.01) < 0
