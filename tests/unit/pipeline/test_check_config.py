"""A configuration file is checked to its last key, the options of platforms included; and all that is wrong is told at once."""

from pathlib import Path

import pytest

from conf.errors import ConfigError
from pipeline.check_config import check_config

GENERIC = "{generic: {name: shop, sources: [{files: a.csv, action: review, columns: {user: u, time: t, text: x}, %s}]}}"


def check(folder: Path, text: str) -> str:
    """What is wrong with a file, less its name."""
    (folder / "a.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        check_config(str(folder / "a.yaml"))
    return str(caught.value).removeprefix(f"{folder / 'a.yaml'}:").removeprefix(" ")


@pytest.mark.parametrize(
    ("platforms", "expected"),
    [
        ("{reddit: {months: 3}}", "unknown key etl.platforms.reddit.months"),
        ("{reddit: 3}", "etl.platforms.reddit: Input should be a valid dictionary, found 3"),
        ("{takeout: {acount: x}}", "unknown key etl.platforms.takeout.acount; did you mean 'account'?"),
        ("{generic: {nam: shop, sources: [{files: a.csv, action: review, columns: {user: u, time: t, text: x}}]}}",
         "unknown key etl.platforms.generic.nam; did you mean 'name'?"),
        ("{generic: {name: shop, sources: [{files: a.csv, action: review}]}}", "etl.platforms.generic.sources.0.columns is missing"),
        (GENERIC % "time_formt: iso", "unknown key etl.platforms.generic.sources.0.time_formt; did you mean 'time_format'?"),
        (GENERIC % "constants: {titel: x}", "etl.platforms.generic.sources.0.constants.titel: Input should be 'title', 'community', 'url' or 'language', found 'titel'"),
        (GENERIC % "context: {}", "etl.platforms.generic.sources.0.context: expected a column as title or text"),
    ],
)  # fmt: skip
def test_a_wrong_option_of_a_platform_is_named_once(tmp_path: Path, platforms: str, expected: str) -> None:
    assert check(tmp_path, f"etl: {{platforms: {platforms}}}\n").removesuffix(", found {}") == expected


@pytest.mark.parametrize("name", ["redit", "Reddit", "reddits"])
def test_a_misspelt_platform_is_told_what_was_meant(tmp_path: Path, name: str) -> None:
    said = check(tmp_path, f"etl: {{platforms: {{{name}: {{}}}}}}\n")
    assert said.startswith(f"platform {name!r} is not installed; installed are amazon, ")
    assert said.endswith("; did you mean 'reddit'?")


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = """
    ettl: {}
    etl: {filters: {min_wordz: 1}, units_per_chunk: few, platforms: {takeout: {acount: x}, myspace: {}}}
    trainer: {epoch: 3}
    serving: {top_k: 0}
    """
    lines = check(tmp_path, text).strip().splitlines()
    assert [line.strip().partition(";")[0].partition(",")[0] for line in lines] == [
        "unknown section 'ettl'",
        "unknown key etl.filters.min_wordz",
        "etl.units_per_chunk: Input should be a valid integer",
        "unknown key trainer.epoch",
        "serving.top_k: Input should be greater than 0",
        "unknown key etl.platforms.takeout.acount",
        "platform 'myspace' is not installed",
    ]
