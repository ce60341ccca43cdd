"""Archive files -> acts, rejects: Spark tasks write Parquet themselves; one commit a table and file, by the driver.

A file is committed to `rejects`, then `acts`, then `ingested_files`. A run that dies in between is completed by the next one: what is
committed already is recognised by the names of its files and the transaction of its commit.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from conf.errors import ArchiveError
from conf.logs import NOTICE, Pace
from etl.config import EtlConfig
from etl.ingest.erased import FILES_OF_ERASED
from etl.ingest.file_results import file_results
from etl.ingest.inputs import DumpFiles, failure_with_path, not_taken
from etl.ingest.parsed_files import FileResult, FileTask, file_prefix
from etl.platforms import InputFile, ParseSettings, load_platform
from lake import arrow_tables
from lake.acts import ACTS, INGESTED_FILES, REJECTS, IngestedFile
from lake.config import LakeConfig
from lake.forgotten import erased_of_lake
from lake.job_runs import RunRecord
from lake.pseudonyms import KEY_ID_PROPERTY, key_id
from lake.table_files import remove_drafts, remove_files
from lake.tables import TableSpec

logger = logging.getLogger(__name__)


def ingest_files(lake: LakeConfig, config: EtlConfig, found: DumpFiles, run: RunRecord) -> None:
    """Bring every new or changed file of a dump into the lake. Raises ArchiveError, naming each file that could not be taken."""
    _make_tables(lake, found.key)
    files = _files_of_nobody_erased(lake, found.files, run)
    tasks = plan_tasks(lake, config, found.reference, key_id(found.key), files, found.listed, found.settings)
    failures: list[ArchiveError] = []
    pace = Pace()
    for number, result in enumerate(file_results(lake, config, tasks), start=1):
        place = f"[{number}/{len(tasks)}] {result.task.file.source_file}"
        if isinstance(result.failure, ArchiveError):
            for spec in (REJECTS, ACTS):
                remove_files(lake, spec, result.written.get(spec.name, []))
            failures.append(failure_with_path(result.failure, result.task.file))
            logger.error("%s: not taken: %s", place, result.failure.public)
        elif result.failure:
            raise result.failure
        else:
            _take_in(lake, result, run)
            logger.log(NOTICE if pace.is_due() else logging.INFO, "%s: %s", place, _what_became(result.record))
    if config.reject_days is not None:
        run.rows.update(expired_rejects(lake, datetime.now(UTC) - timedelta(days=config.reject_days)))
    for spec in (REJECTS, ACTS, INGESTED_FILES):
        run.wrote(spec, arrow_tables.table_version(lake, spec))
    if failures:
        raise not_taken(failures, len(found.files))


def _files_of_nobody_erased(lake: LakeConfig, files: Sequence[InputFile], run: RunRecord) -> list[InputFile]:
    """The files that are not called after somebody who was forgotten: names of files stand in tables and in their logs."""
    erased = erased_of_lake(lake)
    kept = [file for file in files if not erased.names_path(file.source_file)]
    if len(kept) < len(files):
        run.dropped[FILES_OF_ERASED] += len(files) - len(kept)
        logger.info("%d of %d files are of people who were forgotten, and are not read", len(files) - len(kept), len(files))
    return kept


def expired_rejects(lake: LakeConfig, before: datetime) -> dict[str, int]:
    """Take the files out of `rejects` all of whose lines were set aside before a time, in one commit; what was counted."""
    live = arrow_tables.live_files(arrow_tables.open_table(lake, REJECTS))
    expired = {file["path"]: file["num_records"] for file in live if (newest := file.get("max.rejected_at")) is not None and newest < before}
    arrow_tables.commit_files(lake, REJECTS, [], removed=expired.keys())
    return {"expired rejects": sum(expired.values())} if expired else {}


def plan_tasks(
    lake: LakeConfig, config: EtlConfig, reference: str, own_key_id: str, files: Sequence[InputFile], listed: Mapping[str, str], settings: ParseSettings
) -> list[FileTask]:  # fmt: skip
    """A task for each file, the biggest first, with what the lake already has of it; `listed` is source file -> the digest that it must have.

    Raises ArchiveError where a file's name is already that of another platform's file.
    """
    ingested = arrow_tables.open_table(lake, INGESTED_FILES)
    rows = arrow_tables.read(lake, INGESTED_FILES, ["source_file", "sha256", "bytes", "platform", "parser_version"]).to_pylist()
    _check_names(files, {row["source_file"]: row["platform"] for row in rows}, load_platform(reference).name)
    known = {row["source_file"]: (row["sha256"], row["bytes"], row["parser_version"]) for row in rows}
    live = {spec.name: _live_files_by_prefix(lake, spec) for spec in (ACTS, REJECTS)}
    lake_of_tasks = lake.for_other_folders()
    tasks = []
    for file in sorted(files, key=lambda file: (-file.size, file.source_file)):
        in_lake = known.get(file.source_file, (None, None, None))
        generation = (ingested.transaction_version(_application(file.source_file)) or 0) + 1
        live_files = {name: by_prefix.get(file_prefix(file.source_file), []) for name, by_prefix in live.items()}
        listed_sha256 = listed.get(file.source_file)
        tasks.append(
            FileTask(
                reference, file, lake_of_tasks, own_key_id, settings, config.max_reject_share, listed_sha256, *in_lake, generation, live_files
            )
        )  # fmt: skip
    return tasks


def _check_names(files: Sequence[InputFile], platforms: Mapping[str, str], platform: str) -> None:
    """Raise ArchiveError where a file would take the place of another, of this dump (two spellings of one account) or of another platform's."""
    paths: dict[str, str] = {}
    for file in files:
        other = paths.setdefault(file.source_file, file.path)
        if other != file.path:
            found = f"are both {file.source_file} in the lake; give one another name"
            raise ArchiveError(f"{other} and {file.path} {found}", f"two files {found}")
    taken = [file.source_file for file in files if platforms.get(file.source_file, platform) != platform]
    if taken:
        raise ArchiveError(
            f"{taken[0]}: the lake has a file of this name of platform {platforms[taken[0]]!r} (and {len(taken) - 1} more such files); "
            f"put the files of {platform!r} in a folder of another name below --dump"
        )


