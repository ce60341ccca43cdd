"""Job `etl sequences`: units -> chunks of each person's history, oldest first, as far as there are new units since the last run."""

import logging
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
from pyspark.sql import SparkSession

from conf.arguments import JobArguments
from conf.errors import ConfigError
from etl import arguments as etl_arguments
from etl.config import EtlConfig
from etl.sequences.chunks import TOO_FEW, UNITS_LEFT_OUT, HistoryLimits
from etl.sequences.histories import COUNTED_BLOCKS, OF_BOTS, KnownFiles, People, blocks_of_files, chunks_of_blocks
from etl.sequences.history_rows import HistoryTexts, UnitsFile, one_person_each
from etl.tasks.blocks import files_by_task, places_of_buckets
from etl.tasks.changes import File, added_files, partition_of
from etl.tasks.files import Rewritten, TaskReport, rows_of_tasks, without_keys, write_files
from etl.units.bots import listed_bots_of_lake
from lake import arrow_tables, spark_tables
from lake.config import LakeConfig
from lake.job_runs import Inputs, RunRecord, inputs_now, job_run, last_run_of, rows_changed_since
from lake.schema import arrow_schema
from lake.units import IDENTITIES, SEQUENCES, SHORT_SEQUENCES, UNITS

logger = logging.getLogger(__name__)

JOB = "etl sequences"
SETTINGS = {
    "units_per_chunk", "chunk_bytes", "min_units_per_person", "sequence_buckets", "session_minutes", "history_text_chars", "history_context_chars",
    "history_parents",
}  # fmt: skip
LATER_SETTINGS = {"history_source_text_chars"}
"""Settings that came later: where one is off nothing is other than before, and a lake made without it goes on."""
TABLES = (SEQUENCES, SHORT_SEQUENCES)
BYTES_OF_SHARED_PLACE = 32 * 2**20
"""Buckets whose people's units take less in files are worked on several in one task, which holds them as compressed blocks."""


def build_sequences(lake: LakeConfig, config: EtlConfig, inputs: Inputs, run: RunRecord) -> None:
    """Bring sequences up to the units that there are: further chunks where units were only added, else all of them anew."""
    run.versions_read.update(inputs.versions)
    if last_run_of(lake, JOB, inputs, writes=TABLES):
        logger.info("units and identities are as at the last run: nothing to do")
    else:
        for spec in TABLES:
            arrow_tables.create_table(lake, spec)
        write_sequences(lake, config, inputs, files_since_last_run(lake, inputs), run)
    for spec in TABLES:
        run.wrote(spec, arrow_tables.table_version(lake, spec))


def files_since_last_run(lake: LakeConfig, inputs: Inputs) -> list[str] | None:
    """Files of units that were added since the last run; None where more has changed than that, or there was none."""
    last = last_run_of(lake, JOB, inputs, writes=TABLES, same_versions=False)
    if last is None or not are_identities_as(lake, last.versions_read.get(IDENTITIES.name), inputs.versions.get(IDENTITIES.name)):
        return None
    return added_files(lake, UNITS, last.versions_read[UNITS.name], inputs.version(UNITS))


def are_identities_as(lake: LakeConfig, version: int | None, now: int | None) -> bool:
    """Whether people are joined as at a version of `identities`, those who were forgotten since aside; None is no table."""
    if version is None or now is None:
        return version == now
    return version <= now and not rows_changed_since(arrow_tables.open_table(lake, IDENTITIES, now), version)


