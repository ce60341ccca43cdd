"""Lakes that were made before contexts had titles: their tables are read with nulls, take new rows, and come to the rows of a fresh lake."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from etl.jobs import sequences, units
from lake import arrow_tables, spark_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.job_runs import last_done_run
from lake.schema import arrow_schema, rows_table
from lake.table_files import TableFiles, open_parquet
from lake.tables import TableSpec
from lake.units import SEQUENCES, SHORT_SEQUENCES, UNITS, ContextEntry, HistoryUnit, thread_title
from tests.etl_rows import START, act, entry, unit, units_table
from tests.older_lakes import make_older

Rows = list[dict[str, Any]]
MADE_BY_ETL = (UNITS, SEQUENCES, SHORT_SEQUENCES)


def unit_of(name: str) -> dict[str, Any]:
    return unit(name, context=[entry("root", f"Title of {name}\n\nBody", title=f"Title of {name}"), entry("parent", "words")])


def row_of(spec: TableSpec, name: str) -> dict[str, Any]:
    """A row of a table, with one unit that has a context."""
    if spec == UNITS:
        return unit_of(name)
    in_history = {column: value for column, value in unit_of(name).items() if column in HistoryUnit.model_fields} | {"starts_session": False}
    return {"person_id": name, "chunk": 0, "units": [in_history], "user_ids": [name], "first_at": START, "last_at": START, "bucket": 3}


def written(lake: LakeConfig, spec: TableSpec, *names: str) -> None:
    """Write rows as the job does that makes the table."""
    rows = rows_table(spec, [row_of(spec, name) for name in names])
    arrow_tables.create_table(lake, spec)
    files = TableFiles(lake, spec, "-".join(names))
    files.write(rows)
    arrow_tables.commit_files(lake, spec, files.finish())


def contexts(rows: pa.Table, spec: TableSpec) -> dict[str, Rows]:
    """The context of each row's unit, by the key."""
    column = "context" if spec == UNITS else "units"
    found = dict(zip(rows[spec.key[0]].to_pylist(), rows[column].to_pylist(), strict=True))
    return found if spec == UNITS else {key: units_of[0]["context"] for key, units_of in found.items()}


def titles(rows: pa.Table, spec: TableSpec) -> dict[str, list[str | None]]:
    return {key: [found["title"] for found in context] for key, context in contexts(rows, spec).items()}


def read_by_files(lake: LakeConfig, spec: TableSpec) -> pa.Table:
    """As the tasks of the ETL read, file by file."""
    stored = [name for name in spec.columns if name not in spec.partition_by]
    parts = []
    for file in arrow_tables.live_files(arrow_tables.open_table(lake, spec)):
        parquet = open_parquet(lake, spec, file["path"])
        read = [parquet.read(columns=stored), pa.Table.from_batches(parquet.iter_batches(columns=stored)), parquet.read_row_group(0, stored)]
        assert read[0] == read[1] == read[2]
        parts.append(read[0])
    return pa.concat_tables(parts)


def read_by_spark(spark: SparkSession, lake: LakeConfig, spec: TableSpec) -> pa.Table:
    return spark_tables.read(spark, lake, spec).toArrow()


@pytest.fixture(params=MADE_BY_ETL, ids=lambda spec: spec.name)
def spec(request: pytest.FixtureRequest) -> TableSpec:
    return request.param


