"""Copies of a Milvus Lite at rest. Who serves for long holds a copy open, so that the lake's own stays free for a load and for others: it belongs to one process at a time."""

import shutil
from pathlib import Path

State = frozenset[tuple[str, int, int, int]]
"""Of each file below a folder: path, size, time of its last change, inode."""
LOCK = "LOCK"


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
