"""Many tasks at work at once, on many files or on slices of one: the rows and their line numbers are those of one task."""

import os
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conf.errors import ArchiveError
from etl.ingest import file_results, inputs
from etl.jobs.ingest import main
from etl.platforms import InputFile, ParsedBatch, ParseSettings
from etl.platforms.reddit import PLATFORM
from etl.platforms.streams import FileSlice
from lake import arrow_tables
from lake.acts import ACTS, INGESTED_FILES, REJECTS
from lake.config import LakeConfig
from tests.data.pack_dump import PACKERS, pack, zstd_frames
from tests.etl_rows import rows_by_table
from tests.unit.etl.platforms.any_lines import contents
from tests.unit.etl.platforms.reddit_rows import KEY, SETTINGS

TABLES = (ACTS, REJECTS, INGESTED_FILES)
LINE = '{"id": "%s", "author": "writer_%d", "created_utc": %d, "body": "%s line %d", "link_id": "t3_9f1a", "score": "%d"}'


def lines_that_say_their_number(file: str, lines: int, padding: str = "") -> bytes:
    """Lines of a file in which every eleventh is no JSON, and every thirteenth has no id; each says where it stands."""
    good = (LINE % (f"c{line}", line % 50, 1_251_763_200 + line, f"{padding}{file}", line, line) for line in range(1, lines + 1))
    return "".join(_spoilt(text, line) + "\n" for line, text in enumerate(good, start=1)).encode()


def _spoilt(text: str, line: int) -> str:
    return text[1:] if line % 11 == 0 else text.replace(f'"id": "c{line}", ', "") if line % 13 == 0 else text


def take_in(lake: LakeConfig, dump: Path, *overrides: str) -> None:
    settings = [f"lake.pseudonym_key_file={lake.pseudonym_key_file}", "etl.max_reject_share=0.5", *overrides]
    main(["--dump", str(dump), "--lake", lake.path, *(word for setting in settings for word in ("--set", setting))])


def check_line_numbers(lake: LakeConfig, lines: dict[str, int]) -> None:
    """Every line of these files is one act or one reject, under the number that it says itself."""
    acts = arrow_tables.read(lake, ACTS, ["source_file", "line", "text"]).to_pylist()
    rejects = arrow_tables.read(lake, REJECTS, ["source_file", "line", "raw"]).to_pylist()
    assert all(row["text"].endswith(f"{row['source_file']} line {row['line']}") for row in acts)
    assert all(f'{row["source_file"]} line {row["line"]}"' in row["raw"] for row in rejects)
    assert {row["line"] for row in rejects if row["line"] % 11 and row["line"] % 13} == set()
    found = sorted((row["source_file"], row["line"]) for row in [*acts, *rejects])
    assert found == sorted((file, line) for file, last in lines.items() for line in range(1, last + 1))


def in_slices(monkeypatch: pytest.MonkeyPatch, count: int, block_bytes: int) -> None:
    """Let every file be read in so many slices, and blocks be so small that each slice gets many."""
    monkeypatch.setattr(file_results, "slice_count", lambda *_: count)
    monkeypatch.setattr(inputs, "ParseSettings", partial(ParseSettings, block_bytes=block_bytes))


def test_many_files_by_tasks_that_run_at_once_keep_their_line_numbers(spark, lake, tmp_path):
    lines = {f"RC_2010-{number:02}.{suffix}": 5000 + 97 * number for number in (1, 2) for suffix in ("zst", "bz2", "xz", "ndjson")}
    for file, count in lines.items():
        pack(lines_that_say_their_number(file, count), tmp_path / "dump" / file)
    take_in(lake, tmp_path / "dump")
    check_line_numbers(lake, lines)


@pytest.mark.parametrize("suffix", [".zst", ".xz"])
def test_slices_give_the_same_rows_and_the_same_record_as_one_task(spark, lake, tmp_path, monkeypatch, suffix):
    file = f"RC_2010-01{suffix}"
    pack(lines_that_say_their_number(file, 5000), tmp_path / "dump" / file)
    take_in(lake, tmp_path / "dump")
    whole = rows_by_table(lake, TABLES)
    check_line_numbers(lake, {file: 5000})
    for count in (1, 2, 3):
        in_slices(monkeypatch, count, block_bytes=20_000)
        other = lake.model_copy(update={"path": str(tmp_path / f"slices-{count}")})
        take_in(other, tmp_path / "dump")
        assert {name: rows.to_pylist() for name, rows in rows_by_table(other, TABLES).items()} == {name: rows.to_pylist() for name, rows in whole.items()}
        files = [file["path"] for file in arrow_tables.live_files(arrow_tables.open_table(other, ACTS))]
        assert len(files) == count, "every slice has a file of its own"


def test_a_file_of_real_size_is_split_where_it_alone_is_big(spark, lake, tmp_path):
    lines = {"RC_2010-01.zst": 120_000, "RC_2010-02.zst": 1000}
    for file, count in lines.items():
        pack(lines_that_say_their_number(file, count, padding="x" * 250), tmp_path / "dump" / file)
    take_in(lake, tmp_path / "dump", "etl.split_file_bytes=100000")
    check_line_numbers(lake, lines)
    paths = [file["path"] for file in arrow_tables.live_files(arrow_tables.open_table(lake, ACTS))]
    assert sum("-0of2-" in path for path in paths) == sum("-1of2-" in path for path in paths) == 1
    assert len(paths) == 3


