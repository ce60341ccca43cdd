"""Job `etl sequences` with real Spark and Delta: people of several accounts, bounded histories, batch borders, second runs."""

import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from etl.jobs import sequences as job
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import last_done_run
from lake.pseudonyms import load_key, pseudonym
from lake.rendering import nearest_context
from lake.units import IDENTITIES, SEQUENCES, SHORT_SEQUENCES, UNITS, Identity, sequence_bucket
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
    context = [entry("root", "r" * 50, title="ö" * 40), *(entry("parent", name * 50) for name in "abcd")]
    units = [unit("long", title="t" * 50, text="ü" * 50, context=context), unit("short", minutes=1, context=context[:2])]
    arrow_tables.append(lake, UNITS, units_table(units))
    (row,) = make_sequences(lake, history_text_chars=30, history_context_chars=20, history_parents=2).values()
    long, short = row["units"]
    assert (long["title"], long["text"]) == ("t" * 30, "ü" * 30)
    assert long["context"] == [found | {"title": found["title"] and "ö" * 20, "text": found["text"][:20]} for found in nearest_context(context, 2)]
    assert [found["text"] for found in short["context"]] == ["r" * 20, "a" * 20]


def test_the_platforms_own_form_comes_into_histories_where_a_setting_asks_for_it(lake: LakeConfig, spark: SparkSession) -> None:
    arrow_tables.append(lake, UNITS, units_table([unit("a", source_text="<b>" + "x" * 50), unit("b", minutes=1)]))
    (row,) = make_sequences(lake).values()
    assert [each["source_text"] for each in row["units"]] == [None, None]
    (row,) = make_sequences(lake, history_source_text_chars=20).values()
    assert [each["source_text"] for each in row["units"]] == ["<b>" + "x" * 17, None]


def test_second_run_writes_nothing_and_other_settings_do(lake: LakeConfig, spark: SparkSession) -> None:
    units = [unit(f"{person}{number}", f"person {person}", number % 7) for person in range(5) for number in range(person * 4)]
    arrow_tables.append(lake, UNITS, units_table(units))
    first = make_sequences(lake, min_units_per_person=5, units_per_chunk=4)
    version = arrow_tables.table_version(lake, SEQUENCES)
    assert make_sequences(lake, min_units_per_person=5, units_per_chunk=4) == first
    assert arrow_tables.table_version(lake, SEQUENCES) == version
    run = last_done_run(lake, job.JOB)
    assert run is not None
    assert run.versions_read == {"units": 1}
    chunks = make_sequences(lake, min_units_per_person=5, units_per_chunk=5)
    assert sorted(len(row["units"]) for row in chunks.values()) == [1, 2, 3, 5, 5, 5, 5, 5, 5]
    run = last_done_run(lake, job.JOB)
    assert run is not None
    assert (run.rows, run.dropped) == ({"people": 3, "units": 36, "chunks": 9}, {"people with too few units": 1, "units of people with too few": 4})


def histories(lake: LakeConfig) -> dict[str, list[dict[str, Any]]]:
    """Each person's units in order of the chunks, as a reader joins them; people who wait for more units too."""
    rows = [row for spec in (SEQUENCES, SHORT_SEQUENCES) for row in arrow_tables.read(lake, spec).sort_by("chunk").to_pylist()]
    people = sorted({row["person_id"] for row in rows})
    return {person: [member for row in rows if row["person_id"] == person for member in row["units"]] for person in people}


