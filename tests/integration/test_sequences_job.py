"""Job `etl sequences` with real Spark and Delta: people of several accounts, bounded histories, batch borders, second runs."""

import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from etl.jobs import sequences as job
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import last_done_run
from lake.rendering import nearest_context
from lake.units import IDENTITIES, SEQUENCES, UNITS, Identity, sequence_bucket
from tests.etl_rows import entry, unit, units_table
from tests.kills import kill_at_first_file


def make_sequences(lake: LakeConfig, **settings: int) -> dict[tuple[str, int], dict[str, Any]]:
    """Run the job; chunks by person and number, read without Spark."""
    given = {"min_units_per_person": 1} | settings
    job.main(["--lake", lake.path, *(part for name, value in given.items() for part in ("--set", f"etl.{name}={value}"))])
    rows = arrow_tables.read(lake, SEQUENCES).to_pylist()
    assert len(rows) == len({(row["person_id"], row["chunk"]) for row in rows})
    return {(row["person_id"], row["chunk"]): row for row in rows}


def ids(chunks: dict[tuple[str, int], dict[str, Any]]) -> dict[tuple[str, int], list[str]]:
    return {key: [member["unit_id"] for member in row["units"]] for key, row in chunks.items()}


def test_accounts_of_one_person_share_a_history_in_order_of_time(lake: LakeConfig, spark: SparkSession) -> None:
    units = [unit("b", "x", 2), unit("a", "y", 2), unit("c", "x", 1), unit("d", "y", 3), unit("e", "z", 0)]
    arrow_tables.append(lake, UNITS, units_table(units))
    assert ids(make_sequences(lake, units_per_chunk=3)) == {("x", 0): ["c", "b"], ("y", 0): ["a", "d"], ("z", 0): ["e"]}
    arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id=name, person_id="x") for name in ("x", "y")])
    chunks = make_sequences(lake, units_per_chunk=3)
    assert ids(chunks) == {("x", 0): ["c", "a", "b"], ("x", 1): ["d"], ("z", 0): ["e"]}
    assert [chunks[key]["user_ids"] for key in sorted(chunks)] == [["x", "y"], ["y"], ["z"]]
    assert {row["bucket"] for key, row in chunks.items() if key[0] == "x"} == {sequence_bucket("x", 16)}


def test_history_keeps_the_root_and_the_nearest_parents_and_cuts_every_text(lake: LakeConfig, spark: SparkSession) -> None:
    context = [entry("root", "r" * 50), *(entry("parent", name * 50) for name in "abcd")]
    units = [unit("long", title="t" * 50, text="ü" * 50, context=context), unit("short", minutes=1, context=context[:2])]
    arrow_tables.append(lake, UNITS, units_table(units))
    (row,) = make_sequences(lake, history_text_chars=30, history_context_chars=20, history_parents=2).values()
    long, short = row["units"]
    assert (long["title"], long["text"]) == ("t" * 30, "ü" * 30)
    assert long["context"] == [found | {"text": found["text"][:20]} for found in nearest_context(context, 2)]
    assert [found["text"] for found in short["context"]] == ["r" * 20, "a" * 20]


def test_second_run_writes_nothing_and_other_settings_do(lake: LakeConfig, spark: SparkSession) -> None:
    units = [unit(f"{person}{number}", f"person {person}", number % 7) for person in range(5) for number in range(person * 4)]
    arrow_tables.append(lake, UNITS, units_table(units))
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 3)
    try:
        in_small_batches = make_sequences(lake, min_units_per_person=5, units_per_chunk=4)
    finally:
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    version = arrow_tables.table_version(lake, SEQUENCES)
    assert make_sequences(lake, min_units_per_person=5, units_per_chunk=4) == in_small_batches
    assert arrow_tables.table_version(lake, SEQUENCES) == version
    run = last_done_run(lake, job.JOB)
    assert run is not None
    assert run.versions_read == {"units": 1}
    chunks = make_sequences(lake, min_units_per_person=5, units_per_chunk=5)
    assert sorted(len(row["units"]) for row in chunks.values()) == [1, 2, 3, 5, 5, 5, 5, 5, 5]
    run = last_done_run(lake, job.JOB)
    assert run is not None
    assert (run.rows, run.dropped) == ({"people": 3, "units": 36, "chunks": 9}, {"people with too few units": 1, "units of people with too few": 4})


def test_no_units_make_an_empty_table(lake: LakeConfig, spark: SparkSession) -> None:
    arrow_tables.create_table(lake, UNITS)
    assert make_sequences(lake) == {}


def test_killed_in_the_middle_of_a_write_and_run_again_gives_the_sequences_of_an_undisturbed_run(
    lake: LakeConfig, spark: SparkSession, tmp_path: Path
) -> None:  # fmt: skip
    units = units_table([unit(f"{person}-{number}", f"person {person}", number) for person in range(60) for number in range(12)])
    undisturbed = LakeConfig(path=str(tmp_path / "undisturbed"))
    arrow_tables.append(undisturbed, UNITS, units)
    expected = make_sequences(undisturbed, units_per_chunk=5)
    arrow_tables.append(lake, UNITS, units)
    settings = ["--set", "etl.min_units_per_person=1", "--set", "etl.units_per_chunk=5"]
    kill_at_first_file([sys.executable, "-m", "etl.jobs.sequences", "--lake", lake.path, *settings], Path(lake.path) / SEQUENCES.name)
    assert arrow_tables.read(lake, SEQUENCES).num_rows == 0
    assert make_sequences(lake, units_per_chunk=5) == expected