def write_sequences(lake: LakeConfig, config: EtlConfig, inputs: Inputs, new_files: list[str] | None, run: RunRecord) -> None:
    """Write the chunks that new files of units give (None: all chunks), each table in one commit."""
    live = {spec.name: arrow_tables.live_files(arrow_tables.open_table(lake, spec)) for spec in TABLES}
    units = arrow_tables.live_files(arrow_tables.open_table(lake, UNITS, inputs.version(UNITS)))
    if new_files is not None:
        logger.info("going on from the last run with %d new files of units", len(new_files))
        units = [file for file in units if file["path"] in new_files]
    made, rewritten = TaskReport(), {spec.name: Rewritten() for spec in TABLES}
    if units:
        bots = listed_accounts(lake, {partition_of(file, UNITS)[0] for file in units})
        people = People(identities_of(lake, inputs), pa.array(sorted(bots), pa.string()), config.sequence_buckets)
        with spark_tables.spark_session("sequences", lake, jvm_idles=True) as spark:
            made = chunks_of_units(spark, lake, config, people, units, {} if new_files is None else live)
            if new_files is not None:
                rewritten = {spec.name: without_keys(spark, lake, spec, made.replaced.get(spec.name, {}), live[spec.name]) for spec in TABLES}
    for spec in TABLES:
        leaving = rewritten[spec.name].removed if new_files is not None else {file["path"] for file in live[spec.name]}
        arrow_tables.commit_files(lake, spec, [*made.files.get(spec.name, []), *rewritten[spec.name].files], removed=leaving)
    run.dropped.update({reason: made.counts[reason] for reason in (TOO_FEW, UNITS_LEFT_OUT, OF_BOTS) if made.counts.get(reason)})
    run.rows.update({name: made.counts.get(name, 0) for name in ("people", "units", "chunks")})


def chunks_of_units(
    spark: SparkSession, lake: LakeConfig, config: EtlConfig, people: People, units: Sequence[File], known: Mapping[str, Sequence[File]]
) -> TaskReport:  # fmt: skip
    """Files of the chunks that files of units give, and of what stands already in files of the tables of chunks (by name)."""
    texts = HistoryTexts(config.history_text_chars, config.history_context_chars, config.history_parents, config.history_source_text_chars)
    limits = HistoryLimits(config.units_per_chunk, config.chunk_bytes, config.min_units_per_person, config.session_minutes)
    files = [UnitsFile(file["path"], partition_of(file, UNITS)[0]) for file in units]
    sizes, cores = [file["size_bytes"] for file in units], spark.sparkContext.defaultParallelism
    tasks = files_by_task(files, sizes, cores)
    places = places_of_buckets([sum(sizes) // people.buckets] * people.buckets, cores, BYTES_OF_SHARED_PLACE)
    known_files, lake_of_tasks = files_by_bucket(known), lake.for_other_folders()

    blocks = rows_of_tasks(spark, tasks, lambda of_task: blocks_of_files(lake_of_tasks, of_task, people, texts), COUNTED_BLOCKS, places)
    return write_files(blocks, places, lambda batches: chunks_of_blocks(batches, lake_of_tasks, people, known_files, limits), lake)


def files_by_bucket(live: Mapping[str, Iterable[File]]) -> KnownFiles:
    """Paths of files of the tables of chunks (by name), by bucket."""
    files: dict[int, dict[str, list[str]]] = {}
    for spec in TABLES:
        for file in live.get(spec.name, ()):
            files.setdefault(int(partition_of(file, spec)[0]), {}).setdefault(spec.name, []).append(file["path"])
    return files


def identities_of(lake: LakeConfig, inputs: Inputs) -> pa.Table:
    """One row for each account in `identities`; none where that table is absent."""
    if IDENTITIES.name not in inputs.tables:
        return arrow_schema(IDENTITIES).empty_table()
    return one_person_each(arrow_tables.read(lake, IDENTITIES, version=inputs.version(IDENTITIES)))


def listed_accounts(lake: LakeConfig, platforms: Iterable[str]) -> frozenset[str]:
    """Accounts on the list of bots; none, with a warning, where the lake's pseudonym key is not at hand."""
    try:
        return listed_bots_of_lake(lake, platforms)
    except ConfigError as error:
        logger.warning("accounts on the list of bots may form people: %s", error)
        return frozenset()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(etl_arguments.sequences(argv))


def run_job(arguments: JobArguments) -> None:
    """Bring sequences up to the units."""
    config, lake = arguments.section("etl", EtlConfig), arguments.section("lake", LakeConfig)
    settings = config.model_dump(include=SETTINGS) | {name: value for name, value in config.model_dump(include=LATER_SETTINGS).items() if value}
    inputs = inputs_now(lake, reads=(UNITS,), optional=(IDENTITIES,), settings=settings)
    with job_run(lake, JOB, {"etl": config, "inputs": inputs}) as run:
        build_sequences(lake, config, inputs, run)


if __name__ == "__main__":
    main()
