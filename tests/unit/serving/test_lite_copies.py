"""A copy is made of a folder at rest, and of no other."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from serving.lite_copies import copy_at_rest, state_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "milvus.db" / "collections").mkdir(parents=True)
    (tmp_path / "milvus.db" / "LOCK").touch()
    (tmp_path / "milvus.db" / "aliases.json").write_text("{}")
    (tmp_path / "milvus.db" / "collections" / "rows").write_bytes(b"rows")
    return tmp_path / "milvus.db"


def test_a_copy_holds_all_but_the_lock(folder: Path, tmp_path: Path) -> None:
    assert copy_at_rest(folder, tmp_path / "copy") == state_of(folder)
    assert {path.name for path in (tmp_path / "copy").rglob("*")} == {"collections", "rows", "aliases.json"}


def test_what_is_written_changes_the_state_and_the_lock_does_not(folder: Path) -> None:
    before = state_of(folder)
    (folder / "LOCK").write_text("held")
    assert state_of(folder) == before
    (folder / "aliases.json").write_text('{"users": "x"}')
    assert state_of(folder) != before
    assert state_of(folder / "absent") == frozenset()


def test_no_copy_is_kept_of_a_folder_that_changes_meanwhile(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copytree = shutil.copytree

    def copied_and_written(*given: Any, **more: Any) -> Any:
        done = copytree(*given, **more)
        (folder / "collections" / "rows").write_bytes(b"more rows")
        return done

    monkeypatch.setattr(shutil, "copytree", copied_and_written)
    assert copy_at_rest(folder, tmp_path / "copy") is None
    assert not (tmp_path / "copy").exists()


def test_no_copy_is_made_of_what_is_not_there(tmp_path: Path) -> None:
    assert copy_at_rest(tmp_path / "absent", tmp_path / "copy") is None
