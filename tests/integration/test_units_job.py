"""Job `etl units` with real Spark and Delta: duplicates, batch borders, what is rebuilt, kills, and the archive's own numbers."""

import shutil
import sys
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from etl.jobs import ingest
from etl.jobs import units as job
from etl.units.masking import without_control_characters
from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.job_runs import last_done_run
from lake.pseudonyms import load_key, pseudonym
from lake.schema import rows_table
from lake.units import UNITS
from tests.etl_rows import START, act
from tests.kills import kill_at_first_file


def write_acts(lake: LakeConfig, *acts: dict[str, Any]) -> None:
    arrow_tables.append(lake, ACTS, rows_table(ACTS, [row | {"line": number} for number, row in enumerate(acts, 1)]))


def make_units(lake: LakeConfig, *arguments: str) -> dict[str, dict[str, Any]]:
    """Run the job; units by id, read without Spark."""
    job.main(["--lake", lake.path, *arguments])
    rows = arrow_tables.read(lake, UNITS).to_pylist()
    assert len(rows) == len({row["unit_id"] for row in rows})
    return {row["unit_id"]: row for row in rows}


def files_by_group(lake: LakeConfig) -> dict[str, set[str]]:
    files: dict[str, set[str]] = {}
    for path in arrow_tables.open_table(lake, UNITS).file_uris():
        group = path.split("thread_group=")[1].split("/")[0]
        files.setdefault(group, set()).add(path)
    return files


def many_threads(count: int, groups: int) -> list[dict[str, Any]]:
    """Threads of a root and a chain of three, spread over thread groups."""
    rows = []
    for number in range(count):
        thread, group = f"t{number:04}", {"thread_group": str(number % groups)}
        rows.append(act(thread, None, thread, title=f"Title {number}", **group))
        parents = {"a": thread, "b": f"{thread}-a", "c": f"{thread}-b"}
        rows += [act(f"{thread}-{name}", parent, thread, **group) for name, parent in parents.items()]
    return rows


def last_spark_job(spark: SparkSession) -> int:
    return max(spark.sparkContext.statusTracker().getJobIdsForGroup(None), default=-1)


def tasks_of_stages(spark: SparkSession, after_job: int) -> list[int]:
    """How many tasks each stage had of the Spark jobs after one. A session remembers a thousand stages and forgets first
    those that it skipped, since their output was still there: nothing is known of them, and they had no task."""
    tracker = spark.sparkContext.statusTracker()
    jobs = [job_id for job_id in tracker.getJobIdsForGroup(None) if job_id > after_job]
    stages = {stage for job_id in jobs for stage in tracker.getJobInfo(job_id).stageIds}
    return [known.numTasks for known in map(tracker.getStageInfo, sorted(stages)) if known is not None]


def test_many_small_partitions_are_no_more_tasks_than_there_is_work_for(lake: LakeConfig, spark: SparkSession) -> None:
    acts = many_threads(count=128, groups=64)
    write_acts(lake, *acts)
    before = last_spark_job(spark)
    units = make_units(lake)
    assert len(units) == len(acts)
    assert [len(units[f"t0100-{name}"]["context"]) for name in "abc"] == [1, 2, 3]
    assert {group: len(files) for group, files in files_by_group(lake).items()} == dict.fromkeys(map(str, range(64)), 1)
    assert 0 < max(tasks_of_stages(spark, before)) <= 4 * spark.sparkContext.defaultParallelism


def test_winner_of_duplicates_is_the_one_with_text_then_the_latest_then_the_greatest_line(lake: LakeConfig, spark: SparkSession) -> None:
    late, later = START + timedelta(days=1), START + timedelta(days=2)
    write_acts(
        lake,
        act("a", text="kept", retrieved_at=late, source_file="1"), act("a", text=None, state="removed", retrieved_at=later, source_file="2"),
        act("b", text="early", retrieved_at=late, source_file="1"), act("b", text="late", retrieved_at=later, source_file="0"),
        act("c", text="file 1", source_file="1"), act("c", text="file 2", source_file="2"), act("c", text="no time counts less", source_file="0"),
        act("d", text="line 8"), act("d", text="line 9"),
        act("e", text="still there", retrieved_at=later), act("e", text=None, state="deleted", attributes={"deleted_later": "true"}),
    )  # fmt: skip
    units = make_units(lake)
    assert {name: row["text"] for name, row in units.items()} == {"a": "kept", "b": "late", "c": "file 2", "d": "line 9"}
    run = last_done_run(lake, job.JOB)
    assert run is not None
    assert run.dropped == {"duplicate": 6, "deleted": 1}
    assert run.rows == {"acts": 11, "units": 4, "duplicates that differ": 6, job.IDS_OF_SEVERAL: 0}


