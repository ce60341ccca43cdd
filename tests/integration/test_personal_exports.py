"""Personal exports with real Spark and Delta: what they lack comes from the lake, and what two of them have is there once."""

import json
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from conf.errors import ArchiveError
from etl.jobs import ingest, units
from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.job_runs import JOB_RUNS, last_done_run
from lake.pseudonyms import load_key, pseudonym
from lake.units import UNITS
from tests import reddit_exports, takeout_exports
from tests.takeout_exports import LANGUAGES
from tests.unit.etl.platforms import reddit_rows


def ingest_files(lake: LakeConfig, platform: str, dump: Path, *settings: str) -> None:
    chosen = [part for setting in settings for part in ("--set", setting)]
    ingest.main(["--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}", "--platform", platform, "--dump", str(dump), *chosen])


def made_units(lake: LakeConfig) -> dict[str, dict[str, Any]]:
    units.main(["--lake", lake.path])
    rows = arrow_tables.read(lake, UNITS).to_pylist()
    assert len(rows) == len({row["unit_id"] for row in rows})
    return {row["unit_id"]: row for row in rows}


def test_an_exported_comment_gets_its_context_from_the_dumps_of_the_lake(lake: LakeConfig, spark: SparkSession, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.mkdir()
    (dump / "RS_2019-03.ndjson").write_text(json.dumps(reddit_rows.submission(id="abc", author="Bob", title="Which tea?")) + "\n")
    comments = [
        reddit_rows.comment(id="c1", author="Bob", body="Green or black?"),
        reddit_rows.comment(id="c2", author="Ada", body="Green.", parent_id="t1_c1"),
    ]
    (dump / "RC_2019-03.ndjson").write_text("".join(json.dumps(row) + "\n" for row in comments))
    rows = [reddit_exports.comment("c2", "c1", body="Green."), reddit_exports.comment("c3", "c2", body="Steep it for two minutes.")]
    reddit_exports.write_export(tmp_path / "export" / "export_Ada_20230502.zip", rows)
    ingest_files(lake, "reddit", dump)
    ingest_files(lake, "reddit-export", tmp_path / "export")
    made = made_units(lake)
    assert sorted(made) == ["reddit:t1_c1", "reddit:t1_c2", "reddit:t1_c3", "reddit:t3_abc"]
    exported = made["reddit:t1_c3"]
    assert [(entry["role"], entry["speaker"], entry["text"]) for entry in exported["context"]] == [
        ("root", "other-1", "Which tea?"),
        ("parent", "other-1", "Green or black?"),
        ("parent", "self", "Green."),
    ]
    assert (exported["root_state"], exported["chain_state"]) == ("present", "complete")
    run = last_done_run(lake, units.JOB)
    assert run is not None
    assert run.dropped == {"duplicate": 1}


def test_no_account_stands_in_the_record_of_a_run(lake: LakeConfig, spark: SparkSession, tmp_path: Path) -> None:
    takeout_exports.write_zip(tmp_path / "dump" / "takeout-001.zip", {"MyActivity.json": takeout_exports.searches_as_json(LANGUAGES["en"])})
    ingest_files(lake, "takeout", tmp_path / "dump", "etl.platforms.takeout.account=bob@example.org")
    (tmp_path / "broken" / "ada@example.org" / "takeout-002.tar.gz").mkdir(parents=True)  # its digest cannot be taken: an error that names the path
    with pytest.raises(ArchiveError, match=r"/takeout-002\.tar\.gz: cannot be read: Is a directory"):
        ingest_files(lake, "takeout", tmp_path / "broken")
    runs = repr(arrow_tables.read(lake, JOB_RUNS).to_pylist())
    assert "takeout-002.tar.gz" in runs
    assert [name for name in ("ada@example.org", "bob@example.org") if name in runs] == []
    assert {row["user_id"] for row in arrow_tables.read(lake, ACTS).to_pylist()} == {pseudonym(load_key(lake.pseudonym_key_file), "takeout", "bob@example.org")}


def test_a_video_that_two_histories_tell_is_one_unit(lake: LakeConfig, spark: SparkSession, tmp_path: Path) -> None:
    language = LANGUAGES["en"]
    watches = takeout_exports.watches_as_json(language)
    before = takeout_exports.json_entry("Searched for kittens", "2024-03-02T13:59:00Z", titleUrl=None, products=["YouTube"], header="YouTube")
    files = {
        "Takeout/My Activity/YouTube/MyActivity.json": json.dumps([*json.loads(watches), before]),
        f"Takeout/{language.watch_history}.json": watches,
    }
    takeout_exports.write_zip(tmp_path / "dump" / "ada@example.org" / "takeout-20240303T000000Z-001.zip", files)
    ingest_files(lake, "takeout", tmp_path / "dump")
    made = made_units(lake)
    assert sorted(unit["title"] or unit["text"] for unit in made.values()) == ["Buy now", "Two kittens", "kittens"]
