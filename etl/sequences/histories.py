"""Files of units -> chunks: tasks that read the files send blocks of units, by a hash of the person, to tasks that put each history in order.

Spark sees few and large values: the rows of a block are Arrow's from the file that they are read from to the file that they are written to.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.sequences.chunks import HistoryLimits, chunks_of_rows
from etl.sequences.history_rows import HistoryTexts, UnitsFile, person_ids, person_rows, rows_of_file
from etl.sequences.known_histories import KnownHistories
from etl.tasks.blocks import BLOCKS, BYTES_OF_BLOCKS, Block, block_of_row, blocks_of_rows, gathered, row_of_block, rows_of_block
from etl.tasks.files import Made
from etl.tasks.sorted_rows import sorted_rows
from lake.config import LakeConfig
from lake.schema import arrow_schema
from lake.units import SEQUENCES, sequence_bucket

OF_BOTS = "units of listed bots"
COUNTED_BLOCKS = f"{BLOCKS}, of_bots int"
"""Columns of what is shuffled, for Spark. `of_bots` counts units that the task left out."""

KnownFiles = Mapping[int, Mapping[str, Sequence[str]]]
"""Paths of files with chunks, by bucket and name of the table."""


@dataclass(frozen=True)
class People:
    """Who is whose person (`identities`, one row an account), who is none, and into how many buckets people are put."""

    identities: pa.Table
    bots: pa.Array
    buckets: int


def blocks_of_files(lake: LakeConfig, files: Iterable[UnitsFile], people: People, texts: HistoryTexts) -> Iterator[pa.RecordBatch]:
    """The units of the files as blocks (COUNTED_BLOCKS), without those of bots, which the last row counts."""
    of_bots = Counter[str]()
    rows = (_of_people(rows, people.bots, of_bots) for file in files for rows in rows_of_file(lake, file, texts))
    for units in gathered(rows, BYTES_OF_BLOCKS):
        for block in blocks_of_rows(units, buckets_of_rows(units, people)):
            yield _block_row(block)
    if of_bots[OF_BOTS]:
        yield _block_row(Block(bucket=0, size=0, content=b""), of_bots[OF_BOTS])


def buckets_of_rows(rows: pa.Table, people: People) -> np.ndarray:
    """The bucket of each unit's person, (N,)."""
    accounts = pa.concat_arrays(rows["user_id"].chunks).dictionary_encode()
    of_accounts = [sequence_bucket(person, people.buckets) for person in person_ids(accounts.dictionary, people.identities).to_pylist()]
    return np.array(of_accounts, dtype=np.int32)[accounts.indices.to_numpy()]


def chunks_of_blocks(
    blocks: Iterable[pa.RecordBatch], lake: LakeConfig, people: People, known: KnownFiles, limits: HistoryLimits
) -> Iterator[Made]:  # fmt: skip
    """Rows of `sequences` and `short_sequences` out of the blocks (COUNTED_BLOCKS) of one bucket and of what is known of its people; without blocks none."""
    rows = (row for batch in blocks for row in batch.to_pylist())
    first = next(rows, None)
    if first is None:
        return
    bucket, counts = first["bucket"], Counter[str]()
    histories = KnownHistories(lake, known.get(bucket, {}))
    units = histories.with_known_units(_new_units(chain([first], rows), people.identities, counts))
    in_order = histories.with_heads(sorted_rows(units, ("person_id", "created_at", "unit_id")))
    yield from chunks_of_rows((batch.append_column("bucket", pa.repeat(bucket, batch.num_rows)) for batch in in_order), limits)
    yield Made(SEQUENCES, arrow_schema(SEQUENCES).empty_table(), counts)


def _new_units(blocks: Iterable[Mapping[str, Any]], identities: pa.Table, counts: Counter[str]) -> Iterator[pa.Table]:
    """Units of people (PERSON_ROWS) out of rows of COUNTED_BLOCKS."""
    for row in blocks:
        counts[OF_BOTS] += row["of_bots"]
        if row["size"]:
            yield person_rows(rows_of_block(block_of_row(row)), identities)


def _of_people(rows: pa.RecordBatch, bots: pa.Array, counts: Counter[str]) -> pa.RecordBatch:
    """The rows that are of no bot; the others are counted."""
    kept = rows.filter(pc.invert(pc.is_in(rows["user_id"], value_set=bots))) if len(bots) else rows
    counts[OF_BOTS] += rows.num_rows - kept.num_rows
    return kept


def _block_row(block: Block, of_bots: int = 0) -> pa.RecordBatch:
    return row_of_block(block).append_column("of_bots", pa.array([of_bots], pa.int32()))