def test_batch_borders_change_nothing_and_the_second_run_writes_nothing(lake: LakeConfig, spark: SparkSession, tmp_path: Path) -> None:
    acts = [*many_threads(30, groups=2), act("alone", None, None, action="search")]
    write_acts(lake, *acts)
    expected = make_units(lake)
    assert [entry["role"] for entry in expected["t0007-c"]["context"]] == ["root", "parent", "parent"]
    version = arrow_tables.table_version(lake, UNITS)
    assert make_units(lake) == expected
    assert arrow_tables.table_version(lake, UNITS) == version
    small = LakeConfig(path=str(tmp_path / "small"))
    write_acts(small, *acts)
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 3)
    try:
        assert make_units(small) == expected
    finally:
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")


def test_only_partitions_whose_acts_changed_are_rebuilt(lake: LakeConfig, spark: SparkSession) -> None:
    write_acts(lake, *many_threads(6, groups=3))
    first, before = make_units(lake), files_by_group(lake)
    write_acts(lake, act("t0001-d", "t0001-c", "t0001", thread_group="1"))
    second, after = make_units(lake), files_by_group(lake)
    assert second.keys() - first.keys() == {"t0001-d"}
    assert {group for group in after if after[group] != before[group]} == {"1"}
    arrow_tables.open_table(lake, ACTS).delete("thread_group = '2'")
    assert {row["thread_group"] for row in make_units(lake).values()} == {"0", "1"}
    rebuilt = make_units(lake, "--set", "etl.context_depth=1")
    assert rebuilt["t0001-d"]["chain_state"] == "truncated"
    assert {row["thread_group"] for row in rebuilt.values()} == {"0", "1"}


def test_tables_from_which_rows_were_deleted_by_delta_rs_are_gone_on_with(lake: LakeConfig, spark: SparkSession) -> None:
    """As the ingest's own message asks for; delta-rs writes anew what stays, by a writer of its own."""
    write_acts(lake, *many_threads(6, groups=2))
    first = make_units(lake, "--set", "etl.find_duplicates=true")
    arrow_tables.open_table(lake, ACTS).delete("unit_id = 't0001-c'")
    second = make_units(lake, "--set", "etl.find_duplicates=true")
    assert first.keys() - second.keys() == {"t0001-c"}
    arrow_tables.open_table(lake, UNITS).delete("unit_id = 't0002-c'")
    write_acts(lake, act("t0001-d", "t0001-b", "t0001", thread_group="1", source_file="new"))
    assert make_units(lake, "--set", "etl.find_duplicates=true").keys() - second.keys() == {"t0001-d"}


