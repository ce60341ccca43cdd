"""All numbers of the report: small aggregates of those tables that are there, each read at the version that the report names."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.dataset as ds
from deltalake import DeltaTable
from pydantic import Field
from pydantic.dataclasses import dataclass

from etl.report.aggregates import ACTS_BY_MONTH, HISTORIES, REJECTS_BY_REASON, UNITS_BY_COMMUNITY, UNITS_BY_CONTEXT, Communities, Rows, people_by_length
from etl.report.counting import CountedFile, figures_of_files
from etl.report.facts import last_run
from etl.sequences.history_rows import one_person_each
from lake import arrow_tables
from lake.acts import ACTS, INGESTED_FILES, REJECTS, known_time
from lake.config import LakeConfig
from lake.job_runs import JOB_RUNS, rows_changed_since
from lake.presence import has_table, require_any_table
from lake.schema import arrow_schema
from lake.tables import TableSpec
from lake.units import IDENTITIES, SEQUENCES, UNITS

TABLES = (ACTS, REJECTS, INGESTED_FILES, UNITS, SEQUENCES, JOB_RUNS)
SOURCES = {"etl units": ACTS, "etl sequences": UNITS}
"""What each job makes its table of."""
AGGREGATES = {
    "months": ACTS_BY_MONTH, "kept_rejects": REJECTS_BY_REASON, "contexts": UNITS_BY_CONTEXT, "communities": UNITS_BY_COMMUNITY, "histories": HISTORIES,
}  # fmt: skip
_OF_FILES = (
    "source_file", "platform", "kind", "bytes", "json_bytes", "lines", "rows", "rejects", "rejects_by_reason", "left_out_by_kind", "casts_by_kind",
    "first_created_at", "last_created_at", "seconds",
)  # fmt: skip
_OF_RUNS = ("job", "status", "error", "versions_read", "rows", "dropped", "started_at")
_LEFT_OUT = "left out: "
"""What a kind of what was left out began with while it was counted among the casts."""


@dataclass(frozen=True)
class TableState:
    """A table as its log tells of it; all but the name None where it is absent."""

    name: str
    version: int | None = None
    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class LakeFigures:
    """Aggregates of a lake; None where the table is absent that they are of."""

    tables: Sequence[TableState] = Field(description="Delta version, rows and bytes of each table; null where it is absent.")
    months: Rows | None = Field(
        None, description="Acts: rows by platform, action, month (null: no time is known) and state; scored, and scored_one: exactly 1."
    )
    kept_rejects: Rows | None = Field(None, description="Lines in the table rejects: rows by reason.")
    files: Rows | None = Field(None, description="Rows of ingested_files, by name, less columns that no page shows; unknown times are null.")
    contexts: Rows | None = Field(
        None, description="Units by year, platform, language, root_state, chain_state and depth (entries of context); grouped: with a duplicate_group."
    )
    people: Rows | None = Field(
        None, description="People by the power of two that their units reach (doublings: 0 is 1 unit, 1 is 2 to 3, 2 is 4 to 7), their units, the most of one."
    )
    communities: Communities | None = Field(None, description="The largest communities with their units, profiles of people as one, and the count of all.")
    histories: dict[str, int] | None = Field(None, description="People, chunks and units in sequences.")
    runs: Rows | None = Field(None, description="Rows of the ETL's job_runs, oldest first, less columns that no page shows.")
    behind: Mapping[str, tuple[int, int]] = Field(
        {}, description="Job -> the version that it last read of the table it works on, and that table's version now, where rows have changed since."
    )

    def table(self, spec: TableSpec) -> TableState:
        """The state of one of TABLES."""
        return next(table for table in self.tables if table.name == spec.name)


def read_figures(lake: LakeConfig) -> LakeFigures:
    """The figures of a lake. Raises ContractError where it has none of the tables, or one does not fit its row model."""
    require_any_table(lake, [spec.name for spec in TABLES])
    tables = {spec.name: arrow_tables.open_table(lake, spec) for spec in TABLES if has_table(lake, spec)}
    files = _rows(lake, INGESTED_FILES, _OF_FILES, tables)
    runs = _rows(lake, JOB_RUNS, _OF_RUNS, tables, ds.field("job").isin(["etl ingest", *SOURCES]))
    runs = None if runs is None else sorted(runs, key=lambda row: row["started_at"])
    return LakeFigures(
        tables=[_state(spec, tables.get(spec.name)) for spec in TABLES],
        files=None if files is None else sorted(map(_shown_file, files), key=lambda row: row["source_file"]),
        runs=runs,
        behind=_behind(lake, runs or [], tables),
        **_counted(lake, tables),
    )


def _state(spec: TableSpec, table: DeltaTable | None) -> TableState:
    if table is None:
        return TableState(spec.name)
    files = arrow_tables.live_files(table)
    is_counted = all(file.get("num_records") is not None for file in files)
    rows = sum(file["num_records"] for file in files) if is_counted else None
    return TableState(spec.name, table.version(), rows, sum(file["size_bytes"] for file in files))


def _rows(
    lake: LakeConfig, spec: TableSpec, columns: Sequence[str], tables: Mapping[str, DeltaTable], where: ds.Expression | None = None
) -> Rows | None:  # fmt: skip
    if spec.name not in tables:
        return None
    return arrow_tables.read(lake, spec, columns, where, tables[spec.name].version()).to_pylist(maps_as_pydicts="strict")


def _shown_file(file: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `ingested_files` without times that nobody told; an older one has what was left out among its casts."""
    left_out = {kind.removeprefix(_LEFT_OUT): count for kind, count in file["casts_by_kind"].items() if kind.startswith(_LEFT_OUT)}
    return {
        **file,
        "left_out_by_kind": left_out if file["left_out_by_kind"] is None else file["left_out_by_kind"],
        "casts_by_kind": {kind: count for kind, count in file["casts_by_kind"].items() if not kind.startswith(_LEFT_OUT)},
        "first_created_at": known_time(file["first_created_at"]),
        "last_created_at": known_time(file["last_created_at"]),
    }


def _behind(lake: LakeConfig, runs: Rows, tables: Mapping[str, DeltaTable]) -> dict[str, tuple[int, int]]:
    behind = {}
    for job, source in SOURCES.items():
        run, table = last_run(runs, job), tables.get(source.name)
        read = run["versions_read"].get(source.name) if run else None
        if read is not None and table is not None and rows_changed_since(table, read):
            behind[job] = (read, table.version())
    return behind


def _counted(lake: LakeConfig, tables: Mapping[str, DeltaTable]) -> dict[str, Any]:
    """The figures of those large tables that are there."""
    has_identities = arrow_tables.find_table(lake, IDENTITIES) is not None
    identities = one_person_each(arrow_tables.read(lake, IDENTITIES)) if has_identities else arrow_schema(IDENTITIES).empty_table()
    everything = {**AGGREGATES, "people": people_by_length(identities)}
    aggregates = {name: aggregate for name, aggregate in everything.items() if aggregate.table.name in tables}
    specs = {aggregate.table.name: aggregate.table for aggregate in aggregates.values()}
    return figures_of_files(lake, [file for name, spec in specs.items() for file in _counted_files(spec, tables[name])], aggregates)


def _counted_files(spec: TableSpec, table: DeltaTable) -> list[CountedFile]:
    def of(file: Mapping[str, Any]) -> CountedFile:
        return CountedFile(spec, file["path"], file["size_bytes"], {column: file[f"partition.{column}"] for column in spec.partition_by})

    return [of(file) for file in arrow_tables.live_files(table)]
