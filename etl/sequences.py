"""Units -> sequences: each person's history, oldest first, as chunks of bounded size, in one streaming pass.

A history goes on where the last run left it: units that come later than all that the person has become further chunks. A person with too few units
waits in `short_sequences`; a person some of whose new units are older than what the last run knew gets all chunks anew.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.task_files import Made
from lake.rendering import OPENING
from lake.schema import arrow_schema
from lake.tables import TableSpec
from lake.units import SEQUENCES, SHORT_SEQUENCES, HistoryUnit

TOO_FEW = "people with too few units"
UNITS_LEFT_OUT = "units of people with too few"

_MADE_HERE = ("starts_session",)
_HISTORY_COLUMNS = tuple(HistoryUnit.model_fields)
_COMPACT_COLUMNS = tuple(name for name in _HISTORY_COLUMNS if name not in _MADE_HERE)
_UNITS_TYPE = arrow_schema(SEQUENCES).field("units").type
_BYTES_OF_IDS = 300  # unit_id, unit_hash, duplicate_group, thread_id, platform, action, time
_BYTES_OF_ENTRY_IDS = 120  # unit_id, speaker, speaker_id, role, time


@dataclass(frozen=True)
class HistoryLimits:
    """What bounds a chunk, who gets one, how much of a text a history keeps, and the gap that parts two sessions."""

    units: int
    bytes: int
    min_units_per_person: int
    text_chars: int
    context_chars: int
    parents: int
    session_minutes: int


def with_person_id(units: DataFrame, identities: DataFrame) -> DataFrame:
    """Units with `person_id`: that of their account in `identities`, else the account itself."""
    people = identities.groupBy("user_id").agg(F.min("person_id").alias("joined_id"))
    joined = units.join(F.broadcast(people), "user_id", "left")
    return joined.withColumn("person_id", F.coalesce("joined_id", "user_id")).drop("joined_id")


def compact_units(units: DataFrame, limits: HistoryLimits) -> DataFrame:
    """Units as they stand in a history, save that texts of their context are not cut yet: own words cut, the root and the nearest parents."""
    cut = {name: F.substring(name, 1, limits.text_chars) for name in ("title", "text")} | {"context": _nearest_context(limits.parents)}
    return units.select("person_id", F.array("user_id").alias("user_ids"), *(cut.get(name, F.col(name)).alias(name) for name in _COMPACT_COLUMNS))


def new_units(units: DataFrame, identities: DataFrame, limits: HistoryLimits) -> DataFrame:
    """Units as `chunks_of_rows` takes them, of people that no table has yet."""
    compact = units.transform(with_person_id, identities).transform(compact_units, limits)
    return compact.select("*", F.lit(0).alias("next_chunk"), F.lit(None).cast("timestamp").alias("last_at"), F.lit(None).cast("string").alias("known_in"))


def going_on(units: DataFrame, sequences: DataFrame, short_sequences: DataFrame) -> DataFrame:
    """New units (`new_units`) with the number and time that their person's next chunk follows, and what must be cut anew together with them."""
    first_new = units.groupBy("person_id").agg(F.min("created_at").alias("first_new_at"))
    chunks = sequences.select("person_id", "chunk", F.col("last_at").alias("until")).join(first_new, "person_id")
    is_late = F.max("until") >= F.first("first_new_at")
    heads = chunks.groupBy("person_id").agg((F.max("chunk") + 1).cast("int").alias("chunks"), F.max("until").alias("until"), is_late.alias("is_late")).cache()
    in_order, late = heads.where(~F.col("is_late")), heads.where("is_late").select("person_id")
    later = units.drop("next_chunk", "last_at").join(in_order.drop("is_late"), "person_id", "left")
    later = later.withColumns({"next_chunk": F.coalesce("chunks", F.lit(0)), "last_at": F.col("until")})
    known = [
        sequences.join(late, "person_id", "left_semi").transform(units_of_chunks, SEQUENCES),
        short_sequences.join(first_new, "person_id", "left_semi").transform(units_of_chunks, SHORT_SEQUENCES),
    ]
    return later.select(units.columns).unionByName(known[0]).unionByName(known[1])


def units_of_chunks(chunks: DataFrame, table: TableSpec) -> DataFrame:
    """The units that stand in chunks of a table, as `chunks_of_rows` takes them."""
    member = chunks.select("person_id", "user_ids", F.explode("units").alias("unit"))
    compact = member.select("person_id", "user_ids", *(F.col("unit")[name].alias(name) for name in _COMPACT_COLUMNS))
    return compact.select("*", F.lit(0).alias("next_chunk"), F.lit(None).cast("timestamp").alias("last_at"), F.lit(table.name).alias("known_in"))