def _make_tables(lake: LakeConfig, key: bytes) -> None:
    """Make the tables where they are absent."""
    arrow_tables.create_table(lake, ACTS, {KEY_ID_PROPERTY: key_id(key)})
    arrow_tables.create_table(lake, REJECTS)
    arrow_tables.create_table(lake, INGESTED_FILES)


def _take_in(lake: LakeConfig, result: FileResult, run: RunRecord) -> None:
    run.rows["files"] += 1
    record = result.record
    if record is None:
        run.rows["skipped_files"] += 1
        return
    commit_file(lake, result, record)
    run.rows.update({"lines": record.lines, "acts": record.rows, "rejects": record.rejects})
    run.dropped.update(record.rejects_by_reason)
    run.dropped.update(record.left_out_by_kind or {})


def _what_became(record: IngestedFile | None) -> str:
    """A file's result in words; None is a file that was in the lake as it is."""
    if record is None:
        return "unchanged"
    rate = record.json_bytes / 1e6 / max(record.seconds, 1e-3)
    kinds = sorted((record.left_out_by_kind or {}).items(), key=lambda kind: (-kind[1], kind[0]))
    left_out = f"left out: {', '.join(f'{count:,} {kind}' for kind, count in kinds)}; " if kinds else ""
    return f"{record.rows:,} acts, {record.rejects:,} rejects; {left_out}{record.seconds:.1f} s ({rate:.0f} MB/s of JSON)"


def commit_file(lake: LakeConfig, result: FileResult, record: IngestedFile) -> None:
    """Make a file's rows part of the tables, in the place of those that an earlier content of the same name gave."""
    task = result.task
    if task.known_sha256 is not None:
        logger.info("%s: has changed, its rows are replaced", record.source_file)
        _check_rows_are_in_own_files(lake, task)
        arrow_tables.delete_keys(lake, INGESTED_FILES, pa.table({"source_file": [record.source_file]}))
    transaction = (f"{_application(record.source_file)} {result.content}", task.generation)
    for spec in (REJECTS, ACTS):
        earlier = [path for path in task.live_files[spec.name] if result.content not in path]
        written = result.written.get(spec.name, [])
        arrow_tables.commit_files(lake, spec, written, transaction, earlier)
        remove_drafts(lake, spec, written)
    arrow_tables.append(lake, INGESTED_FILES, [record], transaction=(_application(record.source_file), task.generation))


def _check_rows_are_in_own_files(lake: LakeConfig, task: FileTask) -> None:
    """Raise ArchiveError where rows of an input file stand in table files that others share: taking those out would lose rows."""
    prefix = file_prefix(task.file.source_file)
    for spec in (ACTS, REJECTS):
        table = arrow_tables.open_table(lake, spec)
        own = sum(file["num_records"] for file in arrow_tables.live_files(table) if _prefix_of(file["path"]) == prefix)
        found = arrow_tables.count_rows(lake, spec, pc.field("source_file") == task.file.source_file)
        if found != own:
            raise ArchiveError(
                f"{task.file.source_file}: has changed, but {found - own} of its rows in {spec.name} were rewritten together with others; "
                f"delete its rows from {ACTS.name} and {REJECTS.name}, then ingest it again"
            )


def _live_files_by_prefix(lake: LakeConfig, spec: TableSpec) -> dict[str, list[str]]:
    by_prefix: dict[str, list[str]] = {}
    for file in arrow_tables.live_files(arrow_tables.open_table(lake, spec)):
        by_prefix.setdefault(_prefix_of(file["path"]), []).append(file["path"])
    return by_prefix


def _prefix_of(path: str) -> str:
    return path.rpartition("/")[2].partition("-")[0] + "-"


def _application(source_file: str) -> str:
    return f"kindred etl ingest {source_file}"
