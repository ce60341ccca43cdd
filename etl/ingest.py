"""Archive files -> acts, rejects: one Spark task a file, which writes Parquet itself; one commit a table and file, by the driver.

A file is committed to `rejects`, then `acts`, then `ingested_files`. A run that dies in between is completed by the next one: what is
committed already is recognised by the names of its files and the transaction of its commit.
"""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from conf.errors import ArchiveError
from conf.logs import NOTICE, Pace
from etl.config import EtlConfig
from etl.parsed_files import FileResult, FileTask, file_prefix, is_unchanged, parse_file
from etl.platforms import InputFile, ParseSettings, load_platform, platform_reference
from lake import arrow_tables, spark_tables
from lake.acts import ACTS, INGESTED_FILES, REJECTS, IngestedFile
from lake.config import LakeConfig
from lake.job_runs import RunRecord
from lake.pseudonyms import KEY_ID_PROPERTY, key_id, load_or_make_key
from lake.tables import TableSpec

logger = logging.getLogger(__name__)

# To see that nothing changed, the driver itself reads about as much as it could while a Spark session starts.
DIGESTED_BY_DRIVER_BYTES = 4 * 2**30


def ingest_dump(lake: LakeConfig, config: EtlConfig, dump: str, platform: str, run: RunRecord) -> None:
    """Bring every new or changed file of a dump into the lake. Raises ArchiveError, naming each file that could not be taken."""
    reference = platform_reference(platform)
    files = load_platform(reference).input_files(dump)
    if not files:
        raise ArchiveError(f"{dump}: no files of platform {platform!r} below this folder; expected e.g. RC_2006-01.zst or NAME_comments.zst")
    tasks = plan_tasks(lake, config, reference, _open_lake(lake), files)
    failures, pace = [], Pace()
    for number, result in enumerate(_results(lake, tasks, config.concurrent_files), start=1):
        place = f"[{number}/{len(tasks)}] {result.task.file.source_file}"
        if isinstance(result.failure, ArchiveError):
            failures.append(str(result.failure))
            logger.error("%s: not taken: %s", place, result.failure)
        elif result.failure:
            raise result.failure
        else:
            _take_in(lake, result, run)
            logger.log(NOTICE if pace.is_due() else logging.INFO, "%s: %s", place, _what_became(result.record))
    for spec in (REJECTS, ACTS, INGESTED_FILES):
        run.wrote(spec, arrow_tables.table_version(lake, spec))
    if failures:
        raise ArchiveError(f"{len(failures)} of {len(files)} files could not be taken (all others are in): " + "; ".join(failures))


def plan_tasks(lake: LakeConfig, config: EtlConfig, reference: str, own_key_id: str, files: Sequence[InputFile]) -> list[FileTask]:
    """A task for each file, the biggest first, with what the lake already has of it."""
    ingested = arrow_tables.open_table(lake, INGESTED_FILES)
    rows = arrow_tables.read(lake, INGESTED_FILES, ["source_file", "sha256", "bytes"]).to_pylist()
    known = {row["source_file"]: (row["sha256"], row["bytes"]) for row in rows}
    live = {spec.name: _live_files_by_prefix(lake, spec) for spec in (ACTS, REJECTS)}
    settings = ParseSettings(b"", config.honour_deletions, lake.keep_names, config.reject_chars)  # a task loads the key
    tasks = []
    for file in sorted(files, key=lambda file: (-file.size, file.source_file)):
        known_sha256, known_bytes = known.get(file.source_file, (None, None))
        generation = (ingested.transaction_version(_application(file.source_file)) or 0) + 1
        live_files = {name: by_prefix.get(file_prefix(file.source_file), []) for name, by_prefix in live.items()}
        tasks.append(FileTask(reference, file, lake, own_key_id, settings, config.max_reject_share, known_sha256, known_bytes, generation, live_files))
    return tasks


def _open_lake(lake: LakeConfig) -> str:
    """Make the key and the tables where they are absent; the key's id. Raises ConfigError where the lake has another key."""
    key = load_or_make_key(lake.pseudonym_key_file)
    arrow_tables.check_lake_key(lake, key)
    arrow_tables.create_table(lake, ACTS, {KEY_ID_PROPERTY: key_id(key)})
    arrow_tables.create_table(lake, REJECTS)
    arrow_tables.create_table(lake, INGESTED_FILES)
    return key_id(key)


def _results(lake: LakeConfig, tasks: Sequence[FileTask], concurrent_files: int | None) -> Iterator[FileResult]:
    """Results as tasks finish; Spark is started only where there is something to do for it."""
    known = [task for task in tasks if task.file.size == task.known_bytes]
    unchanged = []
    if sum(task.file.size for task in known) <= DIGESTED_BY_DRIVER_BYTES:
        unchanged = [task for task in known if is_unchanged(task)]
        yield from (FileResult(task) for task in unchanged)
    rest = [task for task in tasks if task not in unchanged]
    if rest:
        with spark_tables.spark_session("ingest", lake, jvm_idles=True) as spark:
            yield from _results_of_spark(spark, rest, concurrent_files)


def _results_of_spark(spark: SparkSession, tasks: Sequence[FileTask], concurrent_files: int | None) -> Iterator[FileResult]:
    """Results as tasks finish. Each task is a Spark job of its own, so that a file is committed without waiting for the others."""
    context = spark.sparkContext
    with ThreadPoolExecutor(concurrent_files or context.defaultParallelism) as pool:
        jobs = [pool.submit(lambda task: context.parallelize([task], 1).map(parse_file).collect()[0], task) for task in tasks]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            for job in jobs:
                job.cancel()


def _take_in(lake: LakeConfig, result: FileResult, run: RunRecord) -> None:
    run.rows["files"] += 1
    record = result.record
    if record is None:
        run.rows["skipped_files"] += 1
        return
    commit_file(lake, result, record)
    run.rows.update({"lines": record.lines, "acts": record.rows, "rejects": record.rejects})
    run.dropped.update(record.rejects_by_reason)


def _what_became(record: IngestedFile | None) -> str:
    """A file's result in words; None is a file that was in the lake as it is."""
    if record is None:
        return "unchanged"
    rate = record.json_bytes / 1e6 / max(record.seconds, 1e-3)
    return f"{record.rows:,} acts, {record.rejects:,} rejects, {record.seconds:.1f} s ({rate:.0f} MB/s of JSON)"


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
        arrow_tables.commit_files(lake, spec, result.written.get(spec.name, []), transaction, earlier)
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