def by_person(units: DataFrame, buckets: int) -> DataFrame:
    """Units with `bucket`, the units of a bucket in one task, each person's in a row and oldest first; ties in time go by `unit_id`."""
    placed = units.withColumn("bucket", bucket_of("person_id", buckets))
    return placed.repartitionById(buckets, F.col("bucket").cast("int")).sortWithinPartitions("person_id", "created_at", "unit_id")


def bucket_of(column: str, buckets: int) -> Column:
    """`lake.units.sequence_bucket` as a Spark expression."""
    return F.conv(F.substring(F.sha2(F.col(column), 256), 1, 8), 16, 10).cast("long") % buckets


def cut_points(sizes: list[int], limits: HistoryLimits) -> list[int]:
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
    """The last person of a stream of units: rows that no chunk holds yet, the number of the next chunk, and who it is and when they acted last."""

    rows: pa.Table | None = None
    next_chunk: int = 0
    person_id: str | None = None
    last_at: datetime | None = None


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


def chunks_of_rows(batches: Iterable[pa.RecordBatch], limits: HistoryLimits) -> Iterator[Made]:
    """Rows of `sequences` and `short_sequences` out of a stream of units that is sorted by person and time.

    `next_chunk` and `last_at` of a unit are of its person's history so far; `known_in` is the table whose rows of this person are replaced.
    Of the stream, no more than one batch and the open chunk of one person is held.
    """
    person = OpenPerson()
    for batch in batches:
        if batch.num_rows:
            rows = _prepared(pa.Table.from_batches([batch]), person, limits)
            yield from _replaced(rows)
            rows = pa.concat_tables([person.rows, rows]) if person.rows is not None else rows
            yield from _cut(rows.combine_chunks(), person, limits, is_last=False)
    if person.rows is not None:
        yield from _cut(person.rows, person, limits, is_last=True)


def _prepared(rows: pa.Table, person: OpenPerson, limits: HistoryLimits) -> pa.Table:
    """Rows with texts of contexts cut and `starts_session`; `person` becomes that of the last row."""
    times = rows["created_at"].cast(pa.int64()).to_numpy()
    follows = np.zeros(rows.num_rows, dtype=bool)
    follows[1:] = ~_changes(rows["person_id"])
    follows[0] = rows["person_id"][0].as_py() == person.person_id
    never = np.iinfo(np.int64).min
    before = rows["last_at"].cast(pa.int64()).fill_null(never).to_numpy().copy()
    earlier = np.roll(times, 1)
    earlier[0] = never if person.last_at is None else pa.scalar(person.last_at, rows["created_at"].type).cast(pa.int64()).as_py()
    before[follows] = earlier[follows]
    starts_session = (before == never) | (times > before + limits.session_minutes * 60_000_000)
    person.person_id, person.last_at = rows["person_id"][-1].as_py(), rows["created_at"][-1].as_py()
    cut = _cut_context(rows["context"].combine_chunks(), limits.context_chars)
    rows = rows.set_column(rows.column_names.index("context"), "context", cut)
    return rows.append_column("starts_session", pa.array(starts_session))


def _replaced(rows: pa.Table) -> Iterator[Made]:
    """People whose rows in a table these come in place of."""
    if rows["known_in"].null_count == rows.num_rows:
        return
    known = rows.filter(pc.is_valid(rows["known_in"])).group_by(["known_in", "bucket", "person_id"]).aggregate([]).to_pylist()
    for spec in (SEQUENCES, SHORT_SEQUENCES):
        people: dict[tuple[str, ...], set[str]] = {}
        for row in known:
            if row["known_in"] == spec.name:
                people.setdefault((str(row["bucket"]),), set()).add(row["person_id"])
        yield Made(spec, arrow_schema(spec).empty_table(), replaced=people)