def months_of_threads(seed: int) -> dict[str, list[dict[str, Any]]]:
    """Acts of random threads and sessions, month by month: a reply is often of another month than its parent, some acts come twice, some are deleted."""
    random = Random(seed)
    months: dict[str, list[dict[str, Any]]] = {f"RC_2020-0{number}": [] for number in range(1, 4)}
    fates: list[dict[str, Any]] = [
        *([{}] * 15),
        *([{"state": "deleted", "text": None, "user_id": None}] * 4),
        {"state": "deleted", "text": None, "attributes": {"deleted_later": "true"}},
    ]
    sayings = [[f"word{number}" for number in range(start, start + 40)] for start in (0, 100, 200)]
    for number in range(40):
        thread, group = f"t{number:02}", {"thread_group": str(number % 2)}
        month = random.choice(sorted(months))
        months[month].append(act(thread, None, thread, title=f"Title {number}", source_file=month, **group))
        names = [thread]
        for reply in range(random.randrange(12)):
            name, parent = f"{thread}-{reply:02}", random.choice([*names[-3:], thread, "nowhere"])
            names.append(name)
            created_at, saying = START + timedelta(hours=random.randrange(99)), random.choice(sayings)
            for month in random.sample(sorted(months), random.choice([1, 1, 1, 2])):
                retrieved = START + timedelta(days=random.randrange(9))
                left_out = random.choice([0, 39, 20])
                text = random.choice([f"{name} of {month}", " ".join(saying[:left_out] + saying[left_out + 1 :])])
                copy = act(name, parent, thread, source_file=month, retrieved_at=retrieved, created_at=created_at, **group) | {"text": text}
                months[month].append(copy | random.choice(fates))
        for minutes in range(random.randrange(5)):
            session = {
                "session_id": f"s{number}",
                "user_id": "walker",
                "created_at": START + timedelta(minutes=minutes),
                "source_file": random.choice(sorted(months)),
            }
            stood = act(f"s{number}-{minutes}", random.choice([None, f"s{number}-0"]), None, **session, **group)
            months[session["source_file"]].append(stood)
            if random.random() < 0.5:
                months["RC_2020-03"].append(stood | {"session_id": f"other s{number}", "source_file": "RC_2020-03", "parent_unit_id": None})
    return months


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_months_in_any_order_give_the_units_of_a_full_build(lake: LakeConfig, spark: SparkSession, tmp_path: Path, order: tuple[int, ...]) -> None:
    months = months_of_threads(seed=7)
    at_once = LakeConfig(path=str(tmp_path / "at once"))
    for month in months.values():
        write_acts(at_once, *month)
    expected = make_units(at_once)
    for number in order:
        write_acts(lake, *list(months.values())[number])
        made = make_units(lake)
    assert made == expected
    last = last_done_run(lake, job.JOB)
    assert last is not None
    assert last.rows["units changed"] > 0
    assert sum(unit["duplicate_group"] is not None for unit in made.values()) > 20
    assert last.rows["acts"] == len(list(months.values())[order[-1]])


def test_a_new_month_leaves_files_of_units_that_it_does_not_change_as_they_are(lake: LakeConfig, spark: SparkSession) -> None:
    write_acts(lake, *(act_of | {"source_file": "RC_2020-01"} for act_of in many_threads(6, groups=3)))
    make_units(lake)
    before = files_by_group(lake)
    write_acts(lake, act("t0001-d", "t0001-c", "t0001", thread_group="1", source_file="RC_2020-02"), act("t9-a", "t9", "t9", source_file="RC_2020-02"))
    units, after = make_units(lake), files_by_group(lake)
    assert [entry["unit_id"] for entry in units["t0001-d"]["context"]] == ["t0001", "t0001-a", "t0001-b", "t0001-c"]
    assert all(after[group] >= before[group] for group in before)
    run = last_done_run(lake, job.JOB)
    assert run is not None
    assert run.rows == {"acts": 2, "units": 2, job.IDS_OF_SEVERAL: 0}


