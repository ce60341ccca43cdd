"""YAML and overrides become checked models; a misspelt key stops the run before any work."""

from pathlib import Path

import pytest
from pydantic import Field

from conf.arguments import job_arguments
from conf.errors import ConfigError
from conf.settings import Settings, StageConfig, load_settings


class Garden(StageConfig):
    beds: int = Field(4, gt=0)
    plants: dict[str, int] = Field(default_factory=dict)


class Bed(StageConfig):
    depth: int


class Plot(StageConfig):
    beds: tuple[Bed, ...] = Field(min_length=1)


class Yard(StageConfig):
    corner: Bed = Bed(depth=1)
    depths: int = 3


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
    with pytest.raises(ConfigError, match=r"unknown key etl\.bedz; did you mean 'beds'\?"):
        settings.section("etl", Garden)


def test_key_that_belongs_one_level_lower_is_told_its_place(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "etl: {depth: 2}"))
    assert settings.mistakes("etl", Yard)[0] == "unknown key etl.depth; did you mean 'corner.depth'?"


def test_misspelt_key_is_not_called_missing_too(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "etl: {beds: [{depht: 3}, {depth: 2}]}"))
    assert settings.mistakes("etl", Plot) == ["unknown key etl.beds.0.depht; did you mean 'depth'?"]
    assert load_settings(write(tmp_path, "etl: {beds: [{}]}")).mistakes("etl", Plot) == ["etl.beds.0.depth is missing"]
    assert load_settings(write(tmp_path, "etl: {beds: []}")).mistakes("etl", Plot)[0].startswith("etl.beds: Tuple should have at least 1 item")


def test_key_that_stands_twice_is_named_with_its_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"line 4: key 'beds' stands here and in line 2"):
        load_settings(write(tmp_path, "etl:\n  beds: 2\n  plants: {bean: 1}\n  beds: 3\n"))
    with pytest.raises(ConfigError, match="key 'etl' stands here"):
        load_settings(write(tmp_path, "etl: {}\nlake: {}\netl: {}"))
    with pytest.raises(ConfigError, match=r"--set etl\.plants.*key 'bean' stands here"):
        load_settings(None, ["etl.plants={bean: 1, bean: 2}"])


def test_keys_that_an_anchor_brings_in_may_be_replaced(tmp_path: Path) -> None:
    text = "lake: &a {path: x, driver_memory: 1g}\netl: {plants: {bean: 1}}\nserving: {<<: *a, path: y}\nteacher: {<<: *a, path: z}"
    assert load_settings(write(tmp_path, text)).given("serving") == {"path": "y", "driver_memory": "1g"}


def test_an_override_leaves_what_it_was_put_on_as_it_was() -> None:
    given = {"etl": {"plants": {"bean": 3}}}
    settings = Settings(given)
    assert settings.with_value("etl.plants.bean", 4).section("etl", Garden).plants == {"bean": 4}
    assert settings.with_value("etl.plants.pea", 1).section("etl", Garden).plants == {"bean": 3, "pea": 1}
    assert settings.section("etl", Garden).plants == {"bean": 3}
    assert given == {"etl": {"plants": {"bean": 3}}}


def test_override_below_a_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"etl\.beds is 2, which has no keys below it"):
        load_settings(write(tmp_path, "etl: {beds: 2}"), ["etl.beds.depth=1"])


def test_override_alone_is_not_called_a_default() -> None:
    with pytest.raises(ConfigError, match=r"--set: unknown key etl\.bedz"):
        load_settings(None, ["etl.bedz=2"]).section("etl", Garden)


def test_unknown_section_is_named(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "ettl: {beds: 2}\ntraner: {}"))
    with pytest.raises(ConfigError, match=r"unknown section 'ettl'.*did you mean 'etl'\?; unknown section 'traner'.*did you mean 'trainer'\?"):
        settings.section("etl", Garden)


def test_value_of_a_wrong_kind_is_shown(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "etl: {beds: 0}"))
    with pytest.raises(ConfigError, match=r"etl\.beds: .*greater than 0, found 0"):
        settings.section("etl", Garden)


@pytest.mark.parametrize("text", ["etl: [1]", "- etl", "etl: {beds: 2", "etl: 3", "just words"])
def test_file_that_is_no_mapping_of_sections_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load_settings(write(tmp_path, text))


@pytest.mark.parametrize("content", [b"etl: {\xff: 2}", "etl: {beds: é}".encode("utf-16")])
def test_file_that_is_no_utf_8_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "settings.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"expected UTF-8|no valid YAML"):
        load_settings(str(tmp_path / "settings.yaml"))


@pytest.mark.parametrize("value", ["2024-13-45", "!!int beds", "0x_"])
def test_value_that_only_looks_like_a_date_or_a_number_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match=r"settings\.yaml: a value is no date or number"):
        load_settings(write(tmp_path, f"etl: {{beds: {value}}}"))
    with pytest.raises(ConfigError, match=r"--set etl\.beds=.*quotes"):
        load_settings(None, [f"etl.beds={value}"])


def test_key_that_is_no_word_is_refused(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, "etl: {1: 2}")).mistakes("etl", Garden) == ["etl.1: Keys should be strings, found 1"]


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
