"""Job `etl units` with real Spark and Delta: which `duplicate_group` units get, and what later months, deletions and settings change about it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from etl.jobs import units as job
from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.job_runs import last_done_run
from lake.schema import rows_table
from lake.units import UNIT_SIGNATURES, UNITS
from tests.etl_rows import START, act

LONG = " ".join(f"word{number}" for number in range(60))
NEARLY = LONG.replace("word30 ", "")


def said(unit_id: str, day: int, text: str = LONG, month: str = "RC_1", **values: Any) -> dict[str, Any]:
    """An act in a thread of its own."""
    return act(unit_id, None, f"thread of {unit_id}", text=text, created_at=START + timedelta(days=day), source_file=month, **values)


def write_acts(lake: LakeConfig, *acts: dict[str, Any]) -> None:
    arrow_tables.append(lake, ACTS, rows_table(ACTS, [row | {"line": number} for number, row in enumerate(acts, 1)]))


def groups(lake: LakeConfig, *arguments: str) -> dict[str, str | None]:
    """Run the job; the unit that stands for each one, None where it stands for itself."""
    job.main(["--lake", lake.path, *arguments])
    rows = arrow_tables.read(lake, UNITS).to_pylist()
    unit_of = {row["unit_hash"]: row["unit_id"] for row in sorted(rows, key=lambda row: row["created_at"], reverse=True)}
    return {row["unit_id"]: row["duplicate_group"] and unit_of[row["duplicate_group"]] for row in rows}


def rows_counted(lake: LakeConfig) -> dict[str, int]:
    run = last_done_run(lake, job.JOB)
    assert run is not None
    return run.rows


def test_the_oldest_of_a_partition_stands_for_those_that_say_nearly_the_same(lake: LakeConfig, spark: SparkSession) -> None:
    write_acts(
        lake, said("copy", 3), said("oldest", 1), said("near", 2, NEARLY), said("b of a tie", 1, text="one two " * 10), said("a of a tie", 1, text="one two " * 10),
        said("other", 1, text=LONG[::-1]), said("elsewhere", 4, thread_group="1"), said("short", 1, "thank you"), said("short too", 2, "thank you"),
    )  # fmt: skip
    assert groups(lake) == {
        "oldest": None, "copy": "oldest", "near": "oldest", "a of a tie": None, "b of a tie": "a of a tie", "other": None, "elsewhere": None,
        "short": None, "short too": None,
    }  # fmt: skip
    assert rows_counted(lake) == {"acts": 9, "units": 9, "units that say what an older one says": 3, job.IDS_OF_SEVERAL: 0}
    signed = arrow_tables.read(lake, UNIT_SIGNATURES)
    assert sorted(signed["unit_id"].to_pylist()) == ["a of a tie", "b of a tie", "copy", "elsewhere", "near", "oldest", "other"]


def test_copies_of_a_later_month_leave_files_of_units_as_they_are(lake: LakeConfig, spark: SparkSession) -> None:
    write_acts(lake, said("oldest", 1), said("copy", 2))
    groups(lake)
    before = set(arrow_tables.open_table(lake, UNITS).file_uris())
    write_acts(lake, said("later", 40, NEARLY, month="RC_2"))
    assert groups(lake) == {"oldest": None, "copy": "oldest", "later": "oldest"}
    assert before < set(arrow_tables.open_table(lake, UNITS).file_uris())
    assert rows_counted(lake) == {"acts": 1, "units": 1, "units that say what an older one says": 2, job.IDS_OF_SEVERAL: 0}


def test_an_older_copy_that_arrives_late_stands_for_all(lake: LakeConfig, spark: SparkSession) -> None:
    write_acts(lake, said("first known", 11), said("copy", 12))
    assert groups(lake) == {"first known": None, "copy": "first known"}
    write_acts(lake, said("older", 1, month="RC_0"))
    assert groups(lake) == {"older": None, "first known": "older", "copy": "older"}


def test_a_late_parent_changes_the_hash_that_a_group_goes_by(lake: LakeConfig, spark: SparkSession) -> None:
    reply = act("oldest", "parent", "t", text=LONG, source_file="RC_1")
    write_acts(lake, reply, said("copy", 2))
    groups(lake)
    hashes = {row["unit_id"]: row["unit_hash"] for row in arrow_tables.read(lake, UNITS).to_pylist()}
    write_acts(lake, act("parent", "t", "t", source_file="RC_0"))
    assert groups(lake) == {"oldest": None, "copy": "oldest", "parent": None}
    after = {row["unit_id"]: row["unit_hash"] for row in arrow_tables.read(lake, UNITS).to_pylist()}
    assert after["oldest"] != hashes["oldest"]
    assert after["copy"] == hashes["copy"]


def test_who_loses_the_one_that_stood_for_them_goes_by_the_next_oldest(lake: LakeConfig, spark: SparkSession) -> None:
    write_acts(
        lake, said("oldest", 1), said("second", 2), said("third", 3), said("pair", 4, text="one two " * 10), said("pair's copy", 5, text="one two " * 10)
    )
    assert groups(lake)["third"] == "oldest"
    gone = {"month": "RC_2", "state": "deleted", "attributes": {"deleted_later": "true"}}
    write_acts(lake, said("oldest", 1, **gone) | {"text": None}, said("pair", 4, **gone) | {"text": None})
    assert groups(lake) == {"second": None, "third": "second", "pair's copy": None}
    assert arrow_tables.count_rows(lake, UNIT_SIGNATURES) == 3


def test_groups_of_a_replaced_file_are_made_again(lake: LakeConfig, spark: SparkSession) -> None:
    write_acts(lake, said("oldest", 1, month="RC_1"), said("elsewhere", 1, thread_group="1", month="RC_3"))
    write_acts(lake, said("copy", 2, month="RC_2"))
    assert groups(lake) == {"oldest": None, "copy": "oldest", "elsewhere": None}
    acts = arrow_tables.read(lake, ACTS).to_pylist()
    replaced = [row | ({"text": LONG[::-1]} if row["unit_id"] == "oldest" else {}) for row in acts]
    arrow_tables.overwrite(lake, ACTS, rows_table(ACTS, replaced))
    assert groups(lake) == {"oldest": None, "copy": None, "elsewhere": None}


def test_without_the_search_there_are_no_groups_and_no_signatures(lake: LakeConfig, spark: SparkSession) -> None:
    write_acts(lake, said("oldest", 1), said("copy", 2))
    off = ("--set", "etl.find_duplicates=false")
    assert groups(lake, *off) == {"oldest": None, "copy": None}
    assert rows_counted(lake) == {"acts": 2, "units": 2, job.IDS_OF_SEVERAL: 0}
    assert arrow_tables.count_rows(lake, UNIT_SIGNATURES) == 0
    assert groups(lake) == {"oldest": None, "copy": "oldest"}
    assert groups(lake, *off) == {"oldest": None, "copy": None}
    assert arrow_tables.count_rows(lake, UNIT_SIGNATURES) == 0


def test_files_that_were_never_part_of_the_table_are_deleted(lake: LakeConfig, spark: SparkSession) -> None:
    write_acts(lake, said("oldest", 1), said("copy", 2))
    groups(lake)
    assert {str(path) for path in (Path(lake.path) / UNITS.name).rglob("*.parquet")} == set(arrow_tables.open_table(lake, UNITS).file_uris())