def test_files_are_read_one_after_the_other_where_memory_is_for_one_decoder(spark, lake, tmp_path):
    for number in (1, 2, 3, 4):
        file = f"RC_2010-0{number}.zst"
        pack(lines_that_say_their_number(file, 40_000), tmp_path / "dump" / file)
    take_in(lake, tmp_path / "dump", "etl.decoder_memory_gb=1")
    records = arrow_tables.read(lake, INGESTED_FILES, ["ingested_at", "seconds"]).to_pylist()
    spans = [(row["ingested_at"] - timedelta(seconds=row["seconds"]), row["ingested_at"]) for row in records]
    assert max(sum(start < moment <= end for start, end in spans) for _, moment in spans) == 1


@pytest.mark.parametrize("broken", ["RC_2010-01.zst: cannot be decoded", "RC_2010-01.zst: .* lines rejected", "RC_2010-01.zst: its SHA-256 is"])
def test_a_broken_file_in_slices_is_named_and_leaves_nothing_in_the_tables(spark, lake, tmp_path, monkeypatch, broken):
    content = lines_that_say_their_number("RC_2010-01.zst", 5000)
    pack(content, tmp_path / "dump" / "RC_2010-01.zst")
    if "decoded" in broken:
        (tmp_path / "dump" / "RC_2010-01.zst").write_bytes(zstd_frames(content)[:-7])
    checksums = tmp_path / "list"
    checksums.write_text(f"{'0' * 64}  RC_2010-01.zst\n")
    in_slices(monkeypatch, 3, block_bytes=20_000)
    arguments = ["--sha256", str(checksums)] if "SHA" in broken else []
    share = "0.01" if "rejected" in broken else "0.5"
    with pytest.raises(ArchiveError, match=f"1 of 1 files could not be taken.*{broken}"):
        main([
            "--dump", str(tmp_path / "dump"), "--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}",
            "--set", f"etl.max_reject_share={share}", *arguments,
        ])  # fmt: skip
    assert [arrow_tables.read(lake, spec).num_rows for spec in TABLES] == [0, 0, 0]
    assert not list(Path(lake.path).rglob("acts/**/*.parquet"))


@pytest.mark.parametrize("commits", [1, 2])
def test_a_run_that_dies_between_commits_is_completed_in_other_slices_without_doubling(spark, lake, tmp_path, monkeypatch, commits):
    pack(lines_that_say_their_number("RC_2010-01.zst", 5000), tmp_path / "dump" / "RC_2010-01.zst")
    real, done = arrow_tables.commit_files, []

    def commit_then_die(*args, **kwargs):
        real(*args, **kwargs)
        done.append(args)
        if len(done) == commits:
            raise KeyboardInterrupt

    with monkeypatch.context() as disturbed:
        in_slices(disturbed, 3, block_bytes=20_000)
        disturbed.setattr(arrow_tables, "commit_files", commit_then_die)
        with pytest.raises(KeyboardInterrupt):
            take_in(lake, tmp_path / "dump")
    in_slices(monkeypatch, 2, block_bytes=30_000)
    take_in(lake, tmp_path / "dump")
    check_line_numbers(lake, {"RC_2010-01.zst": 5000})
    (record,) = arrow_tables.read(lake, INGESTED_FILES).to_pylist()
    assert (record["lines"], record["rows"] + record["rejects"]) == (5000, 5000)


def test_a_changed_file_replaces_its_rows_also_those_that_slices_wrote(spark, lake, tmp_path, monkeypatch):
    pack(lines_that_say_their_number("RC_2010-01.zst", 5000), tmp_path / "dump" / "RC_2010-01.zst")
    in_slices(monkeypatch, 3, block_bytes=20_000)
    take_in(lake, tmp_path / "dump")
    pack(lines_that_say_their_number("RC_2010-01.zst", 3000), tmp_path / "dump" / "RC_2010-01.zst")
    in_slices(monkeypatch, 2, block_bytes=20_000)
    take_in(lake, tmp_path / "dump")
    check_line_numbers(lake, {"RC_2010-01.zst": 3000})


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(content=contents("comments"), suffix=st.sampled_from(sorted(PACKERS)), block_bytes=st.integers(1, 400), count=st.integers(1, 4))
def test_no_row_depends_on_where_blocks_end_or_in_how_many_slices_a_file_is_read(tmp_path, content, suffix, block_bytes, count):
    packed = pack(content or b"\n", tmp_path / f"RC{suffix}")
    file = InputFile(str(packed), packed.name, "comments", 0)
    whole = list(PLATFORM.parse(file, ParseSettings(KEY, SETTINGS.rejected_at)))
    slices = [
        list(PLATFORM.parse(file, ParseSettings(KEY, SETTINGS.rejected_at, block_bytes=block_bytes), FileSlice(number, count))) for number in range(count)
    ]
    assert rows_of([batch for part in slices for batch in part]) == rows_of(whole)


def rows_of(batches: list[ParsedBatch]) -> tuple[list, list, dict]:
    """Acts and rejects by line, and casts."""
    casts: dict[str, int] = {}
    for batch in batches:
        casts = {name: casts.get(name, 0) + batch.casts.get(name, 0) for name in {*casts, *batch.casts}}
    acts = sorted((row for batch in batches for row in batch.acts.to_pylist()), key=lambda row: row["line"])
    rejects = sorted((row for batch in batches for row in batch.rejects.drop_columns(["rejected_at"]).to_pylist()), key=lambda row: row["line"])
    return acts, rejects, casts


def test_a_worker_that_has_read_a_file_is_there_for_the_next(spark, monkeypatch):
    monkeypatch.setattr(file_results, "parse_file", lambda _: os.getpid())
    worker = file_results._parse(spark.sparkContext, None, 1)
    time.sleep(1)
    assert worker != os.getpid()
    assert psutil.pid_exists(worker)
