"""Acts and units made by hand (factories fill in what a test does not care about), and tables as a run left them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.schema import rows_table
from lake.tables import TableSpec
from lake.units import UNITS

START = datetime(2020, 1, 1, tzinfo=UTC)


def act(unit_id: str, parent: str | None = None, thread: str | None = "t", **values: Any) -> dict[str, Any]:
    """One act of `acts`: a comment that answers `parent`, or what opens the thread where the ids are equal."""
    row = {
        "platform": "reddit", "unit_id": unit_id, "user_id": f"user of {unit_id}", "action": "comment", "community": "c", "created_at": START,
        "title": None, "text": f"words of {unit_id}", "state": "kept", "thread_id": thread, "parent_unit_id": parent, "session_id": None,
        "thread_group": "0", "url": None, "language": None, "attributes": {}, "source_text": None, "retrieved_at": None, "source_file": "RC", "line": 1,
    }  # fmt: skip
    return row | values


def acts_batch(acts: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    """Acts as the units job hands them to Python: with `thread_key`, a thread in a row, and `is_new` (true where an act does not say)."""
    is_new = {id(row): row.get("is_new", True) for row in acts}
    rows = sorted(acts, key=thread_key)
    table = rows_table(ACTS, [{name: value for name, value in row.items() if name != "is_new"} for row in rows])
    table = table.append_column("thread_key", pa.array([thread_key(row) for row in rows], pa.string()))
    table = table.append_column("is_new", pa.array([is_new[id(row)] for row in rows], pa.bool_()))
    return pa.concat_batches(table.to_batches()) if rows else pa.RecordBatch.from_pylist([], schema=table.schema)


def thread_key(row: dict[str, Any]) -> str:
    """What the units job takes for an act's thread: all sessions of a person are one."""
    key: str = row["thread_id"] or (row["session_id"] and (row["user_id"] or row["session_id"])) or row["unit_id"]
    return key


def unit(unit_id: str, user_id: str = "p", minutes: int = 0, **values: Any) -> dict[str, Any]:
    """One unit of `units`, some minutes after the start."""
    row = {
        "unit_id": unit_id, "user_id": user_id, "action": "comment", "community": "c", "created_at": START + timedelta(minutes=minutes),
        "title": None, "text": f"words of {unit_id}", "context": [], "root_state": "missing", "chain_state": "none", "thread_id": "t",
        "parent_unit_id": "t", "session_id": None, "url": None, "language": None, "attributes": {}, "source_text": None,
        "unit_hash": f"hash of {unit_id}", "duplicate_group": None, "platform": "reddit", "thread_group": "0",
    }  # fmt: skip
    return row | values


def units_table(units: Sequence[dict[str, Any]]) -> pa.Table:
    """Units as an Arrow table."""
    return rows_table(UNITS, list(units))


def entry(role: str, text: str, speaker: str = "other-1", title: str | None = None) -> dict[str, Any]:
    """One entry of a context."""
    return {"role": role, "unit_id": f"id of {text}", "speaker": speaker, "speaker_id": None, "title": title, "text": text, "created_at": START}


def rows_by_table(lake: LakeConfig, specs: Iterable[TableSpec]) -> dict[str, pa.Table]:
    """Rows of tables in the order of their keys, without the times of the run that wrote them."""
    of_the_run = ("rejected_at", "ingested_at", "seconds")
    rows = {spec.name: arrow_tables.read(lake, spec).sort_by([(column, "ascending") for column in spec.key]) for spec in specs}
    return {name: table.drop_columns([column for column in of_the_run if column in table.column_names]).combine_chunks() for name, table in rows.items()}
