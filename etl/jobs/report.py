"""`kindred etl report`: one HTML page that shows what a lake holds, and what stands out in it."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from conf.arguments import JobArguments
from etl import arguments as etl_arguments
from etl.config import EtlConfig
from etl.report.figures import read_figures
from etl.report.findings import find_all
from etl.report.page import render_page
from lake.config import LakeConfig

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(etl_arguments.report(argv))


def run_job(arguments: JobArguments) -> None:
    """Write the page and print where it is."""
    config, lake = arguments.section("etl", EtlConfig), arguments.section("lake", LakeConfig)
    print(write_report(lake, config, Path(arguments.values.out) if arguments.values.out else default_path(lake)))


def write_report(lake: LakeConfig, config: EtlConfig, path: Path) -> Path:
    """Write the page, and return its path. Raises ContractError where the lake has no table."""
    started_at = datetime.now(UTC)
    figures = read_figures(lake)
    findings = find_all(figures, config.max_reject_share)
    path.write_text(render_page(figures, findings, lake.path, started_at), encoding="utf-8")
    seconds = (datetime.now(UTC) - started_at).total_seconds()
    logger.info("etl report done: %d findings, %d bytes, %.1f s", len(findings), path.stat().st_size, seconds)
    return path


def default_path(lake: LakeConfig) -> Path:
    """Beside the tables of a local lake; a report on an object store's lake stays in the folder at hand."""
    return Path(etl_arguments.REPORT_FILE) if "://" in lake.path else Path(lake.path).expanduser() / etl_arguments.REPORT_FILE


if __name__ == "__main__":
    main()
