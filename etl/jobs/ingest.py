"""Job `etl ingest`: archive files -> acts and rejects, one atomic commit a file."""

from collections.abc import Sequence

from conf.arguments import job_parser, parse_job_arguments
from conf.logs import configure_logs
from etl.config import EtlConfig
from etl.platforms import checked_options, find_platform
from lake.config import LakeConfig
from lake.job_runs import job_run

JOB = "etl ingest"
DESCRIPTION = """Parses archive files that are new or have changed. Reads the files below --dump; writes acts, rejects, ingested_files.

A file that cannot be taken is named and costs no other; the exit status is 1 then, 0 where every file is in."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    configure_logs()
    parser = job_parser(DESCRIPTION)
    parser.add_argument("--dump", required=True, metavar="DIR", help="folder (or URI) of archive files; folders below it are read, too")
    parser.add_argument("--platform", default="reddit", help="parser of the files (default: reddit)")
    parser.add_argument("--sha256", metavar="FILE", help="list of digests, as sha256sum writes it: a file that it names and that differs is not taken")
    args = parse_job_arguments(parser, argv)
    config, lake = args.section("etl", EtlConfig), args.section("lake", LakeConfig)
    platform = find_platform(args.values.platform)
    checked_options(platform, config.platforms.get(platform.name, {}))
    # Not before: what it needs takes seconds to load, and most mistakes are told by now.
    from etl.ingest.dump import ingest_dump

    with job_run(lake, JOB, {"etl": config}) as run:
        ingest_dump(lake, config, args.values.dump, args.values.platform, run, args.values.sha256)


if __name__ == "__main__":
    main()
