"""What each command of the ETL takes. Wrong settings and absent tables are told here, before its job imports Arrow and Spark."""

from collections.abc import Sequence
from pathlib import Path

from conf.arguments import JobArguments, job_arguments, job_parser, parse_job_arguments
from conf.errors import ConfigError

INGEST = """Parses archive files that are new or have changed. Reads the files below --dump; writes acts, rejects, ingested_files.

A file that cannot be taken is named and costs no other; the exit status is 1 then, 0 where every file is in."""
UNITS = "Settles duplicates of acts, attaches their context and finds units that say the same. Reads acts; writes units and unit_signatures, as acts changed."
SEQUENCES = "Cuts each person's units into chunks, oldest first. Reads units and, where there are any, identities; writes sequences."
THREAD = """Print one thread: who answered whom, in what words, and how whole the context of each unit is.

Reads `acts` and, where it is there, `units`; writes nothing. ID is that of any act of the thread, e.g. reddit:t3_87 or reddit:t1_c13."""
USER = """Print one person's history, oldest first: each unit in one line, with the context that the encoder reads before the person's own words.

Reads `sequences` and, where it is there, `identities`; writes nothing. ID is a person_id or any user_id of the person ('kindred user-id' tells that of a name)."""
REPORT = """Say what a lake holds: one self-contained HTML page: rows, gaps, rejects, contexts, histories, communities and what stands out.

Reads acts, rejects, ingested_files, units, sequences and job_runs, those that are there (and identities); writes no table."""
REPORT_FILE = "report.html"
REPORTED_TABLES = ("acts", "rejects", "ingested_files", "units", "sequences", "job_runs")


def ingest(argv: Sequence[str] | None = None) -> JobArguments:
    """--dump, --platform, --sha256; the dump itself is looked at by the job, whose failure is kept with the lake."""
    parser = job_parser(INGEST)
    parser.add_argument("--dump", required=True, metavar="DIR", help="folder (or URI) of archive files; folders below it are read, too")
    parser.add_argument("--platform", default="reddit", help="parser of the files (default: reddit)")
    parser.add_argument("--sha256", metavar="FILE", help="list of digests, as sha256sum writes it: a file that it names and that differs is not taken")
    return _checked(parse_job_arguments(parser, argv))


def units(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be acts."""
    return _checked(job_arguments(argv, UNITS), "acts")


def sequences(argv: Sequence[str] | None = None) -> JobArguments:
    """The shared arguments; there must be units."""
    return _checked(job_arguments(argv, SEQUENCES), "units")


def thread(argv: Sequence[str] | None = None) -> JobArguments:
    """ID and --json; there must be acts."""
    parser = job_parser(THREAD)
    parser.add_argument("id", metavar="ID", help="unit_id of any act of the thread")
    parser.add_argument("--json", action="store_true", help="one JSON list on stdout, in the order of the tree, and nothing else")
    return _checked(parse_job_arguments(parser, argv), "acts")


def user(argv: Sequence[str] | None = None) -> JobArguments:
    """ID and --json; there must be sequences."""
    parser = job_parser(USER)
    parser.add_argument("id", metavar="ID", help="a person_id, or any user_id of the person")
    parser.add_argument("--json", action="store_true", help="one JSON list on stdout, oldest first, and nothing else")
    return _checked(parse_job_arguments(parser, argv), "sequences")


def report(argv: Sequence[str] | None = None) -> JobArguments:
    """--out and --json; there must be a table, and a folder for the page."""
    parser = job_parser(REPORT)
    parser.add_argument("--out", metavar="FILE", help=f"where to write the page (default: {REPORT_FILE} in a local lake, else in the folder at hand)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout and nothing else (ETL.md lists its keys); a page only where --out says")
    arguments = _checked(parse_job_arguments(parser, argv), any_of=REPORTED_TABLES)
    out = arguments.values.out
    if out and not Path(out).parent.is_dir():
        raise ConfigError(f"--out {out}: no such folder {Path(out).parent}; make it, or name another file")
    return arguments


def _checked(arguments: JobArguments, *tables: str, any_of: Sequence[str] = ()) -> JobArguments:
    """The arguments, where the settings are fine and the lake has these tables. Raises ConfigError and ContractError."""
    from etl.config import EtlConfig
    from lake.config import LakeConfig
    from lake.presence import require_any_table, require_tables

    arguments.section("etl", EtlConfig)
    lake = arguments.section("lake", LakeConfig)
    require_tables(lake, tables)
    if any_of:
        require_any_table(lake, any_of)
    return arguments
