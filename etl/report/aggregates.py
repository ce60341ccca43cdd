"""What the report counts: which columns of a table are read, by what its rows are counted, and the figures that the counts give.

Counts of the same keys are added up wherever they meet (`etl.report.counting`): in one process, or by Spark tasks where a table is large.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.sequences.history_rows import person_ids
from lake.acts import ACTS, REJECTS, UNKNOWN_TIME
from lake.tables import TableSpec
from lake.units import SEQUENCES, UNITS

Rows = list[dict[str, Any]]
Columns = dict[str, Any]

COMMUNITIES_SHOWN = 20
PROFILES = "profiles"
"""What stands for all communities that are a person's profile: their pseudonyms say nothing to a reader."""
_PROFILE = "^u_[0-9a-f]{64}$"  # a pseudonym in the place of a name, as Reddit's parser makes it
SCORE = "score"
"""The act's attribute that holds its score, as a string."""


@dataclass(frozen=True)
class Communities:
    """The largest communities, and how many there are in all."""

    largest: Rows
    count: int


@dataclass(frozen=True)
class Aggregate:
    """How the rows of a table are counted by some keys.

    `columns` are the columns that are read, or patterns of Parquet paths where one is nested. `counted` makes of rows their keys and what each of them
    counts; what has the same keys is added up. `figures` is what the counts of all keys say. Where there may be as many keys as people, tasks share
    them out by the hash of the key `spread_by`, and `few` makes of one task's counts those few rows of which `figures` are made.
    """

    table: TableSpec
    columns: Sequence[str]
    keys: Sequence[str]
    counted: Callable[[pa.Table], Columns]
    figures: Callable[[pa.Table], Any]
    spread_by: str | None = None
    few: Callable[[pa.Table], pa.Table] = lambda counts: counts


def _ones(rows: pa.Table) -> pa.Array:
    return pa.repeat(pa.scalar(1, pa.int64()), rows.num_rows)


def _is(condition: Any) -> Any:
    """Whether a condition holds; it does not where it is null."""
    return pc.fill_null(condition, False)


def _are(condition: Any) -> Any:
    """1 where a condition holds, else 0."""
    return _is(condition).cast(pa.int64())


def _lengths(lists: Any) -> Any:
    return pc.fill_null(pc.list_value_length(lists), 0).cast(pa.int64())


def _known_times(rows: pa.Table) -> Any:
    """`created_at`, null where the source told no time."""
    times = rows["created_at"].cast(pa.timestamp("us", "UTC"))
    return pc.if_else(pc.equal(times, pa.scalar(UNKNOWN_TIME, times.type)), pa.scalar(None, times.type), times)


def _in_order(counts: pa.Table) -> Rows:
    """The counts as rows, in the same order every time."""
    return counts.sort_by([(name, "ascending") for name in counts.column_names]).to_pylist()


def _act_counts(acts: pa.Table) -> Columns:
    times, scores = _known_times(acts), pc.map_lookup(acts["attributes"], pa.scalar(SCORE), "first")
    months = pc.add(pc.multiply(pc.year(times), 12), pc.subtract(pc.month(times), 1))
    keys = {"platform": acts["platform"], "action": acts["action"], "month": months, "state": acts["state"]}
    return keys | {"rows": _ones(acts), "scored": _are(pc.is_valid(scores)), "scored_one": _are(pc.equal(scores, "1"))}


def _month_rows(counts: pa.Table) -> Rows:
    def named(month: int | None) -> str | None:
        return None if month is None else f"{month // 12:04}-{month % 12 + 1:02}"

    return [row | {"month": named(row["month"])} for row in _in_order(counts)]


ACTS_BY_MONTH = Aggregate(
    ACTS, ("platform", "action", "state", "created_at", "attributes.*"), ("platform", "action", "month", "state"), _act_counts, _month_rows
)
"""`rows` by platform, action, month ('2006-01', UTC; None where the source told no time) and state; how many are `scored`, and how many of these have
the score 1 (`scored_one`)."""

REJECTS_BY_REASON = Aggregate(REJECTS, ("reason",), ("reason",), lambda rows: {"reason": rows["reason"], "rows": _ones(rows)}, _in_order)
"""Lines that are kept in `rejects` (`rows`), by reason."""


