"""`kindred serving serve` with the parsers of platforms, where `etl` is installed: the one place where both stages meet, since none imports another."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from lake.config import LakeConfig
from serving import arguments as serving_arguments

if TYPE_CHECKING:
    from etl.config import EtlConfig
    from serving.searcher import HistoryParser


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    arguments = serving_arguments.serve(argv)
    from etl.config import EtlConfig

    parse = history_parser(arguments.section("lake", LakeConfig), arguments.section("etl", EtlConfig))
    from serving.jobs.serve import run_job

    run_job(arguments, parse)


def history_parser(lake: LakeConfig, config: "EtlConfig") -> "HistoryParser | None":
    """What reads the files of platforms; None where `etl` is not installed."""
    if find_spec("pyspark") is None or find_spec("msgspec") is None:
        return None
    from pipeline.histories import ArchiveParser

    return ArchiveParser(lake, config)
