"""How many files are decoded at once: what a decoder holds in memory, and a budget that all of them share."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from etl.platforms import InputFile
from etl.platforms.streams import window_bytes

GB = 10**9
PARSER_BYTES = 600_000_000
"""What a task holds besides its window, as measured: the interpreter, rows on their way into files of two tables, blocks of lines."""
MOST_DECODED_PER_BYTE = 50
"""Bytes of JSON that one byte of a dump is taken to hold at most: a window is as big as what was decoded, until it is full."""
SHARE_OF_FREE_MEMORY = 0.75
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def decoder_bytes(file: InputFile) -> int:
    """Memory that a task needs to read a file: 2.75 GB for a month of the archive, less where the file or the window that it tells of is small."""
    window = 0
    with suppress(OSError):  # the task that reads the file says what is wrong with it
        window = window_bytes(file.path)
    return PARSER_BYTES + min(window, MOST_DECODED_PER_BYTE * file.size)


def free_bytes() -> float:
    """Memory of this machine that decoders may take: a share of what is free, and of what a container is allowed."""
    free = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        free = min(free, int(_CGROUP_LIMIT.read_text()))
    return SHARE_OF_FREE_MEMORY * free


class MemoryBudget:
    """So many bytes for all threads: who asks for more than is left waits; who asks for more than all gets all."""

    def __init__(self, total: float) -> None:
        self.total = total
        self._left = total
        self._given_back = threading.Condition()

    @contextmanager
    def held(self, wanted: float) -> Iterator[None]:
        """Hold so many bytes for as long as the context lasts."""
        share = min(wanted, self.total)
        with self._given_back:
            self._given_back.wait_for(lambda: self._left >= share)
            self._left -= share
        try:
            yield
        finally:
            with self._given_back:
                self._left += share
                self._given_back.notify_all()
