"""Figures of the report made by hand: factories fill in what a test does not care about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from etl.report.aggregates import Communities
from etl.report.figures import TABLES, LakeFigures, TableState


def month(name: str | None, rows: int = 100, **values: Any) -> dict[str, Any]:
    """A row of `acts_by_month`, its scores usable."""
    row = {"platform": "reddit", "action": "comment", "month": name, "state": "kept", "rows": rows, "scored": rows, "scored_one": rows // 2}
    return row | values


def file(name: str, lines: int = 100, rejects: int = 0, year: int | None = 2020, **values: Any) -> dict[str, Any]:
    """A row of `ingested_files`, of a month of this year; None is a file that gave no acts."""
    at = None if year is None else datetime(year, 1, 1, tzinfo=UTC)
    row = {
        "source_file": name, "platform": "reddit", "kind": "comments", "bytes": 1000, "json_bytes": 4_000_000, "lines": lines, "rows": lines - rejects,
        "rejects": rejects, "rejects_by_reason": {"not json": rejects} if rejects else {}, "left_out_by_kind": {}, "casts_by_kind": {}, "first_created_at": at,
        "last_created_at": at and at + timedelta(days=20), "seconds": 2.0,
    }  # fmt: skip
    return row | values


def context(units: int, root: str = "present", chain: str = "none", **values: Any) -> dict[str, Any]:
    """A row of `units_by_context`."""
    row = {"year": "2020", "platform": "reddit", "language": None, "root_state": root, "chain_state": chain, "depth": 1, "units": units, "grouped": 0}
    return row | values


def run(job: str, day: int = 1, **values: Any) -> dict[str, Any]:
    """A row of `job_runs` of some day."""
    row = {"job": job, "status": "done", "error": None, "versions_read": {}, "rows": {}, "dropped": {}, "started_at": datetime(2026, 1, day, tzinfo=UTC)}
    return row | values


def figures(versions: dict[str, int] | None = None, rows: dict[str, int] | None = None, **values: Any) -> LakeFigures:
    """Figures of a lake of which nothing but `values` is there."""
    states = [TableState(spec.name, (versions or {}).get(spec.name), (rows or {}).get(spec.name), 0) for spec in TABLES]
    return LakeFigures(tables=states, **values)


def full_figures() -> LakeFigures:
    """Figures with something in every section."""
    states = [TableState(spec.name, 3, 70, 2_500_000) for spec in TABLES]
    made = run("etl units", rows={"acts": 80, "units": 70, "duplicates that differ": 1}, dropped={"duplicate": 6, "bots: listed": 4})
    return LakeFigures(
        tables=states,
        months=[month("2020-01"), month("2020-03"), month("2020-03", 50, state="removed"), month("2020-01", 7, action="post")],
        kept_rejects=[{"reason": "not json", "rows": 9}],
        files=[file("RC_2020-01.zst", rejects=20), file("RC_2021-01.zst", year=2021, casts_by_kind={"created_utc: string": 5})],
        contexts=[context(40, "missing", "missing"), context(30, language="en", depth=0, root="none")],
        people=[{"doublings": 0, "people": 50, "units": 50, "most": 1}, {"doublings": 4, "people": 1, "units": 20, "most": 20}],
        communities=Communities([{"platform": "reddit", "community": "tea", "units": 60}, {"platform": "reddit", "community": None, "units": 10}], 2),
        histories={"people": 1, "chunks": 1, "units": 20},
        runs=[made, run("etl sequences", rows={"people": 1}, dropped={"people with too few units": 50})],
    )