def _cut(rows: pa.Table, person: OpenPerson, limits: HistoryLimits, is_last: bool) -> Iterator[Made]:
    """Chunks of the rows; those of the last person's that may still grow become `person`'s open rows."""
    sizes, next_chunks = _unit_bytes(rows).tolist(), rows["next_chunk"].to_pylist()
    cuts, short = Cuts(), Cuts()
    for start, end in pairwise([0, *(np.flatnonzero(_changes(rows["person_id"])) + 1).tolist(), rows.num_rows]):
        next_chunk = next_chunks[start] if start or person.rows is None else person.next_chunk
        is_whole = is_last or end < rows.num_rows
        has_enough = next_chunk > 0 or end - start >= limits.min_units_per_person
        starts = [start + offset for offset in cut_points(sizes[start:end], limits)] if has_enough else []
        if is_whole and has_enough:
            cuts.add(starts, end, next_chunk)
            cuts.counts["people"] += 1
        elif is_whole:
            short.add([start], end, 0)
        else:
            open_from = starts.pop() if starts else start
            cuts.add(starts, open_from, next_chunk)
            person.rows, person.next_chunk = rows.slice(open_from), next_chunk + len(starts)
    yield Made(SEQUENCES, _chunk_rows(rows, cuts), cuts.counts)
    yield Made(SHORT_SEQUENCES, _chunk_rows(rows, short), Counter({TOO_FEW: short.counts["chunks"], UNITS_LEFT_OUT: short.counts["units"]}))


def _chunk_rows(rows: pa.Table, cuts: Cuts) -> pa.Table:
    """Rows of `sequences`, one for each range."""
    starts, ends = np.array(cuts.starts, dtype=np.int64), np.array(cuts.ends, dtype=np.int64)
    within = [np.arange(start, end) for start, end in zip(cuts.starts, cuts.ends, strict=True)]
    members = rows.select(_HISTORY_COLUMNS).take(pa.array(np.concatenate([*within, np.array([], dtype=np.int64)])))
    fields = list(_UNITS_TYPE.value_type)
    structs = pa.StructArray.from_arrays([members[item.name].combine_chunks().cast(item.type) for item in fields], fields=fields)
    offsets = np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int32)
    firsts, lasts = pa.array(starts), pa.array(ends - 1)
    made = {
        "person_id": rows["person_id"].take(firsts),
        "chunk": pa.array(cuts.numbers, pa.int64()),
        "units": pa.ListArray.from_arrays(pa.array(offsets), structs, type=_UNITS_TYPE),
        "user_ids": _accounts(rows, cuts),
        "first_at": rows["created_at"].take(firsts),
        "last_at": rows["created_at"].take(lasts),
        "bucket": rows["bucket"].take(firsts),
    }
    schema = arrow_schema(SEQUENCES)
    return pa.table([made[name] for name in schema.names], schema=schema)


def _accounts(rows: pa.Table, cuts: Cuts) -> pa.Array:
    """Accounts of each range, sorted."""
    of_units = rows["user_ids"].to_pylist()
    accounts = [sorted({account for unit in of_units[start:end] for account in unit}) for start, end in zip(cuts.starts, cuts.ends, strict=True)]
    return pa.array(accounts, pa.list_(pa.string()))


def _changes(people: pa.ChunkedArray) -> np.ndarray:
    """Whether each row but the first is of another person than the row before, (N - 1,)."""
    return pc.not_equal(people.slice(1), people.slice(0, len(people) - 1)).to_numpy()


def _unit_bytes(rows: pa.Table) -> np.ndarray:
    """Bytes of each unit: its texts as UTF-8, and an allowance for ids."""
    own = sum(pc.binary_length(rows[name]).fill_null(0).to_numpy().astype(np.int64) for name in ("title", "text", "community"))
    context = rows["context"].combine_chunks()
    entries = pc.binary_length(context.flatten().field("text")).fill_null(0).to_numpy(zero_copy_only=False) + _BYTES_OF_ENTRY_IDS
    totals = np.concatenate([[0], np.cumsum(entries, dtype=np.int64)])
    ends = np.cumsum(pc.list_value_length(context).fill_null(0).to_numpy(zero_copy_only=False))
    return own + _BYTES_OF_IDS + totals[ends] - totals[np.concatenate([[0], ends[:-1]])]


def _cut_context(context: pa.ListArray, max_chars: int) -> pa.ListArray:
    """Contexts with the text of each entry cut."""
    entries, lengths = context.flatten(), pc.list_value_length(context).fill_null(0).to_numpy(zero_copy_only=False)
    fields = list(entries.type)
    parts = [pc.utf8_slice_codeunits(part, 0, max_chars) if item.name == "text" else part for item, part in zip(fields, entries.flatten(), strict=True)]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.StructArray.from_arrays(parts, fields=fields), type=context.type)


def _nearest_context(parents: int) -> Column:
    """`lake.rendering.nearest_context` as a Spark expression; a root, where there is one, comes first."""
    roots = F.when(F.get("context", F.lit(0))["role"].isin(*OPENING), 1).otherwise(0)
    first = F.greatest(F.size("context") - parents, roots) + 1
    return F.concat(F.slice("context", F.lit(1), roots), F.slice("context", first, F.lit(parents)))
