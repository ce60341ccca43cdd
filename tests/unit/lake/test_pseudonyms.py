"""Pseudonyms: the key is made once, never guessed from its id, and another key is an error."""

import hashlib
import hmac
import stat
from pathlib import Path

import pytest

from conf.errors import ConfigError
from lake.pseudonyms import KEY_VARIABLE, check_key_id, keep_key, key_id, load_key, load_or_new_key, pseudonym

KEY = bytes(range(32))


def test_pseudonym_is_the_hmac_of_platform_and_lower_cased_name() -> None:
    expected = hmac.new(KEY, b"reddit:some_name", hashlib.sha256).hexdigest()
    assert pseudonym(KEY, "reddit", "Some_Name") == expected


def test_key_is_made_once_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    path = tmp_path / "config" / "key"
    made = load_or_new_key(str(path))
    assert not path.parent.exists(), "a key that nobody keeps leaves nothing behind"
    assert keep_key(made, str(path)) == made == load_or_new_key(str(path))
    assert keep_key(KEY, str(path)) == made, "the first one stays"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["key"]


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY.hex())
    assert keep_key(load_or_new_key(str(tmp_path / "key")), str(tmp_path / "key")) == KEY
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize("text", ["", "no hex at all", "abcd"])
def test_weak_or_broken_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(ConfigError, match="32 hex digits"):
        load_key(str(path))


def test_absent_key_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match="etl ingest"):
        load_key(str(tmp_path / "key"))


def test_another_key_is_told_by_its_id() -> None:
    check_key_id(key_id(KEY), KEY, "acts")
    check_key_id(None, KEY, "acts")
    with pytest.raises(ConfigError, match="acts: made with pseudonym key"):
        check_key_id(key_id(b"x" * 32), KEY, "acts")
