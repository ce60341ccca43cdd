"""Two attempts at one input file, as Spark makes them when it repeats a task that it believes slow or lost: no row is doubled, no file torn."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from conf.errors import ArchiveError
from etl.config import EtlConfig
from etl.ingest.dump import commit_file, plan_tasks
from etl.ingest.inputs import parse_settings
from etl.ingest.parsed_files import FileTask, parse_file
from etl.platforms import load_platform, platform_reference
from lake import arrow_tables
from lake.acts import ACTS, INGESTED_FILES, REJECTS, Reject
from lake.config import LakeConfig
from lake.pseudonyms import key_id, load_key
from lake.schema import rows_table
from lake.table_files import TableFiles, WrittenFile, remove_drafts
from tests.data.pack_dump import pack_hand_made


def task_with_rejects(lake: LakeConfig, dump: Path) -> FileTask:
    """The task of the hand-made file that gives acts and rejects, in a lake whose tables are there."""
    for spec in (ACTS, REJECTS, INGESTED_FILES):
        arrow_tables.create_table(lake, spec)
    reference, config = platform_reference("reddit"), EtlConfig(max_reject_share=0.05)
    settings = parse_settings(lake, config, reference)
    files = [file for file in load_platform(reference).input_files(str(dump), settings) if file.source_file == "RC_2024-02.zst"]
    (task,) = plan_tasks(lake, config, reference, key_id(load_key(lake.pseudonym_key_file)), files, {}, settings)
    return task


def contents(lake: LakeConfig) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path(lake.path).rglob("*.parquet")}


def test_a_second_attempt_writes_the_same_bytes_and_its_commit_adds_nothing(lake: LakeConfig, tmp_path: Path) -> None:
    task = task_with_rejects(lake, pack_hand_made(tmp_path / "dump"))
    first = parse_file(task)
    commit_file(lake, first, first.record)
    written = contents(lake)
    assert {path.relative_to(lake.path).parts[0] for path in written} == {"acts", "rejects", "ingested_files"}
    second = parse_file(task)
    assert second.written == first.written
    assert contents(lake) == written
    commit_file(lake, second, second.record)
    assert (arrow_tables.read(lake, ACTS).num_rows, arrow_tables.read(lake, REJECTS).num_rows) == (41, 3)


def test_a_file_that_breaks_off_leaves_no_draft(lake: LakeConfig, tmp_path: Path) -> None:
    task = task_with_rejects(lake.model_copy(update={"write_buffer_mb": 0}), pack_hand_made(tmp_path / "dump"))
    whole = Path(task.file.path).read_bytes()
    Path(task.file.path).write_bytes(whole[:-5])
    broken = parse_file(replace(task, settings=replace(task.settings, block_bytes=1)))
    assert isinstance(broken.failure, ArchiveError)
    assert not list(Path(lake.path).rglob("*.parquet*"))


REJECTED = [
    Reject(platform="reddit", source_file="RC", line=line, reason="no id", raw="{}" * line, user_id=None, rejected_at=datetime(2026, 1, 1, tzinfo=UTC))
    for line in range(1, 2001)
]


class Attempt:
    """An attempt to write the rejects, which can be halted after its first half."""

    def __init__(self, lake: LakeConfig) -> None:
        self._rows = rows_table(REJECTS, REJECTED)
        self._files = TableFiles(lake.model_copy(update={"write_buffer_mb": 0}), REJECTS, "RC-1-content")

    def write_half(self) -> None:
        self._files.write(self._rows.slice(0, 1000))

    def write_rest(self) -> list[WrittenFile]:
        self._files.write(self._rows.slice(1000))
        return self._files.finish()


def commit(lake: LakeConfig, written: list[WrittenFile]) -> None:
    arrow_tables.create_table(lake, REJECTS)
    arrow_tables.commit_files(lake, REJECTS, written, ("attempts", 1))


def rejected(lake: LakeConfig) -> pa.Table:
    return arrow_tables.read(lake, REJECTS).sort_by("line")


def test_an_attempt_that_is_overtaken_does_not_touch_the_file_that_stands_until_its_own_is_whole(lake: LakeConfig) -> None:
    slow, quick = Attempt(lake), Attempt(lake)
    slow.write_half()
    quick.write_half()
    commit(lake, quick.write_rest())
    assert rejected(lake) == rows_table(REJECTS, REJECTED)
    slow.write_rest()
    assert rejected(lake) == rows_table(REJECTS, REJECTED)


def test_a_commit_removes_the_drafts_of_other_attempts_and_they_end_without_a_trace(lake: LakeConfig) -> None:
    slow, quick = Attempt(lake), Attempt(lake)
    slow.write_half()
    quick.write_half()
    written = quick.write_rest()
    commit(lake, written)
    remove_drafts(lake, REJECTS, written)
    before = contents(lake)
    with pytest.raises(FileNotFoundError):
        slow.write_rest()
    assert contents(lake) == before
    assert not list(Path(lake.path).rglob("*.draft"))
