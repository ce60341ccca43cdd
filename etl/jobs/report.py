"""`kindred etl report`: what a lake holds, and what stands out in it, as one HTML page for people or one JSON object for programs."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from conf.arguments import JobArguments
from etl import arguments as etl_arguments
from etl.config import EtlConfig
from etl.report.figures import read_figures
from etl.report.findings import LakeReport, find_all
from etl.report.page import render_page
from lake.config import LakeConfig

logger = logging.getLogger(__name__)

REPORT = TypeAdapter(LakeReport)
"""The report as JSON; ETL.md lists its keys."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(etl_arguments.report(argv))


def run_job(arguments: JobArguments) -> None:
    """Write the page and print where it is, or print the JSON object."""
    config, lake, values = arguments.section("etl", EtlConfig), arguments.section("lake", LakeConfig), arguments.values
    report = make_report(lake, config)
    out = Path(values.out) if values.out else None if values.json else default_path(lake)
    if out is not None:
        write_page(report, out)
    print(REPORT.dump_json(report).decode() if values.json else out)


def make_report(lake: LakeConfig, config: EtlConfig) -> LakeReport:
    """The figures of a lake and what stands out in them. Raises ContractError where the lake has no table."""
    made_at = datetime.now(UTC)
    figures = read_figures(lake)
    findings = find_all(figures, config.max_reject_share)
    logger.info("etl report: %d findings, %.1f s", len(findings), (datetime.now(UTC) - made_at).total_seconds())
    return LakeReport(lake=lake.path, made_at=made_at, findings=findings, **vars(figures))


def write_page(report: LakeReport, path: Path) -> None:
    """Write the report as a page."""
    path.write_text(render_page(report), encoding="utf-8")
    logger.info("etl report: %s has %d bytes", path, path.stat().st_size)


def default_path(lake: LakeConfig) -> Path:
    """Beside the tables of a local lake; a report on an object store's lake stays in the folder at hand."""
    return Path(etl_arguments.REPORT_FILE) if "://" in lake.path else Path(lake.path).expanduser() / etl_arguments.REPORT_FILE


if __name__ == "__main__":
    main()
