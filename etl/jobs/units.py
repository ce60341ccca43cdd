"""Job `etl units`: acts -> units with their context, rebuilding the partitions whose acts have changed."""

import logging
from collections.abc import Collection, Sequence

from conf.arguments import job_arguments
from conf.errors import ContractError
from conf.logs import configure_logs
from etl.changes import Partition, changed_partitions, partition_predicate, rows_of_partitions
from etl.config import EtlConfig
from etl.counting import write_counted
from etl.units import CONFLICTS, COUNTED, OBSTACLES, units_and_counts
from lake import arrow_tables, spark_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.job_runs import Inputs, RunRecord, inputs_now, job_run, last_run_of
from lake.units import UNITS

logger = logging.getLogger(__name__)

JOB = "etl units"
DESCRIPTION = "Settles duplicates of acts and attaches their context. Reads acts; writes units (of the partitions whose acts have changed)."
SETTINGS = {"context_depth", "context_chars", "text_chars"}


def build_units(lake: LakeConfig, config: EtlConfig, inputs: Inputs, run: RunRecord) -> None:
    """Make the units of every partition whose acts have changed since the last run, in one commit."""
    run.versions_read.update(inputs.versions)
    version = inputs.version(ACTS)
    changed = find_changed_partitions(lake, inputs)
    if changed is None or changed:
        rebuild_partitions(lake, config, version, changed, run)
    else:
        logger.info("acts are as at the last run (version %d): nothing to do", version)
    run.wrote(UNITS, arrow_tables.table_version(lake, UNITS))


def find_changed_partitions(lake: LakeConfig, inputs: Inputs) -> set[Partition] | None:
    """Partitions of acts that differ from those that the last run read; None where all units must be made."""
    last = last_run_of(lake, JOB, inputs, writes=(UNITS,), same_versions=False)
    return changed_partitions(lake, ACTS, last.versions_read[ACTS.name], inputs.version(ACTS)) if last else None


def rebuild_partitions(lake: LakeConfig, config: EtlConfig, acts_version: int, partitions: Collection[Partition] | None, run: RunRecord) -> None:
    """Replace the units of these partitions (None: of all) in one commit. Raises ContractError if acts were lost on the way."""
    where = partition_predicate(ACTS, partitions) if partitions is not None else None
    logger.info("making units of %s", "all partitions" if partitions is None else f"{len(partitions)} partitions")
    with spark_tables.spark_session("units", lake) as spark:
        acts = spark_tables.read(spark, lake, ACTS, acts_version)
        units = units_and_counts(acts.where(where) if where else acts, config.context_depth, config.context_chars, config.text_chars)
        counts = write_counted(units, COUNTED, lake, UNITS, where)
    run.dropped.update({reason: counts[reason] for reason in OBSTACLES if counts[reason]})
    run.rows.update({"acts": counts["acts"], "units": counts["acts"] - run.dropped.total(), CONFLICTS: counts[CONFLICTS]})
    in_log = rows_of_partitions(lake, ACTS, acts_version, partitions)
    if in_log is not None and in_log != counts["acts"]:
        raise ContractError(f"units: read {counts['acts']} acts, but the log of acts counts {in_log}; run 'kindred etl units' again")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    configure_logs()
    args = job_arguments(argv, DESCRIPTION)
    config, lake = args.section("etl", EtlConfig), args.section("lake", LakeConfig)
    inputs = inputs_now(lake, reads=(ACTS,), settings=config.model_dump(include=SETTINGS))
    with job_run(lake, JOB, {"etl": config, "inputs": inputs}) as run:
        build_units(lake, config, inputs, run)


if __name__ == "__main__":
    main()
