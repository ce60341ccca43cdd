"""`kindred etl report`: what a lake holds, and what stands out in it, as one HTML page for people or one JSON object for programs."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from conf.arguments import job_parser, parse_job_arguments
from conf.logs import configure_logs
from etl.config import EtlConfig
from etl.report.figures import read_figures
from etl.report.findings import LakeReport, find_all
from etl.report.page import render_page
from lake.config import LakeConfig

logger = logging.getLogger(__name__)

DESCRIPTION = """Write one self-contained HTML page on a lake: rows, gaps, rejects, contexts, histories, communities and what stands out.

Reads acts, rejects, ingested_files, units, sequences and job_runs, those that are there (and identities); writes no table."""
FILE_NAME = "report.html"
_REPORT = TypeAdapter(LakeReport)


def main(argv: Sequence[str] | None = None) -> None:
    """Write the page and print where it is, or print the JSON object."""
    configure_logs()
    parser = job_parser(DESCRIPTION)
    parser.epilog = f"Keys of the JSON object, times in UTC:\n{json_keys()}"
    parser.add_argument("--out", metavar="FILE", help=f"where to write the page (default: {FILE_NAME} in a local lake, else in the folder at hand)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout and nothing else; a page only where --out says")
    args = parse_job_arguments(parser, argv)
    report = make_report(args.section("lake", LakeConfig), args.section("etl", EtlConfig))
    out = Path(args.values.out) if args.values.out else None if args.values.json else default_path(args.section("lake", LakeConfig))
    if out is not None:
        write_page(report, out)
    print(_REPORT.dump_json(report).decode() if args.values.json else out)


def make_report(lake: LakeConfig, config: EtlConfig) -> LakeReport:
    """The figures of a lake and what stands out in them. Raises ContractError where the lake has no table."""
    made_at = datetime.now(UTC)
    figures = read_figures(lake)
    findings = find_all(figures, config.max_reject_share)
    logger.info("etl report: %d findings, %.1f s", len(findings), (datetime.now(UTC) - made_at).total_seconds())
    return LakeReport(lake=lake.path, made_at=made_at, findings=findings, **vars(figures))


def write_page(report: LakeReport, path: Path) -> None:
    """Write the report as a page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_page(report), encoding="utf-8")
    logger.info("etl report: %s has %d bytes", path, path.stat().st_size)


def json_keys() -> str:
    """The keys of the JSON object and what each holds, one a line."""
    return "\n".join(f"  {name}: {value['description']}" for name, value in _REPORT.json_schema(mode="serialization")["properties"].items())


def default_path(lake: LakeConfig) -> Path:
    """Beside the tables of a local lake; a report on an object store's lake stays in the folder at hand."""
    return Path(FILE_NAME) if "://" in lake.path else Path(lake.path).expanduser() / FILE_NAME


if __name__ == "__main__":
    main()
