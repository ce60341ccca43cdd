"""Files of an object store for Arrow, through delta-rs, and the end of a process that has read them (edge).

delta-rs's file system is Python code that Arrow's threads call and let go of when they please, later than the read that they belong to. A thread that
does so while the interpreter ends is ended by it in the middle of C++, and the process aborts with its work done ("terminate called without an active
exception", https://github.com/apache/arrow/issues/34314). So every open file is known here, and the interpreter waits until Arrow holds none.
"""

import atexit
import gc
import os
import time
import weakref
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import PyFileSystem

LAST_WAIT = 5.0
"""Seconds that a process waits at its end; whoever still holds a stream of batches then holds files for good, whose reads are over by that time."""
_held: weakref.WeakSet[Any] = weakref.WeakSet()


def store_file_system(uri: str, storage_options: dict[str, str]) -> PyFileSystem:
    """The folder of an object store that a table stands in."""
    return PyFileSystem(_StoreHandler(uri, storage_options or None))


def table_file_system(table: DeltaTable, storage_options: dict[str, str]) -> PyFileSystem:
    """The same for a table that is open: sizes of its files are known from its log, and no store is asked for them."""
    files = pa.table(table.get_add_actions())
    sizes = dict(zip(files["path"].to_pylist(), files["size_bytes"].to_pylist(), strict=True))
    return PyFileSystem(_StoreHandler(table.table_uri, storage_options or None, sizes))


class _StoreHandler(DeltaStorageHandler):
    """delta-rs's handler, whose files are known while they are open."""

    def __init__(self, uri: str, options: dict[str, str] | None, known_sizes: dict[str, int] | None = None) -> None:
        super().__init__(uri, options, known_sizes)
        _held.add(self)

    def open_input_file(self, path: str) -> pa.PythonFile:
        return pa.PythonFile(_StoreFile(self._handler.open_input_file(path)), mode="r")

    open_input_stream = open_input_file


class _StoreFile:
    """A file of delta-rs that a weak reference can be made to."""

    def __init__(self, file: Any) -> None:
        self._file = file
        _held.add(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@atexit.register
def _let_go() -> None:
    """Wait until Arrow's threads have let go of every file."""
    gc.collect()  # what stands in a cycle is held by nobody, and would be waited for
    until = time.monotonic() + LAST_WAIT
    while _held and time.monotonic() < until:
        time.sleep(0.001)


os.register_at_fork(after_in_child=_held.clear)  # Arrow's threads stay with the parent: nobody in the child will let go
