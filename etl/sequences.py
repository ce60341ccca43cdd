"""Units -> sequences: each person's history, oldest first, as chunks of bounded size, in one streaming pass."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.counting import counted_schema, with_counts
from lake.schema import arrow_schema
from lake.units import SEQUENCES, HistoryUnit

TOO_FEW = "people with too few units"
UNITS_LEFT_OUT = "units of people with too few"
COUNTED = ("people", "units", "chunks", TOO_FEW, UNITS_LEFT_OUT)

_HISTORY_COLUMNS = tuple(HistoryUnit.model_fields)
_UNITS_TYPE = arrow_schema(SEQUENCES).field("units").type
_BYTES_OF_IDS = 300  # unit_id, unit_hash, duplicate_group, thread_id, platform, action, time
_BYTES_OF_ENTRY_IDS = 120  # unit_id, speaker, speaker_id, role, time


@dataclass(frozen=True)
class ChunkLimits:
    """What bounds a chunk, and who gets one."""

    units: int
    bytes: int
    min_units_per_person: int


def sequences_and_counts(
    units: DataFrame, identities: DataFrame, limits: ChunkLimits, buckets: int, text_chars: int, context_chars: int, parents: int
) -> DataFrame:
    """Chunks, and between them rows that only count: `counted` (one of COUNTED) and `row_count`, all else null."""
    compact = units.transform(with_person_id, identities).transform(compact_units, text_chars, context_chars, parents)
    return compact.transform(by_person, buckets).mapInArrow(partial(_chunks_of_batches, limits=limits), counted_schema(SEQUENCES))


def with_person_id(units: DataFrame, identities: DataFrame) -> DataFrame:
    """Units with `person_id`: that of their account in `identities`, else the account itself."""
    people = identities.groupBy("user_id").agg(F.min("person_id").alias("joined_id"))
    joined = units.join(F.broadcast(people), "user_id", "left")
    return joined.withColumn("person_id", F.coalesce("joined_id", "user_id")).drop("joined_id")


def compact_units(units: DataFrame, text_chars: int, context_chars: int, parents: int) -> DataFrame:
    """Units as they stand in a history: own words cut, and of the context the root and the nearest `parents` of the rest, cut."""
    cut = {"title": F.substring("title", 1, text_chars), "text": F.substring("text", 1, text_chars), "context": _nearest_context(context_chars, parents)}
    return units.select("person_id", "user_id", *(cut.get(name, F.col(name)).alias(name) for name in _HISTORY_COLUMNS))


def by_person(units: DataFrame, buckets: int) -> DataFrame:
    """Units with `bucket`, each person's in one partition, in a row and oldest first; ties in time go by `unit_id`."""
    return (
        units.withColumn("bucket", bucket_of("person_id", buckets)).repartition("bucket").sortWithinPartitions("bucket", "person_id", "created_at", "unit_id")
    )


def bucket_of(column: str, buckets: int) -> Column:
    """`lake.units.sequence_bucket` as a Spark expression."""
    return F.conv(F.substring(F.sha2(F.col(column), 256), 1, 8), 16, 10).cast("long") % buckets


def cut_points(sizes: list[int], limits: ChunkLimits) -> list[int]:
    """Where chunks begin among units of these sizes in bytes: each is as long as the limits allow, and never empty."""
    starts: list[int] = []
    units_in_chunk, bytes_in_chunk = limits.units, 0
    for position, size in enumerate(sizes):
        if units_in_chunk == limits.units or bytes_in_chunk + size > limits.bytes:
            starts.append(position)
            units_in_chunk, bytes_in_chunk = 0, 0
        units_in_chunk += 1
        bytes_in_chunk += size
    return starts


@dataclass
class OpenPerson:
    """The last person of a stream of units: rows that no chunk holds yet, and what was cut before them."""

    rows: pa.Table | None = None
    next_chunk: int = 0


