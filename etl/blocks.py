"""Arrow rows <-> blocks: what Spark shuffles in the place of rows. A block is the rows that one task has for one bucket, as compressed bytes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

_CODEC = pa.Codec("zstd")


def gathered(batches: Iterable[pa.RecordBatch], bytes_at_once: int) -> Iterator[pa.Table]:
    """The batches joined until they take so many bytes."""
    waiting: list[pa.RecordBatch] = []
    waiting_bytes = 0
    for batch in batches:
        waiting.append(batch)
        waiting_bytes += batch.nbytes
        if waiting_bytes >= bytes_at_once:
            rows, waiting, waiting_bytes = pa.Table.from_batches(waiting), [], 0
            yield rows
    if waiting:
        yield pa.Table.from_batches(waiting)


@dataclass(frozen=True)
class Block:
    """Rows of one bucket, compressed, and how many bytes they take unpacked."""

    bucket: int
    size: int
    content: bytes


def blocks_of_rows(rows: pa.Table, buckets: np.ndarray) -> Iterator[Block]:
    """The rows of each bucket that has some; `buckets` (N,) are the rows' numbers of buckets. Rows of one bucket keep their order.

    A block is compressed as a whole: Arrow's own compression, column by column, takes twice as long for blocks of some hundred rows.
    """
    in_order = rows.combine_chunks().take(pa.array(np.argsort(buckets, kind="stable")))
    found, counts = np.unique(buckets, return_counts=True)
    for bucket, end, count in zip(found.tolist(), np.cumsum(counts).tolist(), counts.tolist(), strict=True):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(in_order.slice(end - count, count))
        unpacked = sink.getvalue()
        yield Block(bucket, unpacked.size, _CODEC.compress(unpacked, asbytes=True))


def rows_of_block(block: Block) -> pa.Table:
    """The rows that a block was made of."""
    return pa.ipc.open_stream(_CODEC.decompress(block.content, block.size)).read_all()
