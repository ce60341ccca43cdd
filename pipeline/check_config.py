"""`kindred check-config FILE`: check every section of a configuration file without running anything."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from conf.errors import ConfigError

if TYPE_CHECKING:
    from conf.settings import StageConfig


def section_models() -> "dict[str, type[StageConfig]]":
    """The model of each section."""
    from etl.config import EtlConfig
    from lake.config import LakeConfig
    from serving.config import ServingConfig
    from teacher.config import TeacherConfig
    from trainer.config import TrainerConfig

    return {"lake": LakeConfig, "etl": EtlConfig, "teacher": TeacherConfig, "trainer": TrainerConfig, "serving": ServingConfig}


def check_config(path: str | None, overrides: Sequence[str] = ()) -> None:
    """Raise ConfigError that names each wrong key of all sections, and of the options of all platforms."""
    from conf.settings import load_settings

    settings = load_settings(path, overrides)
    wrong = settings.unknown_sections()
    for name, model in section_models().items():
        wrong += settings.mistakes(name, model)
    wrong += _mistakes_of_platforms(settings.given("etl").get("platforms"))
    if wrong:
        raise ConfigError(f"{settings.origin}:" + (f" {wrong[0]}" if len(wrong) == 1 else "".join(f"\n  {mistake}" for mistake in wrong)))


def _mistakes_of_platforms(given: Any) -> Iterator[str]:
    """What is wrong with the options of each platform; what is no mapping of options is left to the section's own model."""
    options = {name: values for name, values in given.items() if isinstance(values, dict)} if isinstance(given, dict) else {}
    if not options:
        return
    from etl.platforms import checked_options, find_platform  # brings Arrow: a file without options of platforms is checked without

    for name, values in options.items():
        try:
            checked_options(find_platform(str(name)), values)
        except ConfigError as error:
            yield str(error)


def main(argv: Sequence[str] | None = None) -> None:
    """Print that the file is fine; a wrong key is a ConfigError."""
    parser = argparse.ArgumentParser(description="Check a configuration file: every section and key, without running anything.")
    parser.add_argument("file", help="e.g. conf/cluster.yaml")
    values = parser.parse_args(argv)
    check_config(values.file)
    print(f"{values.file}: fine")
