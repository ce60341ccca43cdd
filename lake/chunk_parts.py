"""A bucket of `sequences`, some people at a time: it may hold more than fits into memory."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pyarrow as pa
import pyarrow.dataset as ds

from lake import arrow_tables
from lake.config import LakeConfig
from lake.units import SEQUENCES

LEAF_BYTES = 2**31 - 2**20
"""Bytes of all texts of one field that Arrow's `string` can hold in one array, nearly; larger histories are held with large offsets."""
CHUNKS_A_BATCH = 256
MEMORY_OF_BYTES = 6
"""Bytes in memory of a byte of a file of `sequences`, about: where reading begins. What is really read says whether that was too much at once."""


def bytes_of_buckets(lake: LakeConfig, version: int) -> dict[int, int]:
    """Bytes of the files of each bucket that has some, in the order of buckets."""
    sizes: Counter[int] = Counter()
    for file in arrow_tables.live_files(arrow_tables.open_table(lake, SEQUENCES, version)):
        sizes[int(file["partition.bucket"])] += file["size_bytes"]
    return {bucket: sizes[bucket] for bucket in sorted(sizes)}


def chunks_in_parts(
    lake: LakeConfig, version: int, bucket: int, file_bytes: int, limit: int, columns: Sequence[str] = ("person_id", "chunk", "units")
) -> Iterator[tuple[ds.Expression, pa.Table]]:
    """Who, and these columns of their chunks, until all of a bucket have come, in the order of `person_id`: never more than `limit` bytes at once, and never more than
    LEAF_BYTES, save of one person alone.

    Together the expressions let everybody through whom a bucket could have: also who is not there.
    """
    everybody = arrow_tables.read(lake, SEQUENCES, ("person_id", "bucket"), ds.field("bucket") == bucket, version)
    ranges = list(ranges_of_ids(everybody["person_id"], 1 + file_bytes * MEMORY_OF_BYTES // limit))
    while ranges:
        start, end = ranges.pop(0)
        where = _people(bucket, start, end)
        halves = [(first or start, last or end) for first, last in ranges_of_ids(everybody.filter(where)["person_id"], 2)]
        chunks = _read_within(lake, version, where, columns, min(limit, LEAF_BYTES) if len(halves) > 1 else None)
        if chunks is None:
            ranges = [*halves, *ranges]
        else:
            yield where, chunks


def ranges_of_ids(person_ids: pa.ChunkedArray, parts: int) -> Iterator[tuple[str | None, str | None]]:
    """Ranges [from, to) that leave no string out, some `parts` with as many chunks each, whatever people are called; `person_ids` (chunks,), None is no bound."""
    ids = sorted(person_ids.to_pylist()) if parts > 1 else []
    bounds = sorted({ids[len(ids) * part // parts] for part in range(1, parts)} - set(ids[:1])) if ids else []
    yield from pairwise([None, *bounds, None])


def _read_within(lake: LakeConfig, version: int, where: ds.Expression, columns: Sequence[str], limit: int | None) -> pa.Table | None:
    """The chunks; None, and nothing held, where they are more than `limit` bytes."""
    size, batches = 0, []
    for batch in arrow_tables.read_batches(lake, SEQUENCES, columns, where, version, CHUNKS_A_BATCH):
        size += batch.nbytes
        if limit is not None and size > limit:
            return None
        batches.append(batch)
    return pa.Table.from_batches(batches) if batches else arrow_tables.read(lake, SEQUENCES, columns, where, version)


def _people(bucket: int, start: str | None, end: str | None) -> ds.Expression:
    where = ds.field("bucket") == bucket
    if start is not None:
        where &= ds.field("person_id") >= start
    return where if end is None else where & (ds.field("person_id") < end)