@dataclass
class Cuts:
    """Chunks found in one table: row ranges, chunk numbers, and what was counted."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, starts: list[int], end: int, first_number: int) -> None:
        """Add chunks that begin at `starts` and touch each other, the last one ending at `end`."""
        self.starts += starts
        self.ends += [*starts[1:], end][: len(starts)]
        self.numbers += range(first_number, first_number + len(starts))
        self.counts["chunks"] += len(starts)
        self.counts["units"] += end - starts[0] if starts else 0


def chunks_of_rows(batches: Iterable[pa.RecordBatch], limits: ChunkLimits) -> Iterator[tuple[pa.Table, Counter[str]]]:
    """Chunks of a stream of units that is sorted by person and time, and what was counted, a table for each batch.

    Of the stream, no more than one batch and the open chunk of one person is held.
    """
    person = OpenPerson()
    for batch in batches:
        if batch.num_rows:
            rows = pa.Table.from_batches([batch])
            rows = pa.concat_tables([person.rows, rows]) if person.rows is not None else rows
            yield _cut(rows.combine_chunks(), person, limits, is_last=False)
    if person.rows is not None:
        yield _cut(person.rows, person, limits, is_last=True)


def _cut(rows: pa.Table, person: OpenPerson, limits: ChunkLimits, is_last: bool) -> tuple[pa.Table, Counter[str]]:
    """Chunks of the rows; those of the last person's that may still grow become `person`'s open rows."""
    borders, sizes, cuts = _person_borders(rows), _unit_bytes(rows).tolist(), Cuts()
    next_chunk = person.next_chunk
    for start, end in pairwise(borders):
        is_whole = is_last or end < rows.num_rows
        has_enough = next_chunk > 0 or end - start >= limits.min_units_per_person
        starts = [start + offset for offset in cut_points(sizes[start:end], limits)] if has_enough else []
        if is_whole and has_enough:
            cuts.add(starts, end, next_chunk)
            cuts.counts["people"] += 1
        elif is_whole:
            cuts.counts[TOO_FEW] += 1
            cuts.counts[UNITS_LEFT_OUT] += end - start
        else:
            open_from = starts.pop() if starts else start
            cuts.add(starts, open_from, next_chunk)
            person.rows, person.next_chunk = rows.slice(open_from), next_chunk + len(starts)
        next_chunk = 0
    return _chunk_rows(rows, cuts), cuts.counts


def _chunk_rows(rows: pa.Table, cuts: Cuts) -> pa.Table:
    """Rows of `sequences`, one for each range."""
    starts, ends = np.array(cuts.starts, dtype=np.int64), np.array(cuts.ends, dtype=np.int64)
    within = [np.arange(start, end) for start, end in zip(cuts.starts, cuts.ends, strict=True)]
    members = rows.select(_HISTORY_COLUMNS).take(pa.array(np.concatenate([*within, np.array([], dtype=np.int64)])))
    fields = list(_UNITS_TYPE.value_type)
    structs = pa.StructArray.from_arrays([members[item.name].combine_chunks().cast(item.type) for item in fields], fields=fields)
    offsets = np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int32)
    users = rows["user_id"].to_pylist()
    firsts, lasts = pa.array(starts), pa.array(ends - 1)
    made = {
        "person_id": rows["person_id"].take(firsts),
        "chunk": pa.array(cuts.numbers, pa.int64()),
        "units": pa.ListArray.from_arrays(pa.array(offsets), structs, type=_UNITS_TYPE),
        "user_ids": pa.array([sorted(set(users[start:end])) for start, end in zip(cuts.starts, cuts.ends, strict=True)], pa.list_(pa.string())),
        "first_at": rows["created_at"].take(firsts),
        "last_at": rows["created_at"].take(lasts),
        "bucket": rows["bucket"].take(firsts),
    }
    schema = arrow_schema(SEQUENCES)
    return pa.table([made[name] for name in schema.names], schema=schema)


def _person_borders(rows: pa.Table) -> list[int]:
    """Row numbers at which a person begins, and the number of rows."""
    people = rows["person_id"]
    changes = pc.not_equal(people.slice(1), people.slice(0, len(people) - 1)).to_numpy()
    return [0, *(np.flatnonzero(changes) + 1).tolist(), rows.num_rows]


def _unit_bytes(rows: pa.Table) -> np.ndarray:
    """Bytes of each unit: its texts as UTF-8, and an allowance for ids."""
    own = sum(pc.binary_length(rows[name]).fill_null(0).to_numpy().astype(np.int64) for name in ("title", "text", "community"))
    context = rows["context"].combine_chunks()
    entries = pc.binary_length(context.flatten().field("text")).fill_null(0).to_numpy(zero_copy_only=False) + _BYTES_OF_ENTRY_IDS
    totals = np.concatenate([[0], np.cumsum(entries, dtype=np.int64)])
    ends = np.cumsum(pc.list_value_length(context).fill_null(0).to_numpy(zero_copy_only=False))
    return own + _BYTES_OF_IDS + totals[ends] - totals[np.concatenate([[0], ends[:-1]])]


def _chunks_of_batches(batches: Iterable[pa.RecordBatch], limits: ChunkLimits) -> Iterator[pa.RecordBatch]:
    for chunks, counts in chunks_of_rows(batches, limits):
        yield from with_counts(chunks, counts, SEQUENCES)


def _nearest_context(context_chars: int, parents: int) -> Column:
    """`lake.rendering.nearest_context` as a Spark expression, its texts cut."""
    roots = F.filter("context", lambda entry: entry["role"] == "root")
    others = F.filter("context", lambda entry: entry["role"] != "root")
    first = F.greatest(F.size(others) - parents, F.lit(0)) + 1
    nearest = F.concat(F.slice(roots, 1, 1), F.slice(others, first, parents))
    return F.transform(nearest, lambda entry: entry.withField("text", F.substring(entry["text"], 1, context_chars)))
