"""All numbers of the report: small aggregates of those tables that are there, each read at the version that the report names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.dataset as ds
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from etl.report.aggregates import acts_by_month, histories, largest, people_by_length, rejects_by_reason, units_by_community, units_by_context, with_person_id
from lake import arrow_tables, spark_tables
from lake.acts import ACTS, INGESTED_FILES, REJECTS
from lake.config import LakeConfig
from lake.job_runs import JOB_RUNS
from lake.presence import require_any_table
from lake.tables import TableSpec
from lake.units import IDENTITIES, SEQUENCES, UNITS

Rows = list[dict[str, Any]]

TABLES = (ACTS, REJECTS, INGESTED_FILES, UNITS, SEQUENCES, JOB_RUNS)
COMMUNITIES_SHOWN = 20
_OF_FILES = (
    "source_file", "platform", "kind", "bytes", "json_bytes", "lines", "rows", "rejects", "rejects_by_reason", "casts_by_kind", "first_created_at", "last_created_at",
    "seconds",
)  # fmt: skip
_OF_RUNS = ("job", "status", "error", "versions_read", "rows", "dropped", "started_at")


@dataclass(frozen=True)
class TableState:
    """A table as its log tells of it; all but the name None where it is absent."""

    name: str
    version: int | None = None
    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Communities:
    """The largest communities, and how many there are in all."""

    largest: Rows
    count: int


@dataclass(frozen=True)
class LakeFigures:
    """Aggregates of a lake, with the columns that `aggregates` describes; None where the table is absent.

    `files` and `runs` are rows of `ingested_files` (by name) and of the ETL's `job_runs` (oldest first), less the columns that no page shows.
    """

    tables: Sequence[TableState]
    months: Rows | None = None
    kept_rejects: Rows | None = None
    files: Rows | None = None
    contexts: Rows | None = None
    people: Rows | None = None
    communities: Communities | None = None
    histories: dict[str, int] | None = None
    runs: Rows | None = None

    def table(self, spec: TableSpec) -> TableState:
        """The state of one of TABLES."""
        return next(table for table in self.tables if table.name == spec.name)


def read_figures(lake: LakeConfig) -> LakeFigures:
    """The figures of a lake. Raises ContractError where it has none of the tables, or one does not fit its row model."""
    require_any_table(lake, [spec.name for spec in TABLES])
    states = [_state(lake, spec) for spec in TABLES]
    versions = {state.name: state.version for state in states if state.version is not None}
    files = _arrow_rows(lake, INGESTED_FILES, _OF_FILES, versions)
    runs = _arrow_rows(lake, JOB_RUNS, _OF_RUNS, versions, ds.field("job").isin(["etl ingest", "etl units", "etl sequences"]))
    return LakeFigures(
        tables=states,
        files=sorted(files, key=lambda row: row["source_file"]) if files is not None else None,
        runs=sorted(runs, key=lambda row: row["started_at"]) if runs is not None else None,
        **_spark_figures(lake, versions),
    )


def _state(lake: LakeConfig, spec: TableSpec) -> TableState:
    if arrow_tables.find_table(lake, spec) is None:
        return TableState(spec.name)
    table = arrow_tables.open_table(lake, spec)
    files = arrow_tables.live_files(table)
    is_counted = all(file.get("num_records") is not None for file in files)
    rows = sum(file["num_records"] for file in files) if is_counted else None
    return TableState(spec.name, table.version(), rows, sum(file["size_bytes"] for file in files))


def _arrow_rows(lake: LakeConfig, spec: TableSpec, columns: Sequence[str], versions: dict[str, int], where: ds.Expression | None = None) -> Rows | None:
    if spec.name not in versions:
        return None
    return arrow_tables.read(lake, spec, columns, where, versions[spec.name]).to_pylist(maps_as_pydicts="strict")


def _spark_figures(lake: LakeConfig, versions: dict[str, int]) -> dict[str, Any]:
    """The figures of the large tables; Spark is not started where there is none of these."""
    there = [spec for spec in (ACTS, REJECTS, UNITS, SEQUENCES) if spec.name in versions]
    if not there:
        return {}
    with spark_tables.spark_session("report", lake) as spark:
        tables = {spec.name: spark_tables.read(spark, lake, spec, versions[spec.name]) for spec in there}
        found: dict[str, Any] = {}
        if acts := tables.get(ACTS.name):
            found["months"] = _rows(acts_by_month(acts))
        if rejects := tables.get(REJECTS.name):
            found["kept_rejects"] = _rows(rejects_by_reason(rejects))
        if units := tables.get(UNITS.name):
            found |= _figures_of_units(units, spark_tables.read_or_empty(spark, lake, IDENTITIES))
        if sequences := tables.get(SEQUENCES.name):
            (found["histories"],) = _rows(histories(sequences))
        return found


def _figures_of_units(units: DataFrame, identities: DataFrame) -> dict[str, Any]:
    """Three scans of `units`, each of other columns: in one scan every unit would be shuffled for each of them all the same."""
    seen = Observation()
    top = _rows(largest(units_by_community(units).observe(seen, F.count("*").alias("communities")), COMMUNITIES_SHOWN))
    return {
        "contexts": _rows(units_by_context(units)),
        "people": _rows(people_by_length(units.transform(with_person_id, identities))),
        "communities": Communities(top, seen.get["communities"]),
    }


def _rows(aggregate: DataFrame) -> Rows:
    return aggregate.toArrow().to_pylist()