def test_ids_of_several_acts_are_counted_within_a_run_and_against_the_runs_before(
    lake: LakeConfig, spark: SparkSession, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    def counted() -> int:
        caplog.clear()
        job.main(["--lake", lake.path])
        run = last_done_run(lake, job.JOB)
        assert run is not None
        warned = [record.getMessage() for record in caplog.records if "unit_ids stand for several acts" in record.getMessage()]
        count = run.rows[job.IDS_OF_SEVERAL]
        assert [message.split()[0] for message in warned] == [str(count)] * (count > 0)
        return count

    write_acts(lake, *(act(name, None, thread, source_file="RC_2020-01") for thread in ("t", "u") for name in ("a", "b", f"of {thread}")))
    assert counted() == 2
    write_acts(lake, act("new", None, "t", source_file="RC_2020-02"), act("of t", None, "v", source_file="RC_2020-02"))
    assert counted() == 1
    write_acts(lake, act("copy", None, "w", source_file="RC_2020-03", line=1), act("copy", None, "w", source_file="RC_2020-03", line=2))
    assert counted() == 0
    write_acts(lake, act("new", None, "new", action="object", user_id=None, source_file="RC_2020-04"), act("a", "b", "x", source_file="RC_2020-04"))
    assert counted() == 2


def test_filters_are_counted_by_reason_and_bots_are_found_again_with_every_month(lake: LakeConfig, spark: SparkSession, key_file: str) -> None:
    auto_moderator = pseudonym(load_key(key_file), "reddit", "AutoModerator")
    bot_says = [act(f"bot{number}", "t", text=f"I am a bot. Reply {number}", user_id="talker", source_file="RC_2020-01") for number in range(3)]
    write_acts(lake, *bot_says, act("a", "t", source_file="RC_2020-01"), act("b", "a", text="x", source_file="RC_2020-01"))
    arguments = [f"lake.pseudonym_key_file={key_file}", "etl.filters.drop_bots=true", "etl.filters.min_words=2", "etl.bot_min_acts=4"]
    settings = [word for argument in arguments for word in ("--set", argument)]
    assert make_units(lake, *settings).keys() == {"a", "bot0", "bot1", "bot2"}
    months_later = [act("bot3", "t", text="I am a bot. Reply 9", user_id="talker", source_file="RC_2020-02")]
    write_acts(lake, *months_later, act("c", "a", user_id=auto_moderator, source_file="RC_2020-02"))
    units = make_units(lake, *settings)
    assert units.keys() == {"a"}
    run = last_done_run(lake, job.JOB)
    assert run is not None
    assert run.dropped == {"bot": 5, "few words": 1}


def test_units_are_all_made_again_when_the_last_run_died_before_its_record(lake: LakeConfig, spark: SparkSession) -> None:
    write_acts(lake, *many_threads(2, groups=1))
    expected = make_units(lake)
    arrow_tables.overwrite(lake, UNITS, arrow_tables.read(lake, UNITS).slice(0, 1))
    assert make_units(lake) == expected


def test_units_are_all_made_again_when_they_are_masked_otherwise(lake: LakeConfig, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    write_acts(lake, act("a", text="kept"))
    make_units(lake)
    before = files_by_group(lake)
    make_units(lake)
    assert files_by_group(lake) == before
    monkeypatch.setattr(job, "MASKING_VERSION", job.MASKING_VERSION + 1)
    make_units(lake)
    assert files_by_group(lake) != before


def test_units_of_acts_that_were_made_anew_are_made_again(lake: LakeConfig, spark: SparkSession) -> None:
    write_acts(lake, act("old"))
    assert make_units(lake).keys() == {"old"}
    shutil.rmtree(Path(lake.path) / ACTS.name)
    write_acts(lake, act("new"))
    assert make_units(lake).keys() == {"new"}


def test_no_acts_make_an_empty_table_of_units(lake: LakeConfig, spark: SparkSession) -> None:
    arrow_tables.create_table(lake, ACTS)
    assert make_units(lake) == {}


def test_killed_in_the_middle_of_a_write_and_run_again_gives_the_units_of_an_undisturbed_run(lake: LakeConfig, spark: SparkSession, tmp_path: Path) -> None:
    acts = many_threads(120, groups=40)
    undisturbed = LakeConfig(path=str(tmp_path / "undisturbed"))
    write_acts(undisturbed, *acts)
    expected = make_units(undisturbed)
    write_acts(lake, *acts)
    kill_at_first_file([sys.executable, "-m", "etl.jobs.units", "--lake", lake.path], Path(lake.path) / UNITS.name)
    assert arrow_tables.read(lake, UNITS).num_rows == 0
    assert make_units(lake) == expected


def test_real_months_join_over_their_border(lake: LakeConfig, spark: SparkSession, shared_data: Path) -> None:
    ingest.main(["--dump", str(shared_data / "reddit-original"), "--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}"])
    units = make_units(lake)
    acts = {row["unit_id"]: row for row in arrow_tables.read(lake, ACTS, ["unit_id", "parent_unit_id", "source_file", "text"]).to_pylist()}
    month_before = {name for name, row in acts.items() if row["source_file"] == "RC_2005-12.zst"}
    crossing = [row for name, row in acts.items() if name not in month_before and row["parent_unit_id"] in month_before]

    made = [units[row["unit_id"]] for row in crossing if row["unit_id"] in units]
    shows_parent = [row for row in made if row["context"] and row["context"][-1]["unit_id"] == row["parent_unit_id"]]
    assert (len(acts), len(crossing), len(made), len(shows_parent)) == (4741, 24, 21, 18)
    parents_words = without_control_characters(pa.array([acts[row["parent_unit_id"]]["text"] for row in shows_parent])).to_pylist()
    assert [row["context"][-1]["text"] for row in shows_parent] == [words[:512] for words in parents_words]
    assert [row["chain_state"] for row in made if row not in shows_parent] == ["deleted"] * 3
    assert {row["root_state"] for row in units.values()} == {"missing"}
    run = last_done_run(lake, job.JOB)
    assert run is not None
    assert run.rows["acts"] == 4741 == len(units) + sum(run.dropped.values())
    assert set(run.dropped) == {"deleted", "removed", "no user", "no words"}
