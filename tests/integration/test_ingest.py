"""The ingest with Spark and Delta: nothing lost, nothing doubled, whatever happens in between."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from conf.errors import ArchiveError, ConfigError
from etl.jobs.ingest import main
from etl.platforms.reddit import RedditPlatform
from lake import arrow_tables, spark_tables
from lake.acts import ACTS, INGESTED_FILES, REJECTS
from lake.config import LakeConfig
from lake.job_runs import last_done_run
from lake.pseudonyms import KEY_VARIABLE
from pipeline import cli
from tests.data.pack_dump import pack, pack_hand_made, zstd_frames
from tests.etl_rows import rows_by_table

ROOT = Path(__file__).resolve().parents[2]
NEW = b'{"id": "n%d", "author": "writer_1", "created_utc": 1251763200, "body": "new words", "link_id": "t3_9f1a"}\n'
TABLES = (ACTS, REJECTS, INGESTED_FILES)


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    return pack_hand_made(tmp_path / "dump")


def ingest(lake: LakeConfig, dump: Path, *settings: str, arguments: tuple[str, ...] = ()) -> None:
    overrides = [f"lake.pseudonym_key_file={lake.pseudonym_key_file}", "etl.max_reject_share=0.05", *settings]
    main(["--dump", str(dump), "--lake", lake.path, *arguments, *(word for setting in overrides for word in ("--set", setting))])


def rows_of(lake: LakeConfig) -> dict[str, list]:
    return {name: rows.to_pylist() for name, rows in rows_by_table(lake, TABLES).items()}


def versions(lake: LakeConfig) -> list:
    return [arrow_tables.table_version(lake, spec) for spec in TABLES]


@pytest.fixture
def undisturbed(spark, dump: Path, lake: LakeConfig) -> dict[str, list]:
    """Rows of an undisturbed ingest of the hand-made dump into `lake`."""
    ingest(lake, dump)
    return rows_of(lake)


def test_every_line_is_an_act_or_a_reject(spark, lake, dump, undisturbed):
    assert {row["source_file"]: (row["kind"], row["lines"], row["rows"], row["rejects"]) for row in undisturbed["ingested_files"]} == {
        "RC_2009-09.zst": ("comments", 60, 60, 0),
        "RS_2009-09.zst": ("submissions", 6, 6, 0),
        "RC_2024-02.zst": ("comments", 44, 41, 3),
    }
    assert {row["source_file"] for row in undisturbed["rejects"]} == {"RC_2024-02.zst"}
    assert [(row["line"], row["reason"]) for row in undisturbed["rejects"]] == [(11, "empty line"), (12, "not json"), (13, "no id")]
    run = last_done_run(lake, "etl ingest")
    assert run.rows == {"files": 3, "lines": 110, "acts": 107, "rejects": 3}
    assert run.versions_written == dict(zip([spec.name for spec in TABLES], versions(lake), strict=True))


def test_spark_reads_the_same_rows_as_delta_rs(spark, lake, undisturbed):
    acts = spark_tables.read(spark, lake, ACTS)
    by_spark = {
        (row["source_file"], row["line"]): row.asDict()
        for row in acts.orderBy("source_file", "line").select("source_file", "line", "unit_id", "text").collect()
    }
    assert by_spark == {
        (row["source_file"], row["line"]): {name: row[name] for name in ("source_file", "line", "unit_id", "text")} for row in undisturbed["acts"]
    }
    assert acts.where("thread_group = '1'").count() == sum(row["thread_group"] == "1" for row in undisturbed["acts"])


def test_statistics_in_the_log_are_those_of_the_files(spark, lake, undisturbed):
    table = arrow_tables.open_table(lake, ACTS)
    for file in arrow_tables.live_files(table):
        rows = pq.read_table(Path(lake.path) / "acts" / file["path"])
        assert (file["num_records"], file["size_bytes"]) == (rows.num_rows, (Path(lake.path) / "acts" / file["path"]).stat().st_size)
    stats = [json.loads(action["add"]["stats"]) for action in add_actions(lake)]
    assert sum(found["numRecords"] for found in stats) == 107
    assert min(found["minValues"]["created_at"] for found in stats) == "2009-09-01T00:00:00.000Z"
    assert not any({"text", "title", "user_id"} & set(found["minValues"]) for found in stats)


def test_columns_that_repeat_and_no_others_have_a_dictionary(spark, lake, undisturbed):
    for spec in (ACTS, REJECTS):
        for file in arrow_tables.live_files(arrow_tables.open_table(lake, spec)):
            group = pq.ParquetFile(Path(lake.path) / spec.name / file["path"]).metadata.row_group(0)
            columns = [group.column(number) for number in range(group.num_columns)]
            assert {column.path_in_schema for column in columns if column.has_dictionary_page} == set(spec.repeating_columns)


def add_actions(lake: LakeConfig) -> list[dict]:
    lines = [line for log in sorted((Path(lake.path) / "acts" / "_delta_log").glob("*.json")) for line in log.read_text().splitlines()]
    return [action for action in map(json.loads, lines) if "add" in action]


def test_a_second_run_writes_nothing(spark, lake, dump, undisturbed):
    before = versions(lake)
    ingest(lake, dump)
    assert versions(lake) == before
    assert last_done_run(lake, "etl ingest").rows == {"files": 3, "skipped_files": 3}


def test_a_changed_file_replaces_its_own_rows_alone(spark, lake, dump, undisturbed):
    first = (dump / "RC_2009-09.zst").read_bytes()
    pack(NEW % 1 + NEW % 2, dump / "RC_2009-09.zst")
    ingest(lake, dump)
    acts = arrow_tables.read(lake, ACTS, ["source_file", "unit_id"])
    changed = acts.filter(pc.equal(acts["source_file"], "RC_2009-09.zst"))
    assert sorted(changed["unit_id"].to_pylist()) == ["reddit:t1_n1", "reddit:t1_n2"]
    assert acts.num_rows == 107 - 60 + 2
    (dump / "RC_2009-09.zst").write_bytes(first)
    ingest(lake, dump)
    assert rows_of(lake) == undisturbed


def test_a_bad_file_is_named_and_the_others_are_taken(spark, lake, dump):
    (dump / "RC_2010-01.zst").write_bytes(b"<html>404</html>")
    (dump / "RC_2010-02.zst").write_bytes(zstd_frames(NEW % 1)[:-3])
    pack(b"not json\n" * 200, dump / "RC_2010-03.bz2")
    pack(b'{"neither": 1}\n', dump / "somebodys.zst")
    pack(b"", dump / "RS_2010-01.ndjson")
    pack(b"", dump / "RS_2010-02.zst")
    (dump / "RC_2010-04.zst").mkdir()
    with pytest.raises(ArchiveError, match="6 of 10 files") as error:
        ingest(lake, dump)
    for words in (
        "RS_2010-01.ndjson: is empty",
        "RC_2010-04.zst: cannot be read: Is a directory",
        "RC_2010-01.zst: begins with",
        "RC_2010-02.zst: cannot be decoded",
        "RC_2010-03.bz2: 200 of 200 lines",
        "not json (200)",
        "somebodys.zst: neither",
    ):
        assert words in str(error.value)
    taken = arrow_tables.read(lake, INGESTED_FILES, ["source_file", "lines"]).to_pylist()
    assert {row["source_file"]: row["lines"] for row in taken} == {"RC_2009-09.zst": 60, "RS_2009-09.zst": 6, "RC_2024-02.zst": 44, "RS_2010-02.zst": 0}
    assert arrow_tables.read(lake, ACTS).num_rows == 107


def test_a_bad_file_is_told_by_the_exit_status_of_the_command(spark, lake, dump, capsys):
    (dump / "RC_2010-01.zst").write_bytes(b"<html>404</html>")
    words = ["--dump", str(dump), "--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}", "--set", "etl.max_reject_share=0.05"]
    assert cli.main(["etl", "ingest", *words]) == 1
    assert re.search(r"^kindred etl ingest: 1 of 4 files could not be taken \(all others are in\): .*RC_2010-01.zst", capsys.readouterr().err, re.MULTILINE)
    (dump / "RC_2010-01.zst").unlink()
    assert cli.main(["etl", "ingest", *words]) == 0


def test_a_file_that_vanishes_after_the_listing_is_named_and_the_others_are_taken(spark, lake, dump, undisturbed, monkeypatch):
    listed = RedditPlatform.input_files

    def list_then_lose(platform, folder, settings):
        files = listed(platform, folder, settings)
        (dump / "RC_2009-09.zst").unlink()
        return files

    pack(NEW % 1, dump / "RC_2010-01.zst")
    monkeypatch.setattr(RedditPlatform, "input_files", list_then_lose)
    with pytest.raises(ArchiveError, match=r"1 of 4 files.*RC_2009-09.zst: cannot be read: No such file"):
        ingest(lake, dump)
    assert arrow_tables.read(lake, ACTS).num_rows == 107 + 1


def test_a_file_that_a_list_says_is_another_is_named_and_nothing_of_it_is_taken(spark, lake, dump, tmp_path, caplog):
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(dump.glob("RC*.zst"))}
    sums, wrong = tmp_path / "sha256sums", tmp_path / "wrong"
    sums.write_text("".join(f"{digest}  reddit/{name}\n" for name, digest in digests.items()))
    wrong.write_text(f"{'0' * 64}  RC_2024-02.zst\n{digests['RC_2009-09.zst']}  RC_2009-09.zst\n")
    for _ in range(2):
        with pytest.raises(ArchiveError, match=f"1 of 3 files.*RC_2024-02.zst: its SHA-256 is {digests['RC_2024-02.zst']}, the list says 0000"):
            ingest(lake, dump, arguments=("--sha256", str(wrong)))
        assert set(arrow_tables.read(lake, ACTS)["source_file"].to_pylist()) == {"RC_2009-09.zst", "RS_2009-09.zst"}
        assert arrow_tables.read(lake, REJECTS).num_rows == 0
    assert "1 of 3 files are not in" in caplog.text
    assert "taken unchecked: RS_2009-09.zst" in caplog.text
    ingest(lake, dump, arguments=("--sha256", str(sums)))
    assert last_done_run(lake, "etl ingest").rows == {"files": 3, "skipped_files": 2, "lines": 44, "acts": 41, "rejects": 3}
    with pytest.raises(ArchiveError, match=r"RC_2024-02.zst: its SHA-256"):  # also where it has been in for long
        ingest(lake, dump, arguments=("--sha256", str(wrong)))


def test_too_many_rejects_stop_with_the_reasons(spark, lake, tmp_path):
    lines = b"".join(NEW % number for number in range(1950)) + b"{}\n" * 50
    pack(lines, tmp_path / "dump" / "RC_2010-01.zst")
    with pytest.raises(ArchiveError, match=r"RC_2010-01.zst: 50 of 2,000 lines rejected \(2.50%\).*not a comment \(50\)"):
        ingest(lake, tmp_path / "dump", "etl.max_reject_share=0.01")
    assert not list(Path(lake.path).rglob("acts/**/*.parquet")), "what was refused does not stay on disk"
    ingest(lake, tmp_path / "dump", "etl.max_reject_share=0.03")
    assert arrow_tables.read(lake, REJECTS).num_rows == 50


def test_a_folder_without_dumps_is_an_error(lake, tmp_path):
    (tmp_path / "dump").mkdir()
    with pytest.raises(ArchiveError, match="no files of platform 'reddit'"):
        ingest(lake, tmp_path / "dump")


def test_another_key_on_the_same_lake_is_an_error(spark, lake, dump, undisturbed, tmp_path):
    other = tmp_path / "other.key"
    other.write_text("22" * 32)
    before = versions(lake)
    with pytest.raises(ConfigError, match="made with pseudonym key"):
        ingest(lake, dump, f"lake.pseudonym_key_file={other}")
    assert versions(lake) == before


@pytest.mark.parametrize("commits", [1, 2])
def test_a_run_that_dies_between_commits_is_completed_without_doubling(spark, lake, dump, undisturbed, tmp_path, monkeypatch, commits):
    disturbed = lake.model_copy(update={"path": str(tmp_path / "disturbed")})
    dying_after(monkeypatch, commits)
    with pytest.raises(KeyboardInterrupt):
        ingest(disturbed, dump)
    monkeypatch.undo()
    committed = {path: path.stat().st_mtime_ns for path in live_paths(disturbed)}
    ingest(disturbed, dump)
    assert rows_of(disturbed) == undisturbed
    assert {path: path.stat().st_mtime_ns for path in committed} == committed
    assert live_paths(disturbed) == set(Path(disturbed.path).glob("acts/**/*.parquet"))


def live_paths(lake: LakeConfig) -> set[Path]:
    folder = Path(lake.path) / "acts"
    return {folder / file["path"] for file in arrow_tables.live_files(arrow_tables.open_table(lake, ACTS))}


def dying_after(monkeypatch: pytest.MonkeyPatch, commits: int) -> None:
    """Let the run end right after so many commits of table files."""
    real, done = arrow_tables.commit_files, []

    def commit(*args, **kwargs):
        real(*args, **kwargs)
        done.append(args)
        if len(done) == commits:
            raise KeyboardInterrupt

    monkeypatch.setattr(arrow_tables, "commit_files", commit)


def test_a_killed_process_leaves_what_the_next_run_completes(spark, lake, dump, undisturbed, tmp_path):
    big = b"".join((NEW % number).replace(b"new words", b"new words %d " % number * 20) for number in range(60_000))
    pack(big, dump / "RC_2011-01.zst")
    ingest(lake, dump)
    disturbed = lake.model_copy(update={"path": str(tmp_path / "disturbed")})
    process = start_process(disturbed, dump)
    wait_for_draft(Path(disturbed.path) / "acts", process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert arrow_tables.find_table(disturbed, INGESTED_FILES) is not None
    assert arrow_tables.read(disturbed, INGESTED_FILES).num_rows < 4
    ingest(disturbed, dump)
    assert rows_of(disturbed) == rows_of(lake)
    assert not list(Path(disturbed.path).rglob("*.draft"))


def start_process(lake: LakeConfig, dump: Path) -> subprocess.Popen:
    words = ["--dump", str(dump), "--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}", "--set", "etl.max_reject_share=0.05"]
    environment = {name: value for name, value in os.environ.items() if name not in (KEY_VARIABLE, "PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET")}
    return subprocess.Popen([sys.executable, "-m", "etl.jobs.ingest", *words], cwd=ROOT, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)


def wait_for_draft(folder: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 300
    while not list(folder.rglob("*.draft")):
        assert process.poll() is None, "the process ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_the_first_months_of_the_archive_lose_no_comment(spark, lake, shared_data):
    ingest(lake, shared_data / "reddit-original")
    assert last_done_run(lake, "etl ingest").rows == {"files": 2, "lines": 4741, "acts": 4741, "rejects": 0}


def test_rows_of_every_era_are_typed_as_their_era_meant(spark, lake, shared_data):
    ingest(lake, shared_data / "reddit-eras")
    acts = arrow_tables.read(lake, ACTS)
    assert (acts.num_rows, arrow_tables.read(lake, REJECTS).num_rows) == (27 + 31, 0)
    moments = dict(zip(acts["unit_id"].to_pylist(), acts["created_at"].to_pylist(), strict=True))
    at = {name: int(moments[f"reddit:{name}"].timestamp()) for name in ("t1_kod0bkd", "t1_c0cmuol", "t1_c13", "t3_87", "t3_j08bcm", "t3_2f4i96")}
    assert at == {
        "t1_kod0bkd": 1706745600, "t1_c0cmuol": 1251763200, "t1_c13": 1134365188, "t3_87": 1119552233, "t3_j08bcm": 1606780808, "t3_2f4i96": 1409529600
    }  # fmt: skip
    assert acts["community"].to_pylist().count(None) == 0
    assert sum(name.startswith("u_") for name in acts["community"].to_pylist()) >= 1
    assert sum(state == "deleted" for state in acts["state"].to_pylist()) >= 3
