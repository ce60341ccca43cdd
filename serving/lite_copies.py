"""Copies of a Milvus Lite at rest. Who serves for long holds a copy open, so that the lake's own stays free for a load and for others: it belongs to one process at a time."""

import fcntl
import shutil
import tempfile
import time
from pathlib import Path

State = frozenset[tuple[str, int, int, int]]
"""Of each file below a folder: path, size, time of its last change, inode."""
LOCK = "LOCK"
PREFIX = "kindred-index-"
SECONDS_TO_LOCK = 60
"""So young a folder may be one that a process has not locked yet."""


class FolderOfCopies:
    """A new folder for the copies of this process, locked while it lives: those of processes that were killed are known by it, and removed."""

    def __init__(self) -> None:
        for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            if _is_left(left):
                shutil.rmtree(left, ignore_errors=True)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = (self.path / LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove it, with a copy that is being made."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _is_left(folder: Path) -> bool:
    """Whether nobody uses a folder of copies any more."""
    try:
        if time.time() - folder.stat().st_mtime < SECONDS_TO_LOCK:
            return False
        with (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked, somebody else's, or gone
        return False
    return True


def state_of(folder: Path) -> State:
    """What the folder holds now; two equal states have nothing written between them. The lock, which everybody touches who looks, is left out."""
    found = []
    for path in sorted(folder.rglob("*")):
        try:
            stat = path.stat()
        except FileNotFoundError:  # somebody is at work
            continue
        if path.name != LOCK and not path.is_dir():
            found.append((path.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return frozenset(found)


def copy_at_rest(folder: Path, to: Path) -> State | None:
    """Copy a folder that nobody writes to meanwhile, and give the state that was copied; None, and no copy, where somebody does."""
    before = state_of(folder)
    try:
        shutil.copytree(folder, to, ignore=shutil.ignore_patterns(LOCK))
    except (shutil.Error, FileNotFoundError):
        shutil.rmtree(to, ignore_errors=True)
        return None
    if state_of(folder) != before:
        shutil.rmtree(to, ignore_errors=True)
        return None
    return before
