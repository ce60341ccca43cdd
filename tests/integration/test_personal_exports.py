"""Personal exports with real Spark and Delta: what they lack comes from the lake, and what two of them have is there once."""

import json
import logging
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from conf.errors import ArchiveError, ConfigError
from etl.jobs import ingest, units
from lake import arrow_tables
from lake.acts import ACTS, INGESTED_FILES, REJECTS
from lake.config import LakeConfig
from lake.job_runs import JOB_RUNS, last_done_run
from lake.pseudonyms import load_key, pseudonym
from lake.units import UNITS
from tests import reddit_exports, takeout_exports
from tests.data.pack_dump import zstd_frames
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


NAME = "zephyrine.77"
ADDRESS = f"{NAME}@example.org"


def write_takeout_of_name(folder: Path) -> None:
    """Exports whose folders, archives and members are named after an account; some are sound."""
    language, folder = LANGUAGES["en"], folder / ADDRESS
    visit = takeout_exports.json_entry("Visited Inbox", "2024-03-02T14:09:00Z", titleUrl=f"https://mail.example.org/?user={ADDRESS}")
    searches = json.dumps([*json.loads(takeout_exports.searches_as_json(language)), visit])
    for name in (f"takeout-{NAME}.zip", f"damaged {NAME}.zip", f"changed {ADDRESS}.zip", f"locked {NAME}.zip"):
        takeout_exports.write_zip(folder / name, {f"Takeout/{ADDRESS}/MyActivity.json": searches})
    takeout_exports.write_files(
        folder / NAME.title(), {"MyActivity.json": searches, f"{NAME}.json": f'[{{"title": "{NAME}", "time": "{NAME}", "header": "', f"{NAME}.mbox": NAME}
    )
    takeout_exports.write_tgz(folder / f"{NAME}.tgz", {f"{NAME}/MyActivity.json": searches})
    (folder / f"{NAME}.tgz").write_bytes((folder / f"{NAME}.tgz").read_bytes()[:-40])
    damaged, changed, locked = (folder / name for name in (f"damaged {NAME}.zip", f"changed {ADDRESS}.zip", f"locked {NAME}.zip"))
    damaged.write_bytes(damaged.read_bytes()[:-40])
    content = bytearray(changed.read_bytes())
    content[content.index(b".json") + 60] ^= 0xFF  # in the member's bytes: its checksum is wrong, or it cannot be decoded
    changed.write_bytes(content)
    content = bytearray(locked.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    locked.write_bytes(content)
    (folder / f"{NAME}.tar.gz").mkdir()


def write_reddit_exports_of_name(folder: Path) -> None:
    """The same of Reddit's exports."""
    profile = reddit_exports.comment("c2", link=f"https://www.reddit.com/user/{NAME}/comments/abc/hi/", subreddit=f"u_{NAME}")
    post = reddit_exports.post("abd", url=f"https://old.reddit.com/user/{NAME}/about", subreddit=f"u_{NAME}")
    for name in (f"export_{NAME}_20230502.zip", f"{NAME} again.zip"):
        reddit_exports.write_export(folder / NAME / name, [profile, reddit_exports.comment(date=NAME)], [post], account=NAME)
    (folder / NAME / f"export_{NAME}_20230503.zip").write_bytes((folder / NAME / f"{NAME} again.zip").read_bytes()[:-40])
    takeout_exports.write_zip(folder / NAME / f"export_{NAME}_20230504.zip", {"comments.csv": f"{NAME},b,c\n"})
    takeout_exports.write_files(folder / NAME, {f"export_{NAME}_20230505/posts.csv": f"{NAME}\n", f"{NAME}.txt": NAME})


def write_reddit_dumps_of_name(folder: Path) -> None:
    """The same of dumps of what one person wrote."""
    comments = "".join(json.dumps(reddit_rows.comment(id=f"c{number}", author=NAME.title(), subreddit=f"u_{NAME}")) + "\n" for number in range(40)).encode()
    dumps = {
        f"{NAME}_comments.zst": zstd_frames(comments), f"u_{NAME}_comments.zst": zstd_frames(comments)[:-20], f"{NAME}_submissions.zst": b"",
        f"{NAME}_comments_2.zst": comments, f"{NAME}_comments.ndjson": f'{{"author": "{NAME}"'.encode(), f"{NAME}.csv": NAME.encode(),
        f"{NAME}_comments_3.zst": zstd_frames(NAME.encode()), f"{NAME}_comments_4.zst": zstd_frames(comments.replace(b"words", b"other")),
    }  # fmt: skip
    (folder / NAME).mkdir(parents=True)
    for name, content in dumps.items():
        (folder / NAME / name).write_bytes(content)
    digests = "".join(f"{'a' * 64}  {name}\n" for name in dumps if name.endswith("_4.zst"))
    (folder.parent / f"list of {NAME}").write_text(digests)
    (folder.parent / f"no list of {NAME}").write_text(NAME)


def everything_kept(lake: LakeConfig) -> str:
    """All that stands in the lake's tables and in their logs, but for the rows of `rejects`, in lower case."""
    files = [path for path in sorted(Path(lake.path).rglob("*")) if path.is_file()]
    logs = [path.read_text() for path in files if path.suffix == ".json"]
    rows = [repr(pq.ParquetFile(path).read().to_pylist()) for path in files if path.suffix == ".parquet" and REJECTS.name not in path.parts]
    assert logs
    assert rows
    return "\n".join([*map(str, files), *logs, *rows]).lower()


@pytest.mark.parametrize(
    ("platform", "write", "sound", "wrong_options"),
    [
        ("takeout", write_takeout_of_name, 2, (f"acount={ADDRESS}", f"account=[{ADDRESS}]", f"session_minutes={ADDRESS}")),
        ("reddit-export", write_reddit_exports_of_name, 2, (f"acount={NAME}", f"account=[{NAME}]")),
        ("reddit", write_reddit_dumps_of_name, 1, (f"account={NAME}",)),
    ],
)
def test_a_name_that_stands_everywhere_in_a_dump_stands_nowhere_in_the_lake_or_the_log(
    platform: str, write: Any, sound: int, wrong_options: tuple[str, ...], lake: LakeConfig, spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    dump = tmp_path / f"dumps of {NAME}"
    write(dump)
    strict = ["--sha256", str(tmp_path / f"list of {NAME}")] if platform == "reddit" else []
    arguments = ["--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}", "--platform", platform]
    for option in wrong_options:
        with pytest.raises(ConfigError):
            ingest.main([*arguments, "--dump", str(dump), "--set", f"etl.platforms.{platform}.{option}"])
    for folder in (dump / "nowhere", next(path for path in dump.rglob("*") if path.is_file())):
        with pytest.raises(ArchiveError, match=f"(?i){NAME}"):
            ingest.main([*arguments, "--dump", str(folder)])
    with pytest.raises(ArchiveError, match=f"(?i){NAME}") as error:
        ingest.main([*arguments, "--dump", str(dump), *strict])
    if strict:
        with pytest.raises(ArchiveError, match=NAME):
            ingest.main([*arguments, "--dump", str(dump), "--sha256", str(tmp_path / f"no list of {NAME}")])
    made = made_units(lake)

    files = arrow_tables.read(lake, INGESTED_FILES).to_pylist()
    assert len(files) == sound, error.value
    assert made
    user_ids = {unit["user_id"] for unit in made.values()}
    assert user_ids == {pseudonym(load_key(lake.pseudonym_key_file), platform.partition("-")[0], ADDRESS if platform == "takeout" else NAME)}
    assert all(user_ids.pop()[:16] in file["source_file"] for file in files[:1])
    assert "cannot be" in everything_kept(lake)
    assert [line for line in everything_kept(lake).splitlines() if NAME in line and "/rejects/" not in line] == []
    assert "files could not be taken" not in caplog.text.lower() or NAME not in caplog.text.lower()
    assert [
        record.getMessage() for record in caplog.records if record.name.split(".")[0] in ("etl", "lake", "conf") and NAME in record.getMessage().lower()
    ] == []


def test_two_files_that_the_lake_would_call_alike_are_an_error(lake: LakeConfig, tmp_path: Path) -> None:
    for name in ("Ada_comments.ndjson", "ada_comments.ndjson"):
        (tmp_path / name).write_text(json.dumps(reddit_rows.comment(id=name[0], author="Ada")) + "\n")
    with pytest.raises(ArchiveError, match=r"Ada_comments\.ndjson and .*ada_comments\.ndjson are both [0-9a-f]{16}_comments\.ndjson in the lake"):
        ingest_files(lake, "reddit", tmp_path)
    (run,) = arrow_tables.read(lake, JOB_RUNS).to_pylist()
    assert "ada" not in run["error"].lower()


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
