"""A copy is made of a folder at rest, and of no other."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from serving.lite_copies import FolderOfCopies, copy_at_rest, state_of


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


def test_copies_of_processes_that_are_gone_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = "import os, signal, time; from serving.lite_copies import FolderOfCopies; f = FolderOfCopies(); (f.path / 'copy').mkdir(); os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[3], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    (left,) = tmp_path.iterdir()
    (tmp_path / "kindred-index-of-somebody").mkdir()
    alive = FolderOfCopies()
    assert left.exists(), "it may be one that is not locked yet"
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    other = FolderOfCopies()
    assert {path.name for path in tmp_path.iterdir()} == {alive.path.name, other.path.name, "kindred-index-of-somebody"}
    other.close()
    alive.close()
    assert [path.name for path in tmp_path.iterdir()] == ["kindred-index-of-somebody"]
