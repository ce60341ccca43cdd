"""`kindred user-id`: the pseudonym of a name, and no answer with a key that did not make the lake."""

import pytest

from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.pseudonyms import KEY_ID_PROPERTY, KEY_VARIABLE, pseudonym
from pipeline import cli


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
