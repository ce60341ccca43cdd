"""`kindred user-id`: the pseudonym of a name, and no answer with a key that did not make the lake."""

import pytest

from conf.arguments import job_arguments
from conf.errors import ConfigError
from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.pseudonyms import KEY_ID_PROPERTY, KEY_VARIABLE, pseudonym
from lake.schema import rows_table
from pipeline import cli
from serving.arguments import user_id_of_account
from tests.etl_rows import act


def test_prints_the_pseudonym_alone(lake: LakeConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    arguments = ["user-id", "reddit", "Some_Name", "--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}"]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.strip() == pseudonym(bytes.fromhex("11" * 32), "reddit", "some_name")


def test_another_key_than_the_lakes_is_an_error(lake: LakeConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "22" * 32)
    arrow_tables.create_table(lake, ACTS, {KEY_ID_PROPERTY: "0123456789abcdef"})
    assert cli.main(["user-id", "reddit", "some_name", "--lake", lake.path]) == 1
    assert "made with pseudonym key 0123456789abcdef" in capsys.readouterr().err


def asked(lake: LakeConfig, platform: str, *more: str) -> int:
    return cli.main(["user-id", platform, "some_name", "--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}", *more])


def write_acts(lake: LakeConfig, *platforms: str) -> None:
    arrow_tables.append(lake, ACTS, rows_table(ACTS, [act(f"{platform}:1", platform=platform) for platform in platforms]))


@pytest.mark.parametrize(("platform", "meant"), [("redit", "reddit"), ("Reddit", "reddit"), ("reddit-export", "reddit"), ("teashp", "teashop")])
def test_a_platform_that_nobody_has_is_an_error(
    lake: LakeConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, platform: str, meant: str
) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    write_acts(lake, "teashop")
    assert asked(lake, platform) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "installed are amazon, hackernews, reddit, stackexchange, takeout; the lake has teashop; " in said.err
    assert said.err.endswith(f"did you mean {meant!r}?\n")


def test_names_of_tables_that_settings_or_the_lake_tell_of_are_platforms(
    lake: LakeConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert asked(lake, "teashop", "--set", "etl.platforms.generic.name=teashop") == 0
    assert asked(lake, "generic", "--set", "etl.platforms.generic.name=teashop") == 1
    write_acts(lake, "teashop")
    assert asked(lake, "teashop") == 0
    assert asked(lake, "reddit") == 0, "what is not ingested yet has pseudonyms, too"
    assert len(set(capsys.readouterr().out.split())) == 2


def test_serving_takes_the_names_of_what_the_lake_holds(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    arguments = job_arguments(["--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}"], "a query")
    expected = pseudonym(bytes.fromhex("11" * 32), "teashop", "some:name")
    assert user_id_of_account(arguments, "teashop:Some:Name") == expected, "a lake without acts takes any platform"
    write_acts(lake, "teashop", "reddit")
    assert user_id_of_account(arguments, "teashop:Some:Name") == expected
    with pytest.raises(ConfigError, match=r"no accounts of a platform 'redit'; the lake has reddit, teashop; did you mean 'reddit'\?"):
        user_id_of_account(arguments, "redit:some_name")
