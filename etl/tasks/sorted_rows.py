"""Arrow rows in any order -> the same rows sorted, however many there are: what does not fit into memory waits in temporary files."""

import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

BYTES_IN_MEMORY = 256 * 2**20
"""Rows of so many bytes are held at once, for a moment twice."""

_ROWS_AT_ONCE = 32_768
_ROWS_OF_RUN_AT_ONCE = 4096


def sorted_rows(tables: Iterable[pa.Table], keys: Sequence[str], bytes_in_memory: int = BYTES_IN_MEMORY) -> Iterator[pa.RecordBatch]:
    """The rows of tables in the order of these columns, as batches of some ten thousand at most; no key is null. Rows of the same keys are together, in no certain order.

    Rows beyond `bytes_in_memory` are written to temporary files in sorted runs of that size, which are merged in the end.
    """
    waiting: list[pa.Table] = []
    waiting_bytes = 0
    with ExitStack() as files:
        runs: list[Iterator[pa.RecordBatch]] = []
        for table in tables:
            if waiting_bytes >= bytes_in_memory:
                runs.append(_stored(_in_order(waiting, keys, _ROWS_OF_RUN_AT_ONCE), files.enter_context(_nameless_file())))
                waiting_bytes = 0
            waiting.append(table)
            waiting_bytes += table.nbytes
        if not runs:
            yield from _in_order(waiting, keys, _ROWS_AT_ONCE)
        else:
            yield from _merged([*runs, _in_order(waiting, keys, _ROWS_OF_RUN_AT_ONCE)], keys)


def _in_order(waiting: list[pa.Table], keys: Sequence[str], rows_at_once: int) -> Iterator[pa.RecordBatch]:
    """Rows of the tables, sorted; the tables are taken out of the list."""
    if not waiting:
        return
    rows = pa.concat_tables(waiting).combine_chunks()
    waiting.clear()
    order = _order(rows, keys)
    for start in range(0, rows.num_rows, rows_at_once):
        yield from rows.take(order.slice(start, rows_at_once)).to_batches()


def _stored(batches: Iterable[pa.RecordBatch], file: IO[bytes]) -> Iterator[pa.RecordBatch]:
    """The batches by way of a file, so that one at a time is in memory."""
    writer = None
    for batch in batches:
        writer = writer or pa.ipc.new_stream(file, batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))
        writer.write_batch(batch)
    if writer is not None:
        writer.close()
    file.seek(0)
    return iter(pa.ipc.open_stream(file))


def _merged(runs: Sequence[Iterator[pa.RecordBatch]], keys: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Rows of sorted runs, sorted. What is known to come next: of the rows at hand of each run, those that come before the last one of every run."""
    at_hand = {number: batch for number, run in enumerate(runs) if (batch := next(run, None)) is not None}
    while at_hand:
        bound = min(_key(batch, keys, batch.num_rows - 1) for batch in at_hand.values())
        ready = []
        for number, batch in list(at_hand.items()):
            count = bisect_right(range(batch.num_rows), bound, key=partial(_key, batch, keys))
            ready.append(batch.slice(0, count))
            rest = batch.slice(count) if count < batch.num_rows else next(runs[number], None)
            if rest is None:
                del at_hand[number]
            else:
                at_hand[number] = rest
        rows = pa.concat_batches(ready)
        yield rows.take(_order(rows, keys))


def _order(rows: pa.Table | pa.RecordBatch, keys: Sequence[str]) -> pa.Array:
    return pc.sort_indices(rows, sort_keys=[(key, "ascending") for key in keys])


def _key(batch: pa.RecordBatch, keys: Sequence[str], row: int) -> tuple[Any, ...]:
    """What a row is sorted by. Python orders strings as Arrow does: by code points, that is, by their bytes in UTF-8."""
    return tuple(batch[key][row].as_py() for key in keys)


def _nameless_file() -> IO[bytes]:
    """A file that is gone when it is closed or its process ends, however that ends; where Spark keeps its own, if this is one of its tasks."""
    folders = os.environ.get("SPARK_LOCAL_DIRS")
    return tempfile.TemporaryFile(dir=folders.split(",")[0] if folders else None)
