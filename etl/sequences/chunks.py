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

from etl.tasks.files import Made
from lake.schema import arrow_schema
from lake.units import SEQUENCES, SHORT_SEQUENCES, HistoryUnit

TOO_FEW = "people with too few units"
UNITS_LEFT_OUT = "units of people with too few"

_HISTORY_COLUMNS = tuple(HistoryUnit.model_fields)
_UNITS_TYPE = arrow_schema(SEQUENCES).field("units").type
_BYTES_OF_IDS = 300  # unit_id, unit_hash, duplicate_group, thread_id, platform, action, time
_BYTES_OF_ENTRY_IDS = 120  # unit_id, speaker, speaker_id, role, time


@dataclass(frozen=True)
class HistoryLimits:
    """What bounds a chunk, who gets one, and the gap that parts two sessions."""

    units: int
    bytes: int
    min_units_per_person: int
    session_minutes: int


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
    """Rows with `starts_session`; `person` becomes that of the last row."""
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
    of_units = rows["user_ids"].combine_chunks()
    chunk_of_unit = np.full(rows.num_rows, -1)
    for number, (start, end) in enumerate(zip(cuts.starts, cuts.ends, strict=True)):
        chunk_of_unit[start:end] = number
    chunk = chunk_of_unit[pc.list_parent_indices(of_units).to_numpy()]
    accounts = of_units.flatten().filter(pa.array(chunk >= 0))
    chunk = chunk[chunk >= 0]
    rank = pc.rank(accounts, tiebreaker="dense").to_numpy().astype(np.int64)
    _, firsts = np.unique(chunk * (len(accounts) + 1) + rank, return_index=True)
    offsets = np.searchsorted(chunk[firsts], np.arange(len(cuts.starts) + 1)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), accounts.take(pa.array(firsts)))


def _changes(people: pa.ChunkedArray) -> np.ndarray:
    """Whether each row but the first is of another person than the row before, (N - 1,)."""
    return pc.not_equal(people.slice(1), people.slice(0, len(people) - 1)).to_numpy()


def _unit_bytes(rows: pa.Table) -> np.ndarray:
    """Bytes of each unit: its texts as UTF-8, and an allowance for ids."""
    own = sum(pc.binary_length(rows[name]).fill_null(0).to_numpy().astype(np.int64) for name in ("title", "text", "community", "source_text"))
    context = rows["context"].combine_chunks()
    texts = [context.flatten().field(name) for name in ("title", "text")]
    entries = sum(pc.binary_length(text).fill_null(0).to_numpy(zero_copy_only=False) for text in texts) + _BYTES_OF_ENTRY_IDS
    totals = np.concatenate([[0], np.cumsum(entries, dtype=np.int64)])
    ends = np.cumsum(pc.list_value_length(context).fill_null(0).to_numpy(zero_copy_only=False))
    return own + _BYTES_OF_IDS + totals[ends] - totals[np.concatenate([[0], ends[:-1]])]
