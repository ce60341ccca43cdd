"""Job `etl units`: acts -> units with their context, as far as acts have changed since the last run."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from conf.arguments import JobArguments
from conf.errors import ContractError
from etl import arguments as etl_arguments
from etl.config import EtlConfig
from etl.tasks.blocks import BLOCKS, files_by_task, places_of_buckets
from etl.tasks.changes import ChangedActs, File, Partition, all_acts, changed_acts, partition_of
from etl.tasks.files import TableFile, TaskReport, rows_of_tasks, without_keys, write_files
from etl.tasks.table_changes import TableChange
from etl.units.acts import (
    ACTS_OF_SHARED_PLACE,
    CHANGED,
    CONFLICTS,
    OBSTACLES,
    OLD_ACTS_TOO,
    UNITS_VERSION,
    UnitSettings,
    buckets_of_partitions,
    units_of_batches,
)
from etl.units.bots import listed_bots_of_lake, repeating_users
from etl.units.duplicates import set_groups
from etl.units.filters import REASONS
from etl.units.masking import MASKING_VERSION
from etl.units.thread_rows import ActsFile, ActTexts, ThreadBuckets, acts_of_blocks, blocks_of_files
from etl.units.unit_ids import ids_in_files, ids_of_several, one_in
from lake import arrow_tables, spark_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.job_runs import Inputs, RunRecord, inputs_now, job_run, last_run_of
from lake.units import UNIT_SIGNATURES, UNITS

logger = logging.getLogger(__name__)

JOB = "etl units"
SETTINGS = {
    "context_depth", "context_chars", "text_chars", "filters", "identify_languages", "mask_contacts", "bot_min_acts", "bot_repeated_share",
    "find_duplicates", "duplicate_min_words", "duplicate_similarity",
}  # fmt: skip
TABLES = (UNITS, UNIT_SIGNATURES)
NEAR_DUPLICATES = "units that say what an older one says"
IDS_OF_SEVERAL = "unit_ids of several acts"


def build_units(lake: LakeConfig, config: EtlConfig, inputs: Inputs, run: RunRecord) -> None:
    """Bring units up to the acts that there are, each table in one commit."""
    run.versions_read.update(inputs.versions)
    version = inputs.version(ACTS)
    last = last_run_of(lake, JOB, inputs, writes=TABLES, same_versions=False)
    changed = changed_acts(lake, last.versions_read[ACTS.name], version) if last else all_acts(lake, version)
    if last and config.filters.drop_bots and changed.rows:
        logger.info("all units are made again: new acts may show that somebody is a bot (etl.filters.drop_bots)")
        last, changed = None, all_acts(lake, version)
    if last and not changed.whole and not changed.grown:
        logger.info("acts are as at the last run (version %d): nothing to do", version)
    else:
        logger.info("%d partitions are made whole, %d go on from the last run; %d rows", len(changed.whole), len(changed.grown), changed.rows)
        for spec in TABLES:
            arrow_tables.create_table(lake, spec)
        count(make_units(lake, config, version, changed, remake_all=last is None), changed, run)
    for spec in TABLES:
        run.wrote(spec, arrow_tables.table_version(lake, spec))


def make_units(lake: LakeConfig, config: EtlConfig, version: int, changed: ChangedActs, remake_all: bool) -> Mapping[str, int]:
    """Write the units that changed acts give, take out those that they come in place of, each table in one commit, and return what was counted."""
    units, signatures = tables = [TableChange(lake, spec, lambda partition: remake_all or partition in changed.whole) for spec in TABLES]
    counts: Mapping[str, int] = {}
    if changed.rows:
        with spark_tables.spark_session("units", lake, jvm_idles=not config.filters.drop_bots) as spark:
            made = units_of_acts(spark, lake, config, version, changed)
            for table in tables:
                table.replace(without_keys(spark, lake, table.spec, made.replaced.get(UNITS.name, {}), table.kept))
            counts = {**made.counts, IDS_OF_SEVERAL: count_ids_of_several(lake, made.sampled_ids, units.files(), one_in(changed.rows))}
            for table in tables:
                table.add(made.files.get(table.spec.name, []))
            if config.find_duplicates:
                partitions = changed.whole.keys() | changed.grown.keys()
                grouped, duplicates = set_groups(spark, lake, config.duplicate_similarity, signatures.files(partitions), units.files(partitions))
                units.replace(grouped)
                counts = {**counts, NEAR_DUPLICATES: duplicates}
    for table in tables:
        table.commit()
    return counts


def units_of_acts(spark: SparkSession, lake: LakeConfig, config: EtlConfig, version: int, changed: ChangedActs) -> TaskReport:
    """Files of the units that changed acts give. Raises ContractError if acts were lost on the way."""
    bots = known_bots(spark_tables.read(spark, lake, ACTS, version), lake, config) if config.filters.drop_bots else frozenset[str]()
    settings = UnitSettings(
        config.context_depth, config.context_chars, config.mask_contacts, config.identify_languages, config.filters, bots,
        config.duplicate_min_words if config.find_duplicates else None, one_in(changed.rows),
    )  # fmt: skip
    texts = ActTexts(config.text_chars, config.context_chars)
    cores, at = spark.sparkContext.defaultParallelism, lake.for_other_folders()
    files, threads = files_and_buckets(arrow_tables.live_files(arrow_tables.open_table(lake, ACTS, version)), changed, cores)
    places = places_of_buckets(acts_of_buckets(threads, changed), cores, ACTS_OF_SHARED_PLACE)

    blocks = rows_of_tasks(spark, files, lambda of_task: blocks_of_files(at, of_task, threads, texts), BLOCKS, places)
    made = write_files(blocks, places, lambda batches: units_of_batches(acts_of_blocks(batches, threads), settings), lake)
    if made.counts["acts"] != changed.rows:
        raise ContractError(f"units: read {made.counts['acts']} acts, but the log of acts counts {changed.rows}; run 'kindred etl units' again")
    return made


def count_ids_of_several(lake: LakeConfig, made: Sequence[np.ndarray], files: Sequence[TableFile], of: int) -> int:
    """About how many `unit_id`s stand for several acts, those of units in `files`, which no new act changed, included; a word in the log where some do."""
    known, known_share = ids_in_files(lake, files, of)
    count = ids_of_several(made, known, of, known_share)
    if count:
        exactly = "" if of == known_share == 1 else "about "
        logger.warning(
            "%s%d unit_ids stand for several acts each, in different threads: whoever asks for one of them means all. An id must be of one act in all "
            "files of a platform: see to the parser's ids (generic: columns.id; an act without it gets an id of its own), and ingest again",
            exactly, count,
        )  # fmt: skip
    return count


def files_and_buckets(live: Sequence[File], changed: ChangedActs, at_least: int) -> tuple[list[list[ActsFile]], ThreadBuckets]:
    """Files of acts as shared out among the tasks that read them, and the buckets in which threads are whole."""
    rows = acts_to_read(changed)
    new_files: dict[Partition, list[str]] = {partition: [] for partition in changed.grown}
    for file in live:
        if partition_of(file, ACTS) in changed.grown and file["max.source_file"] in changed.new_sources:
            new_files[partition_of(file, ACTS)].append(file["path"])
    concerned = [file for file in live if partition_of(file, ACTS) in rows]
    files = [ActsFile(file["path"], partition_of(file, ACTS)) for file in concerned]
    shared_out = files_by_task(files, [file["size_bytes"] for file in concerned], at_least)
    return shared_out, ThreadBuckets(buckets_of_partitions(rows, at_least), new_files, changed.new_sources)


def acts_to_read(changed: ChangedActs) -> dict[Partition, int]:
    """About how many acts each partition gives to work on."""
    return dict(changed.whole) | {partition: OLD_ACTS_TOO * new for partition, new in changed.grown.items()}


def acts_of_buckets(threads: ThreadBuckets, changed: ChangedActs) -> list[int]:
    """About how many acts each bucket of threads has."""
    rows = acts_to_read(changed)
    return [rows[partition] // len(buckets) for partition, buckets in sorted(threads.buckets.items(), key=lambda entry: entry[1].start) for _ in buckets]


def known_bots(acts: DataFrame, lake: LakeConfig, config: EtlConfig) -> frozenset[str]:
    """Accounts on the list of bots, and those that repeat themselves. Raises ConfigError where the lake's pseudonym key is not at hand."""
    listed = listed_bots_of_lake(lake, [row.platform for row in acts.select("platform").distinct().collect()])
    repeating = repeating_users(acts, config.bot_min_acts, config.bot_repeated_share).collect()
    logger.info("bots: %d accounts on the list, %d that repeat themselves", len(listed), len(repeating))
    return listed | {row.user_id for row in repeating}


def count(counts: Mapping[str, int], changed: ChangedActs, run: RunRecord) -> None:
    """Note in the run what became of the acts that it had to look at."""
    run.dropped.update({reason: counts[reason] for reason in (*OBSTACLES, *REASONS) if counts.get(reason)})
    run.rows.update({"acts": changed.rows, "units": changed.rows - run.dropped.total()})
    run.rows.update({name: counts[name] for name in (CONFLICTS, CHANGED, NEAR_DUPLICATES) if counts.get(name)})
    run.rows[IDS_OF_SEVERAL] = counts.get(IDS_OF_SEVERAL, 0)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(etl_arguments.units(argv))


def run_job(arguments: JobArguments) -> None:
    """Bring units up to the acts."""
    config, lake = arguments.section("etl", EtlConfig), arguments.section("lake", LakeConfig)
    settings = config.model_dump(include=SETTINGS) | {"masking_version": MASKING_VERSION}
    inputs = inputs_now(lake, reads=(ACTS,), settings=settings, code=UNITS_VERSION)
    with job_run(lake, JOB, {"etl": config, "inputs": inputs}) as run:
        build_units(lake, config, inputs, run)


if __name__ == "__main__":
    main()
