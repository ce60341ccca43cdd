"""How much of a table must be made again: what has changed since the job's last run."""

from collections.abc import Collection

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from lake import arrow_tables
from lake.config import LakeConfig
from lake.tables import TableSpec

Partition = tuple[str, ...]


def changed_partitions(lake: LakeConfig, spec: TableSpec, old_version: int, version: int) -> set[Partition] | None:
    """Partitions whose files differ between two versions of a table; None where the old version cannot be read any more."""
    try:
        old = arrow_tables.find_table(lake, spec, old_version)
    except DeltaError:
        return None
    if old is None:
        return None
    before, after = _files(old, spec), _files(arrow_tables.open_table(lake, spec, version), spec)
    return {partition for path, partition in (before.items() ^ after.items())}


def rows_of_partitions(lake: LakeConfig, spec: TableSpec, version: int, partitions: Collection[Partition] | None) -> int | None:
    """How many rows the table's log counts in these partitions (None: in all); None where a file says nothing of its rows."""
    actions = _add_actions(arrow_tables.open_table(lake, spec, version))
    rows = actions.column("num_records").to_pylist() if "num_records" in actions.column_names else [None] * actions.num_rows
    counted = [count for count, partition in zip(rows, _partitions(actions, spec), strict=True) if partitions is None or partition in partitions]
    return None if None in counted else sum(counted)


def partition_predicate(spec: TableSpec, partitions: Collection[Partition]) -> str:
    """An SQL predicate that holds in these partitions, one or more, and nowhere else."""
    return " OR ".join(
        "(" + " AND ".join(f"{column} = {_literal(value)}" for column, value in zip(spec.partition_by, partition, strict=True)) + ")"
        for partition in sorted(partitions)
    )


def _files(table: DeltaTable, spec: TableSpec) -> dict[str, Partition]:
    actions = _add_actions(table)
    return dict(zip(actions.column("path").to_pylist(), _partitions(actions, spec), strict=True))


def _add_actions(table: DeltaTable) -> pa.Table:
    return pa.table(table.get_add_actions(flatten=True))


def _partitions(actions: pa.Table, spec: TableSpec) -> list[Partition]:
    if not actions.num_rows:
        return []
    return list(zip(*(actions.column(f"partition.{column}").to_pylist() for column in spec.partition_by), strict=True))


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