def test_an_older_table_is_read_with_nulls_by_every_reader(lake: LakeConfig, spark: SparkSession, spec: TableSpec) -> None:
    written(lake, spec, "a", "b")
    whole = arrow_tables.read(lake, spec)
    make_older(lake, spec)
    stored = {column.path for path in Path(lake.path, spec.name).rglob("*.parquet") for column in pq.ParquetFile(path).schema}
    assert {path.rpartition(".")[2] for path in stored if "context.list" in path} == {*ContextEntry.model_fields} - {"title"}
    expected = {"a": [None, None], "b": [None, None]}
    key = ds.field(spec.key[0])
    readings = {
        "read": arrow_tables.read(lake, spec),
        "filtered": arrow_tables.read(lake, spec, where=key.isin(["a", "b"])),
        "version": arrow_tables.read(lake, spec, version=arrow_tables.table_version(lake, spec)),
        "batches": pa.Table.from_batches(arrow_tables.read_batches(lake, spec, batch_rows=1)),
        "files": read_by_files(lake, spec),
        "spark": read_by_spark(spark, lake, spec),
    }
    assert {name: titles(rows, spec) for name, rows in readings.items()} == dict.fromkeys(readings, expected)
    assert readings["read"].schema.equals(arrow_schema(spec))
    without = [{key: [found | {"title": None} for found in context] for key, context in contexts(whole, spec).items()}]
    assert [contexts(rows, spec) for rows in readings.values()] == without * len(readings)
    assert (arrow_tables.count_rows(lake, spec), arrow_tables.count_rows(lake, spec, key == "a")) == (2, 1)
    assert arrow_tables.read(lake, spec, [spec.key[0]], key == "b").to_pylist() == [{spec.key[0]: "b"}]


@pytest.mark.parametrize("write", [written, lambda lake, spec, *names: arrow_tables.append(lake, spec, rows_table(spec, [row_of(spec, names[0])])),
    lambda lake, spec, *names: arrow_tables.merge(lake, spec, rows_table(spec, [row_of(spec, names[0])])),
    lambda lake, spec, *names: arrow_tables.overwrite(lake, spec, rows_table(spec, [row_of(spec, names[0])]))],
    ids=["as its job", "append", "merge", "overwrite"])  # fmt: skip
def test_an_older_table_takes_rows_with_titles(lake: LakeConfig, spark: SparkSession, spec: TableSpec, write: Callable[..., None]) -> None:
    written(lake, spec, "a")
    make_older(lake, spec)
    write(lake, spec, "new")
    rows = arrow_tables.read(lake, spec).sort_by(spec.key[0])
    new = {"new": ["Title of new", None]}
    assert titles(rows, spec) in ({"a": [None, None]} | new, new)
    assert titles(read_by_spark(spark, lake, spec).sort_by(spec.key[0]), spec) == titles(read_by_files(lake, spec), spec) == titles(rows, spec)
    assert contexts(rows, spec)["new"] == unit_of("new")["context"]
    arrow_tables.delete_keys(lake, spec, pa.table({name: rows[name].filter(pc.not_equal(rows[spec.key[0]], "new")) for name in spec.key}))
    assert titles(arrow_tables.read(lake, spec, where=ds.field(spec.key[0]) == "new"), spec) == new
    told = str(arrow_tables.open_table(lake, spec).schema().to_json())
    assert "What a root or an object is called" in told


def month(number: int) -> Rows:
    """Two people in threads of a forum and on films; each month a thread begins, goes on, and films of another month are rated."""
    of_month: Mapping[str, Any] = {"source_file": f"RC_2020-0{number}"}
    thread, film = f"t{number}", f"film {number}"
    return [
        act(thread, None, thread, title=f"Thread {number}", user_id="opener", **of_month),
        act(film, None, film, action="object", user_id=None, title=f"Film {number}", text="What it is about.", **of_month),
        *(act(f"{thread}-{person}", thread, thread, user_id=person, **of_month) for person in "pq"),
        act(f"{thread}-later", f"t{max(1, number - 1)}-p", f"t{max(1, number - 1)}", user_id="q", title="Re: this", **of_month),
        *(act(f"{film}-{person}", f"film {max(1, number - 1)}", f"film {max(1, number - 1)}", action="review", user_id=person, **of_month) for person in "pq"),
    ]  # fmt: skip


def take_in(lake: LakeConfig, *months: Rows) -> None:
    for rows in months:
        arrow_tables.append(lake, ACTS, rows_table(ACTS, [row | {"line": line} for line, row in enumerate(rows, 1)]))


def run(lake: LakeConfig) -> dict[str, Rows]:
    """Run both jobs; rows of the tables in the order of their keys."""
    units.main(["--lake", lake.path])
    sequences.main(["--lake", lake.path, "--set", "etl.min_units_per_person=4", "--set", "etl.units_per_chunk=3"])
    rows = {spec: arrow_tables.read(lake, spec) for spec in MADE_BY_ETL}
    return {spec.name: table.sort_by([(name, "ascending") for name in spec.key]).to_pylist() for spec, table in rows.items()}


