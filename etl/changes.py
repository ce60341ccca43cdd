"""How much of a table must be made again: what has changed since the job's last run."""

import json
from collections.abc import Collection, Sequence

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pydantic import BaseModel

from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import JobRun, last_done_run
from lake.tables import TableSpec

Partition = tuple[str, ...]


def last_valid_run(lake: LakeConfig, job: str, target: TableSpec, config: BaseModel, settings: Sequence[str]) -> JobRun | None:
    """The job's last done run; None where these settings have changed since, or where its table is gone or was written again.

    A table written after the last recorded run means a run that died between its commit and its record.
    """
    run = last_done_run(lake, job)
    if run is None or target.name not in run.versions_written or not _has_settings(run, config, settings):
        return None
    table = arrow_tables.find_table(lake, target)
    recorded = run.versions_written[target.name]
    if table is None or table.version() < recorded:
        return None
    newer = table.history(limit=table.version() - recorded) if table.version() > recorded else []
    return None if any(commit["operation"] == "WRITE" for commit in newer) else run


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


def _has_settings(run: JobRun, config: BaseModel, settings: Sequence[str]) -> bool:
    recorded, wanted = json.loads(run.config).get("etl", {}), config.model_dump(mode="json")
    return all(name in recorded and recorded[name] == wanted[name] for name in settings)


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
