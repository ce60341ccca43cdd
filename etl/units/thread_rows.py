"""Files of acts -> acts of whole threads: tasks that read the files send blocks of acts, by a hash of the thread, to tasks that see each thread whole.

Of a partition that has grown, only the threads with new acts are read further. An act is `is_new` if the last run did not know it; without a last
run all are.
"""

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from etl.tasks.blocks import BYTES_OF_BLOCKS, block_of_row, blocks_of_rows, gathered, row_of_block, rows_of_block
from etl.tasks.changes import Partition
from etl.tasks.sorted_rows import sorted_rows
from etl.tasks.texts import cut
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.table_files import open_parquet
from lake.units import UNITS

_MADE_LATER = ("context", "root_state", "chain_state", "unit_hash", "duplicate_group")
_STORED_COLUMNS = [
    *(name for name in UNITS.columns if name not in (*_MADE_LATER, *ACTS.partition_by)), "state", "retrieved_at", "source_file", "line",
]  # fmt: skip
_THREAD_COLUMNS = ("thread_id", "session_id", "user_id", "unit_id")
_ROWS_AT_ONCE = 32_768


@dataclass(frozen=True)
class ActsFile:
    """One file of `acts`: its path as the table's log tells it, and its partition, which does not stand in it."""

    path: str
    partition: Partition


@dataclass(frozen=True)
class ActTexts:
    """Characters that are kept of title and text, each: of an act that may be a unit, and of one that only others' contexts show."""

    of_units: int
    of_others: int


@dataclass(frozen=True)
class ThreadBuckets:
    """Into which buckets the threads of each partition go, and what of the partitions is new.

    `new_files` are the paths, by partition that has grown, of files that have acts of `new_sources`; a partition that is not among them is new as a whole.
    """

    buckets: Mapping[Partition, range]
    new_files: Mapping[Partition, Sequence[str]] = field(default_factory=dict)
    new_sources: frozenset[str] = frozenset()

    def partition_of(self, bucket: int) -> Partition:
        """The partition whose threads a bucket has."""
        return next(partition for partition, buckets in self.buckets.items() if bucket in buckets)


def blocks_of_files(lake: LakeConfig, files: Iterable[ActsFile], threads: ThreadBuckets, texts: ActTexts) -> Iterator[pa.RecordBatch]:
    """The files' acts as blocks (BLOCKS); of a partition that has grown those of threads with new acts."""
    by_partition: dict[Partition, list[str]] = {}
    for file in files:
        by_partition.setdefault(file.partition, []).append(file.path)
    for partition, paths in by_partition.items():
        touched = touched_threads(lake, threads.new_files[partition], threads.new_sources) if partition in threads.new_files else None
        rows = (acts for path in paths for acts in rows_of_file(lake, path, touched, threads.new_sources, texts))
        buckets = threads.buckets[partition]
        for acts in gathered(rows, BYTES_OF_BLOCKS):
            of_acts = buckets.start + acts["thread_hash"].to_numpy() % len(buckets)
            yield from map(row_of_block, blocks_of_rows(acts, of_acts))


def rows_of_file(
    lake: LakeConfig, path: str, touched: pa.Array | None, new_sources: Collection[str], texts: ActTexts
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    """A file's acts of the threads that are `touched` (None: all are, and all acts are new), some thousand at once, with texts cut.

    They have `thread_key`, `thread_hash` and `is_new`, and no columns of the partition.
    """
    sources = pa.array(sorted(new_sources), pa.string())
    for acts in open_parquet(lake, ACTS, path).iter_batches(_ROWS_AT_ONCE, columns=_STORED_COLUMNS):
        is_new = pa.repeat(True, acts.num_rows) if touched is None else pc.is_in(acts["source_file"], value_set=sources)
        acts = acts.select(_STORED_COLUMNS).append_column("is_new", is_new)
        if touched is not None:
            acts = acts.filter(pc.is_in(thread_keys(acts), value_set=touched))
        yield _with_threads(acts, texts)


def threads_of_acts(acts: pa.Table, texts: ActTexts) -> Iterator[pa.RecordBatch]:
    """Acts that stand in no table yet, all of them new, as `acts_of_blocks` gives those of a bucket: each thread's in a row, with texts cut."""
    rows = acts.append_column("is_new", pa.repeat(True, acts.num_rows)).combine_chunks()
    yield from sorted_rows((pa.Table.from_batches([_with_threads(batch, texts)]) for batch in rows.to_batches()), ("thread_hash",))


def touched_threads(lake: LakeConfig, paths: Iterable[str], new_sources: Collection[str]) -> pa.Array:
    """Keys of the threads that have acts of new sources in these files, each once."""
    found, sources = [pa.array([], pa.string())], pa.array(sorted(new_sources), pa.string())
    for path in paths:
        acts = open_parquet(lake, ACTS, path).read(columns=[*_THREAD_COLUMNS, "source_file"])
        found.append(thread_keys(acts.filter(pc.is_in(acts["source_file"], value_set=sources))).unique())
    return pa.concat_arrays(found).unique()


def thread_keys(acts: pa.Table | pa.RecordBatch) -> pa.Array | pa.ChunkedArray:
    """What is looked up together: an act's thread, where there is none all sessions of its person, itself where there is neither. Shape: (rows,).

    Histories overlap, and in each of them another act may have opened the session that a copy stands in: so sessions are not parted.
    """
    person = pc.if_else(pc.is_valid(acts["session_id"]), pc.coalesce(acts["user_id"], acts["session_id"]), None)
    return pc.coalesce(acts["thread_id"], person, acts["unit_id"])


def thread_hashes(keys: pa.Array) -> pa.Array:
    """A number for each key, the same everywhere; two threads may have the same. Shape: (rows,)."""
    distinct = keys.dictionary_encode()
    return pa.array([zlib.crc32(key.encode()) for key in distinct.dictionary.to_pylist()], pa.int64()).take(distinct.indices)


def acts_of_blocks(blocks: Iterable[pa.RecordBatch], threads: ThreadBuckets) -> Iterator[pa.RecordBatch]:
    """The acts of one bucket's blocks, each thread's in a row, some thousand at once."""
    of_bucket = (row for batch in blocks for row in batch.to_pylist())
    first = next(of_bucket, None)
    if first is None:
        return
    partition = [pa.scalar(value, pa.string()) for value in threads.partition_of(first["bucket"])]
    tables = (rows_of_block(block_of_row(row)) for rows in ([first], of_bucket) for row in rows)
    for acts in sorted_rows(tables, ("thread_hash",)):
        for name, value in zip(ACTS.partition_by, partition, strict=True):
            acts = acts.append_column(name, pa.repeat(value, acts.num_rows))
        yield acts


def _with_threads(acts: pa.RecordBatch, texts: ActTexts) -> pa.RecordBatch:
    """Acts with `thread_key` and `thread_hash`, and with texts cut."""
    keys = thread_keys(acts)
    return _cut_texts(acts.append_column("thread_key", keys).append_column("thread_hash", thread_hashes(keys)), texts)


def _cut_texts(acts: pa.RecordBatch, texts: ActTexts) -> pa.RecordBatch:
    may_be_unit = pc.and_(pc.is_valid(acts["user_id"]), pc.not_equal(acts["state"], "deleted"))
    for name in ("title", "text"):
        own = cut(acts[name], texts.of_units)
        kept = pc.if_else(may_be_unit, own, cut(acts[name], texts.of_others)) if texts.of_others < texts.of_units else own
        acts = acts.set_column(acts.schema.get_field_index(name), name, kept)
    return acts
