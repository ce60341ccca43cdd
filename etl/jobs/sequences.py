"""Job `etl sequences`: units -> chunks of each person's history, oldest first."""

import logging
from collections.abc import Sequence

from conf.arguments import job_arguments
from conf.logs import configure_logs
from etl.config import EtlConfig
from etl.counting import write_counted
from etl.sequences import COUNTED, TOO_FEW, UNITS_LEFT_OUT, ChunkLimits, sequences_and_counts
from lake import arrow_tables, spark_tables
from lake.config import LakeConfig
from lake.job_runs import Inputs, RunRecord, inputs_now, job_run, last_run_of
from lake.units import IDENTITIES, SEQUENCES, UNITS

logger = logging.getLogger(__name__)

JOB = "etl sequences"
DESCRIPTION = "Cuts each person's units into chunks, oldest first. Reads units and, where there are any, identities; writes sequences."
SETTINGS = {
    "units_per_chunk", "chunk_bytes", "min_units_per_person", "sequence_buckets", "history_text_chars", "history_context_chars", "history_parents",
}  # fmt: skip


def build_sequences(lake: LakeConfig, config: EtlConfig, inputs: Inputs, run: RunRecord) -> None:
    """Make all sequences in one commit, unless units, identities and settings are those of the last run."""
    run.versions_read.update(inputs.versions)
    if last_run_of(lake, JOB, inputs, writes=(SEQUENCES,)):
        logger.info("units and identities are as at the last run: nothing to do")
    else:
        rebuild(lake, config, run)
    run.wrote(SEQUENCES, arrow_tables.table_version(lake, SEQUENCES))


def rebuild(lake: LakeConfig, config: EtlConfig, run: RunRecord) -> None:
    """Replace all sequences in one commit."""
    limits = ChunkLimits(config.units_per_chunk, config.chunk_bytes, config.min_units_per_person)
    with spark_tables.spark_session("sequences", lake) as spark:
        units = spark_tables.read(spark, lake, UNITS, run.versions_read[UNITS.name])
        identities = spark_tables.read_or_empty(spark, lake, IDENTITIES)
        sequences = sequences_and_counts(
            units, identities, limits, config.sequence_buckets, config.history_text_chars, config.history_context_chars, config.history_parents
        )
        counts = write_counted(sequences, COUNTED, lake, SEQUENCES)
    run.dropped.update({reason: counts[reason] for reason in (TOO_FEW, UNITS_LEFT_OUT) if counts[reason]})
    run.rows.update({name: counts[name] for name in ("people", "units", "chunks")})


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    configure_logs()
    args = job_arguments(argv, DESCRIPTION)
    config, lake = args.section("etl", EtlConfig), args.section("lake", LakeConfig)
    inputs = inputs_now(lake, reads=(UNITS,), optional=(IDENTITIES,), settings=config.model_dump(include=SETTINGS))
    with job_run(lake, JOB, {"etl": config, "inputs": inputs}) as run:
        build_sequences(lake, config, inputs, run)


if __name__ == "__main__":
    main()
