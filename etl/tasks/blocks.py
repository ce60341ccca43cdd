"""Arrow rows <-> blocks: what Spark shuffles in the place of rows. A block is the rows that one task has for one bucket, as compressed bytes."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

BLOCKS = "bucket int, size int, content binary"
"""Columns of blocks as Spark shuffles them."""
BYTES_OF_TASK = 512 * 2**20
"""Files of a table so big are read by one task."""
BYTES_OF_BLOCKS = 128 * 2**20
"""Rows of so many bytes are parted into blocks at once: more make larger blocks, which Arrow works through faster, and take three times as much memory."""

_CODEC = pa.Codec("zstd")
_ROW = pa.schema({"bucket": pa.int32(), "size": pa.int32(), "content": pa.binary()})

Item = TypeVar("Item")


def files_by_task(files: Sequence[Item], sizes: Sequence[int], at_least: int, bytes_of_task: int = BYTES_OF_TASK) -> list[list[Item]]:
    """The files shared out among tasks that have about equally much, no more than `bytes_of_task` where there are enough files; none is empty."""
    largest_first = [files[number] for number in np.argsort([-size for size in sizes], kind="stable")]
    tasks = min(len(files), max(at_least, -(-sum(sizes) // bytes_of_task)))
    return [largest_first[number::tasks] for number in range(tasks)]


def places_of_buckets(sizes: Sequence[int], at_least: int, size_of_place: int) -> list[int]:
    """The place, from 0, of each bucket: where a task works on it, which costs something whatever its size. Small buckets share places.

    A shared place has about `size_of_place`, or a core's share of all where that is less; a bucket of at least half as much has a place of its own.
    There are `at_least` places if there are so many buckets.
    """
    sizes = [max(1, size) for size in sizes]
    size_of_place = min(size_of_place, sum(sizes) // at_least)
    places = [0] * len(sizes)
    small, alone = [], 0
    for bucket, size in enumerate(sizes):
        if 2 * size < size_of_place:
            small.append(bucket)
        else:
            places[bucket] = alone
            alone += 1
    shared = min(len(small), max(at_least - alone, -(-sum(sizes[bucket] for bucket in small) // max(1, size_of_place))))
    emptiest_first = [(0, place) for place in range(alone, alone + shared)]
    for bucket in sorted(small, key=lambda bucket: -sizes[bucket]):
        filled, places[bucket] = emptiest_first[0]
        heapq.heapreplace(emptiest_first, (filled + sizes[bucket], places[bucket]))
    return places


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


def row_of_block(block: Block) -> pa.RecordBatch:
    """A block as Spark shuffles it (BLOCKS)."""
    return pa.RecordBatch.from_pylist([asdict(block)], schema=_ROW)


def block_of_row(row: Mapping[str, Any]) -> Block:
    """The block that a row (BLOCKS, and perhaps more) is."""
    return Block(row["bucket"], row["size"], row["content"])
