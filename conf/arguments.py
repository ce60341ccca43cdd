"""The arguments that every job and command shares: --config, --set, --lake and --verbose.

Settings are loaded after the words are parsed, so that --help needs neither pydantic nor PyYAML.
"""

import argparse
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from conf.logs import configure_logs

if TYPE_CHECKING:
    from conf.settings import Section, Settings


class JobArguments:
    """Parsed arguments of one job: its settings by section, and whatever else its parser took (`values`)."""

    def __init__(self, settings: "Settings", values: argparse.Namespace) -> None:
        self.settings = settings
        self.values = values

    def section(self, name: str, model: "type[Section]") -> "Section":
        """The checked model of a section. Raises ConfigError."""
        return self.settings.section(name, model)


def job_parser(description: str, prog: str | None = None) -> argparse.ArgumentParser:
    """A parser with the shared arguments; jobs that take more add theirs."""
    parser = argparse.ArgumentParser(prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", metavar="FILE", help="YAML file, e.g. conf/local.yaml; without it every setting has its default")
    parser.add_argument(
        "--set", metavar="SECTION.KEY=VALUE", action="append", default=[], dest="overrides", help="one setting on top of the file; may be repeated"
    )
    parser.add_argument("--lake", metavar="DIR", help="folder or URI of the lake (short for --set lake.path=DIR)")
    parser.add_argument("--verbose", action="store_true", help="say also what the settings are, and all that Spark and other libraries say")
    return parser


def parse_job_arguments(parser: argparse.ArgumentParser, argv: Sequence[str] | None, level: int = logging.INFO) -> JobArguments:
    """The parser's result with the settings loaded, and the logs set up as --verbose says, else from a level on. Raises ConfigError on a bad file or override."""
    values = parser.parse_args(argv)
    configure_logs(logging.DEBUG if values.verbose else level)
    from conf.settings import load_settings

    settings = load_settings(values.config, values.overrides)
    if values.lake is not None:
        settings = settings.with_value("lake.path", values.lake)
    return JobArguments(settings, values)


def job_arguments(argv: Sequence[str] | None, description: str) -> JobArguments:
    """The arguments of a job that takes nothing but the shared ones."""
    return parse_job_arguments(job_parser(description), argv)