@pytest.fixture
def old_lake(lake: LakeConfig, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> LakeConfig:
    """A lake of one month as it was before contexts had titles, when no run told a version of its code."""
    take_in(lake, month(1))
    with monkeypatch.context() as patch:
        patch.setattr(units, "UNITS_VERSION", None)
        run(lake)
    for spec in MADE_BY_ETL:
        make_older(lake, spec)
    return lake


def versions(lake: LakeConfig) -> list[int | None]:
    return [arrow_tables.table_version(lake, spec) for spec in MADE_BY_ETL]


def test_units_of_an_older_lake_are_made_again_once_and_its_histories_with_them(old_lake: LakeConfig, tmp_path: Path) -> None:
    fresh = old_lake.model_copy(update={"path": str(tmp_path / "fresh")})
    take_in(fresh, month(1))
    made = run(old_lake)
    assert made == run(fresh)
    shown = {row["unit_id"]: [found["title"] for found in row["context"]] for row in made["units"]}
    assert (shown["t1-p"], shown["t1-later"], shown["film 1-q"]) == (["Thread 1"], ["Thread 1", None], ["Film 1"])
    in_histories = {member["unit_id"]: thread_title(member) for row in made["sequences"] + made["short_sequences"] for member in row["units"]}
    assert in_histories == {
        "t1": "Thread 1", "t1-p": "Thread 1", "t1-q": "Thread 1", "t1-later": "Re: this", "film 1-p": "Film 1", "film 1-q": "Film 1"
    }  # fmt: skip
    before = versions(old_lake)
    assert (run(old_lake), versions(old_lake)) == (made, before)


def test_a_new_month_on_an_older_lake_gives_the_rows_of_a_fresh_one(old_lake: LakeConfig, tmp_path: Path) -> None:
    take_in(old_lake, month(2))
    first = run(old_lake)
    take_in(old_lake, month(3))
    second = run(old_lake)
    last = last_done_run(old_lake, units.JOB)
    assert last is not None
    assert last.rows["acts"] == len(month(3)), "only the first run makes all again"
    for number, made in ((2, first), (3, second)):
        fresh = old_lake.model_copy(update={"path": str(tmp_path / f"fresh {number}")})
        take_in(fresh, *map(month, range(1, number + 1)))
        expected = run(fresh)
        assert made["units"] == expected["units"]
        assert joined(made) == joined(expected)
    assert first["sequences"] != second["sequences"]


def joined(made: dict[str, Rows]) -> dict[str, Rows]:
    """Each person's history, as a reader joins its chunks."""
    histories: dict[str, Rows] = {}
    for row in made["sequences"] + made["short_sequences"]:
        histories.setdefault(row["person_id"], []).extend(row["units"])
    return histories


def test_histories_in_older_tables_go_on_with_units_that_have_titles(old_lake: LakeConfig) -> None:
    """Who waits in `short_sequences`, or is late, is cut anew out of old rows and new ones."""
    later = [unit_of("x") | {"user_id": "p"}, unit_of("y") | {"user_id": "opener"}]
    arrow_tables.append(old_lake, UNITS, units_table([row | {"created_at": START.replace(year=2021)} for row in later]))
    sequences.main(["--lake", old_lake.path, "--set", "etl.min_units_per_person=4", "--set", "etl.units_per_chunk=3"])
    last = last_done_run(old_lake, sequences.JOB)
    assert last is not None
    assert last.rows["units"] < arrow_tables.count_rows(old_lake, UNITS), "it went on from the last run"
    rows = {spec.name: arrow_tables.read(old_lake, spec).to_pylist() for spec in (SEQUENCES, SHORT_SEQUENCES)}
    found = {person: [(member["unit_id"], thread_title(member)) for member in members] for person, members in joined(rows).items()}
    assert found["opener"] == [("t1", "Thread 1"), ("y", "Title of y")]
    assert found["p"] == [("film 1-p", None), ("t1-p", None), ("x", "Title of x")]
