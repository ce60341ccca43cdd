"""`kindred etl report`: one HTML page that shows what a lake holds, and what stands out in it."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from conf.arguments import job_parser, parse_job_arguments
from conf.logs import configure_logs
from etl.config import EtlConfig
from etl.report.figures import read_figures
from etl.report.findings import find_all
from etl.report.page import render_page
from lake.config import LakeConfig

logger = logging.getLogger(__name__)

DESCRIPTION = """Write one self-contained HTML page on a lake: rows, gaps, rejects, contexts, histories, communities and what stands out.

Reads acts, rejects, ingested_files, units, sequences and job_runs, those that are there (and identities); writes no table."""
FILE_NAME = "report.html"


def main(argv: Sequence[str] | None = None) -> None:
    """Write the page and print where it is."""
    configure_logs()
    parser = job_parser(DESCRIPTION)
    parser.add_argument("--out", metavar="FILE", help=f"where to write the page (default: {FILE_NAME} in a local lake, else in the folder at hand)")
    args = parse_job_arguments(parser, argv)
    config, lake = args.section("etl", EtlConfig), args.section("lake", LakeConfig)
    print(write_report(lake, config, Path(args.values.out) if args.values.out else default_path(lake)))


def write_report(lake: LakeConfig, config: EtlConfig, path: Path) -> Path:
    """Write the page, and return its path. Raises ContractError where the lake has no table."""
    started_at = datetime.now(UTC)
    figures = read_figures(lake)
    findings = find_all(figures, config.max_reject_share)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_page(figures, findings, lake.path, started_at), encoding="utf-8")
    seconds = (datetime.now(UTC) - started_at).total_seconds()
    logger.info("etl report done: %d findings, %d bytes, %.1f s", len(findings), path.stat().st_size, seconds)
    return path


def default_path(lake: LakeConfig) -> Path:
    """Beside the tables of a local lake; a report on an object store's lake stays in the folder at hand."""
    return Path(FILE_NAME) if "://" in lake.path else Path(lake.path).expanduser() / FILE_NAME


if __name__ == "__main__":
    main()
