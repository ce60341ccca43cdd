"""`kindred check-config FILE`: check every section of a configuration file without running anything."""

import argparse
from collections.abc import Sequence

from conf.settings import StageConfig, load_settings
from etl.config import EtlConfig
from etl.platforms import checked_options, find_platform
from lake.config import LakeConfig
from serving.config import ServingConfig
from teacher.config import TeacherConfig
from trainer.config import TrainerConfig

SECTION_MODELS: dict[str, type[StageConfig]] = {
    "lake": LakeConfig,
    "etl": EtlConfig,
    "teacher": TeacherConfig,
    "trainer": TrainerConfig,
    "serving": ServingConfig,
}


def check_config(path: str | None, overrides: Sequence[str] = ()) -> dict[str, StageConfig]:
    """Every section's checked model. Raises ConfigError that names each wrong key of the first wrong section, or of the first wrong platform's options."""
    settings = load_settings(path, overrides)
    sections = {name: settings.section(name, model) for name, model in SECTION_MODELS.items()}
    for name, given in settings.section("etl", EtlConfig).platforms.items():
        checked_options(find_platform(name), given)
    return sections


def main(argv: Sequence[str] | None = None) -> None:
    """Print that the file is fine; a wrong key is a ConfigError."""
    parser = argparse.ArgumentParser(description="Check a configuration file: every section and key, without running anything.")
    parser.add_argument("file", help="e.g. conf/cluster.yaml")
    values = parser.parse_args(argv)
    check_config(values.file)
    print(f"{values.file}: fine")
