"""Job `etl ingest`: archive files -> acts and rejects, one atomic commit a file."""

from collections.abc import Sequence

from conf.arguments import JobArguments
from etl import arguments as etl_arguments
from etl.config import EtlConfig
from etl.ingest.inputs import find_files, parse_settings
from etl.platforms import platform_reference
from lake.config import LakeConfig
from lake.job_runs import job_run

JOB = "etl ingest"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(etl_arguments.ingest(argv))


def run_job(arguments: JobArguments) -> None:
    """Take in every new or changed file of the dump."""
    config, lake, values = arguments.section("etl", EtlConfig), arguments.section("lake", LakeConfig), arguments.values
    reference = platform_reference(values.platform)
    settings = parse_settings(lake, config, reference)  # before a run is on record: a wrong option may be somebody's account
    with job_run(lake, JOB, {"etl": config}) as run:
        found = find_files(lake, reference, settings, values.dump, values.sha256)
        from etl.ingest.dump import ingest_files  # brings the tables: what is wrong with the dump is told without

        ingest_files(lake, config, found, run)


if __name__ == "__main__":
    main()
