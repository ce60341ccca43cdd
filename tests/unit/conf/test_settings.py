"""YAML and overrides become checked models; a misspelt key stops the run before any work."""

from pathlib import Path

import pytest
from pydantic import Field

from conf.arguments import job_arguments
from conf.errors import ConfigError
from conf.settings import StageConfig, load_settings


class Garden(StageConfig):
    beds: int = Field(4, gt=0)
    plants: dict[str, int] = Field(default_factory=dict)


def write(folder: Path, text: str) -> str:
    path = folder / "settings.yaml"
    path.write_text(text)
    return str(path)


def test_without_a_file_every_setting_has_its_default() -> None:
    assert load_settings(None).section("etl", Garden) == Garden()


def test_override_wins_over_the_file_and_is_read_as_yaml(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "etl: {beds: 2}"), ["etl.beds=7", "etl.plants.bean=3"])
    assert settings.section("etl", Garden) == Garden(beds=7, plants={"bean": 3})


def test_misspelt_key_is_named(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "etl: {bedz: 2}"))
    with pytest.raises(ConfigError, match=r"unknown key etl\.bedz"):
        settings.section("etl", Garden)


def test_unknown_section_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown section 'ettl'"):
        load_settings(write(tmp_path, "ettl: {beds: 2}"))


def test_value_of_a_wrong_kind_is_shown(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "etl: {beds: 0}"))
    with pytest.raises(ConfigError, match=r"etl\.beds: .*greater than 0, found 0"):
        settings.section("etl", Garden)


@pytest.mark.parametrize("text", ["etl: [1]", "- etl", "etl: {beds: 2"])
def test_file_that_is_no_mapping_of_sections_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load_settings(write(tmp_path, text))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load_settings(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("override", ["beds=1", "etl.beds"])
def test_override_without_section_or_value_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        load_settings(None, [override])


def test_empty_section_is_all_defaults(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, "etl:\n")).section("etl", Garden) == Garden()


def test_lake_argument_is_short_for_the_setting(tmp_path: Path) -> None:
    from lake.config import LakeConfig

    arguments = job_arguments(["--lake", str(tmp_path), "--set", "lake.keep_names=true"], "a job")
    assert arguments.section("lake", LakeConfig) == LakeConfig(path=str(tmp_path), keep_names=True)