def test_a_new_month_adds_chunks_and_readers_see_the_histories_of_a_full_build(lake: LakeConfig, spark: SparkSession, tmp_path: Path) -> None:
    a_month = 60 * 24 * 30
    months: list[list[dict[str, Any]]] = [
        [unit(f"{person}1{number}", person, number) for person, count in [("a", 7), ("few", 2), ("few then more", 2), ("gone", 5)] for number in range(count)],
        [unit(f"{person}2{number}", person, a_month + number) for person, count in [("a", 6), ("few then more", 3), ("new", 4)] for number in range(count)],
        [unit("late", "a", 3), unit("c", "a", 2 * a_month), unit("d", "new", 2 * a_month), unit("at the same time", "gone", 4)],
    ]
    settings = {"min_units_per_person": 4, "units_per_chunk": 3}
    files: list[set[str]] = []
    for number, units in enumerate(months):
        arrow_tables.append(lake, UNITS, units_table(units))
        make_sequences(lake, **settings)
        files.append(set(arrow_tables.open_table(lake, SEQUENCES).file_uris()))
        at_once = LakeConfig(path=str(tmp_path / f"at once {number}"))
        arrow_tables.append(at_once, UNITS, units_table([row for month in months[: number + 1] for row in month]))
        make_sequences(at_once, **settings)
        assert histories(lake) == histories(at_once)
    assert files[1] > files[0]
    assert {row["person_id"] for row in arrow_tables.read(lake, SHORT_SEQUENCES).to_pylist()} == {"few"}
    chunks = arrow_tables.read(lake, SEQUENCES, ["person_id", "chunk"]).sort_by([("person_id", "ascending"), ("chunk", "ascending")]).to_pylist()
    assert [row["chunk"] for row in chunks if row["person_id"] == "new"] == [0, 1, 2]


def test_all_is_made_again_where_units_or_identities_have_changed(lake: LakeConfig, spark: SparkSession) -> None:
    arrow_tables.append(lake, UNITS, units_table([unit(name, name, number) for number, name in enumerate("xyz")]))
    make_sequences(lake)
    arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id=name, person_id="x") for name in "xy"])
    assert ids(make_sequences(lake)) == {("x", 0): ["x", "y"], ("z", 0): ["z"]}
    arrow_tables.open_table(lake, UNITS).delete("unit_id = 'y'")
    assert ids(make_sequences(lake)) == {("x", 0): ["x"], ("z", 0): ["z"]}


def test_listed_bots_form_no_person(lake: LakeConfig, spark: SparkSession, key_file: str) -> None:
    auto_moderator = pseudonym(load_key(key_file), "reddit", "AutoModerator")
    arrow_tables.append(lake, UNITS, units_table([unit("a"), unit("b", auto_moderator), unit("c", auto_moderator)]))
    job.main(["--lake", lake.path, "--set", "etl.min_units_per_person=1", "--set", f"lake.pseudonym_key_file={key_file}"])
    assert histories(lake).keys() == {"p"}
    run = last_done_run(lake, job.JOB)
    assert run is not None
    assert run.dropped == {"units of listed bots": 2}


def test_units_of_listed_bots_alone_make_nobody_and_are_counted(lake: LakeConfig, spark: SparkSession, key_file: str) -> None:
    auto_moderator = pseudonym(load_key(key_file), "reddit", "AutoModerator")
    arrow_tables.append(lake, UNITS, units_table([unit("b", auto_moderator), unit("c", auto_moderator)]))
    job.main(["--lake", lake.path, "--set", f"lake.pseudonym_key_file={key_file}"])
    run = last_done_run(lake, job.JOB)
    assert run is not None
    assert (histories(lake), run.rows, run.dropped) == ({}, {"people": 0, "units": 0, "chunks": 0}, {"units of listed bots": 2})


def test_units_that_delta_rs_merged_are_read_like_others(lake: LakeConfig, spark: SparkSession) -> None:
    context = [entry("root", "what opened the thread"), entry("parent", "what was answered")]
    arrow_tables.append(lake, UNITS, units_table([unit("a", context=context)]))
    arrow_tables.merge(lake, UNITS, units_table([unit("a", context=context, text="other words"), unit("b", minutes=1)]))
    (row,) = make_sequences(lake).values()
    assert [(member["unit_id"], member["text"], member["context"]) for member in row["units"]] == [("a", "other words", context), ("b", "words of b", [])]


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
