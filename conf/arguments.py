"""The arguments that every job and command shares: --config, --set and --lake."""

import argparse
from collections.abc import Sequence

from conf.settings import Section, Settings, load_settings


class JobArguments:
    """Parsed arguments of one job: its settings by section, and whatever else its parser took (`values`)."""

    def __init__(self, settings: Settings, values: argparse.Namespace) -> None:
        self.settings = settings
        self.values = values

    def section(self, name: str, model: type[Section]) -> Section:
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
    return parser


def parse_job_arguments(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> JobArguments:
    """The parser's result with the settings loaded. Raises ConfigError on a bad file or override."""
    values = parser.parse_args(argv)
    settings = load_settings(values.config, values.overrides)
    if values.lake is not None:
        settings = settings.with_value("lake.path", values.lake)
    return JobArguments(settings, values)


def job_arguments(argv: Sequence[str] | None, description: str) -> JobArguments:
    """The arguments of a job that takes nothing but the shared ones."""
    return parse_job_arguments(job_parser(description), argv)