def _context_counts(units: pa.Table) -> Columns:
    states = {name: units[name] for name in ("platform", "language", "root_state", "chain_state")}
    keys = {"year": pc.year(_known_times(units)), **states, "depth": _lengths(units["context"])}
    return keys | {"units": _ones(units), "grouped": _are(pc.is_valid(units["duplicate_group"]))}


def _year_rows(counts: pa.Table) -> Rows:
    return [row | {"year": None if row["year"] is None else f"{row['year']:04}"} for row in _in_order(counts)]


UNITS_BY_CONTEXT = Aggregate(
    UNITS, ("created_at", "platform", "language", "root_state", "chain_state", "context.*.role", "duplicate_group"),
    ("year", "platform", "language", "root_state", "chain_state", "depth"), _context_counts, _year_rows,
)  # fmt: skip
"""`units` by year (None: no time is known), platform, language, both states of the context and its `depth` (entries); how many have a duplicate group
(`grouped`). Of the contexts the roles alone are read, not the texts."""


def people_by_length(identities: pa.Table) -> Aggregate:
    """`people` by the power of two that their units reach (`doublings`: 0 is 1 unit, 1 is 2 to 3, 2 is 4 to 7, ...), their `units`, and the `most` of one.

    `identities` (one row an account) say which accounts are one person's.
    """
    return Aggregate(UNITS, ("user_id",), ("person_id",), partial(_person_counts, identities), _length_rows, spread_by="person_id", few=_people_by_length)


def _person_counts(identities: pa.Table, units: pa.Table) -> Columns:
    return {"person_id": person_ids(units["user_id"].combine_chunks(), identities), "units": _ones(units)}


def _people_by_length(people: pa.Table) -> pa.Table:
    doublings = pc.floor(pc.log2(people["units"])).cast(pa.int32())  # exact for all numbers below 2^48
    return _of_length(pa.table({"doublings": doublings, "people": _ones(people), "units": people["units"], "most": people["units"]}))


def _of_length(people: pa.Table) -> pa.Table:
    sums = people.group_by("doublings").aggregate([("people", "sum"), ("units", "sum"), ("most", "max")])
    return sums.rename_columns(["doublings", "people", "units", "most"])


def _length_rows(people: pa.Table) -> Rows:
    return _in_order(_of_length(people))


def _community_counts(units: pa.Table) -> Columns:
    is_profile = _is(pc.match_substring_regex(units["community"], _PROFILE))
    return {"platform": units["platform"], "community": pc.if_else(is_profile, PROFILES, units["community"]), "units": _ones(units)}


def _largest(counts: pa.Table) -> pa.Table:
    """The largest communities, the largest first; ties go by name. The first says how many there were (`of`), the others 0."""
    top = counts.sort_by([("units", "descending"), ("platform", "ascending"), ("community", "ascending")]).slice(0, COMMUNITIES_SHOWN)
    return top.append_column("of", pa.array([counts.num_rows, *[0] * (top.num_rows - 1)][: top.num_rows], pa.int64()))


def _largest_of_all(largest: pa.Table) -> Communities:
    rows = _largest(largest.drop_columns("of")).drop_columns("of").to_pylist()
    return Communities(rows, sum(largest["of"].to_pylist()))


UNITS_BY_COMMUNITY = Aggregate(
    UNITS, ("platform", "community"), ("platform", "community"), _community_counts, _largest_of_all, spread_by="community", few=_largest
)
"""`units` of the largest communities, by platform and community, all profiles of people as one; and how many communities there are."""


def _chunk_counts(chunks: pa.Table) -> Columns:
    return {"people": _are(pc.equal(chunks["chunk"], 0)), "chunks": _ones(chunks), "units": _lengths(chunks["units"])}


HISTORIES = Aggregate(
    SEQUENCES, ("chunk", "units.*.starts_session"), (), _chunk_counts,
    lambda counts: {name: sum(counts[name].to_pylist()) for name in ("people", "chunks", "units")},
)  # fmt: skip
"""How many `people`, `chunks` and `units` are in all sequences."""
