"""Delta tables through delta-rs and Spark: created once, atomic, idempotent, readable both ways."""

import inspect
import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyarrow import fs

from conf.errors import ArchiveError, ConfigError, ContractError
from lake import arrow_tables
from lake.acts import ACTS, INGESTED_FILES, IngestedFile
from lake.catalog import TABLES
from lake.config import LakeConfig
from lake.job_runs import JOB_RUNS, Inputs, inputs_now, job_run, last_run_of
from lake.schema import arrow_schema, rows_table
from lake.table_files import TableFiles, open_parquet
from lake.tables import TableSpec, table_uri
from lake.units import IDENTITIES, SEQUENCES, ContextEntry, HistoryUnit, Identity, SequenceChunk
from tests.etl_rows import act

NOW = datetime(2023, 4, 5, 6, 7, 8, 9, tzinfo=UTC)


def chunk(person: str, number: int, bucket: int = 0) -> dict[str, Any]:
    context = [{"role": "root", "unit_id": "x", "speaker": "self", "speaker_id": None, "title": "Hi", "text": "hi", "created_at": NOW}]
    unit = {
        "unit_id": f"{person}{number}", "unit_hash": "h", "duplicate_group": None, "starts_session": False, "created_at": NOW, "platform": "reddit", "thread_id": None,
        "action": "comment", "community": None, "title": None, "text": "words", "context": context, "source_text": None,
    }  # fmt: skip
    return {"person_id": person, "chunk": number, "units": [unit], "user_ids": [person], "first_at": NOW, "last_at": NOW, "bucket": bucket}


def test_append_with_the_same_transaction_writes_once(lake: LakeConfig) -> None:
    rows = [Identity(user_id="a", person_id="p")]
    first = arrow_tables.append(lake, IDENTITIES, rows, ("import", 0))
    assert arrow_tables.append(lake, IDENTITIES, rows, ("import", 0)) == first
    assert arrow_tables.append(lake, IDENTITIES, rows, ("import", 1)) == first + 1
    assert arrow_tables.read(lake, IDENTITIES).num_rows == 2


def test_merge_updates_by_key_and_inserts_the_rest(lake: LakeConfig) -> None:
    arrow_tables.merge(lake, IDENTITIES, [Identity(user_id="a", person_id="p"), Identity(user_id="b", person_id="q")])
    arrow_tables.merge(lake, IDENTITIES, [Identity(user_id="b", person_id="p"), Identity(user_id="c", person_id="r")])
    rows = {row["user_id"]: row["person_id"] for row in arrow_tables.read(lake, IDENTITIES).to_pylist()}
    assert rows == {"a": "p", "b": "p", "c": "r"}


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_who_stream_all_rows_at_once_the_rows_of_one_stand_there(lake: LakeConfig, is_first: bool) -> None:
    if not is_first:
        arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id="before", person_id="p")])

    def parts() -> Iterator[pa.Table]:
        yield rows_table(IDENTITIES, [{"user_id": "slow", "person_id": "p"}])
        arrow_tables.overwrite_stream(lake, IDENTITIES, iter([rows_table(IDENTITIES, [{"user_id": "quick", "person_id": "p"}])]))

    assert arrow_tables.overwrite_stream(lake, IDENTITIES, parts()) == arrow_tables.table_version(lake, IDENTITIES)
    assert arrow_tables.read(lake, IDENTITIES)["user_id"].to_pylist() == ["slow"]


def test_rows_of_an_older_program_stay_where_the_new_ones_fail(lake: LakeConfig) -> None:
    uri = table_uri(lake.path, IDENTITIES)
    write_deltalake(uri, pa.table({"user_id": ["before"], "person_id": ["p"], "gone": ["x"]}))

    def parts() -> Iterator[pa.Table]:
        yield rows_table(IDENTITIES, [{"user_id": "new", "person_id": "p"}])
        raise ArchiveError("no more", public="no more")

    with pytest.raises(ArchiveError):
        arrow_tables.overwrite_stream(lake, IDENTITIES, parts())
    assert DeltaTable(uri).to_pyarrow_table()["user_id"].to_pylist() == ["before"]
    arrow_tables.overwrite_stream(lake, IDENTITIES, [rows_table(IDENTITIES, [{"user_id": "new", "person_id": "p"}])])
    assert arrow_tables.read(lake, IDENTITIES)["user_id"].to_pylist() == ["new"]


def test_of_two_who_overwrite_at_once_one_alone_does(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    created, calls = arrow_tables.create_table, iter([True])

    def while_another_writes(*of: Any) -> DeltaTable:
        table = created(*of)
        if next(calls, False):
            arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id="quick", person_id="p")])
        return table

    monkeypatch.setattr(arrow_tables, "create_table", while_another_writes)
    with pytest.raises(ContractError, match="identities: somebody else has written the table meanwhile"):
        arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id="slow", person_id="p")])
    assert arrow_tables.read(lake, IDENTITIES)["user_id"].to_pylist() == ["quick"]


def test_the_version_of_a_stream_is_its_own_whoever_comes_behind(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    arrow_tables.overwrite_stream(lake, IDENTITIES, iter(()))
    committed = arrow_tables.commit_files

    def then_another(*of: Any, **named: Any) -> None:
        committed(*of, **named)
        arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id="later", person_id="p")])

    monkeypatch.setattr(arrow_tables, "commit_files", then_another)
    version = arrow_tables.overwrite_stream(lake, IDENTITIES, iter([rows_table(IDENTITIES, [{"user_id": "own", "person_id": "p"}])]))
    assert arrow_tables.read(lake, IDENTITIES, version=version)["user_id"].to_pylist() == ["own"]
    assert arrow_tables.read(lake, IDENTITIES)["user_id"].to_pylist() == ["later"]


def test_a_table_that_is_replaced_after_its_making_holds_the_last_rows(lake: LakeConfig) -> None:
    for name in ("a", "b", "c"):
        version = arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id=name, person_id="p")])
        assert version == arrow_tables.table_version(lake, IDENTITIES)
    assert arrow_tables.read(lake, IDENTITIES)["user_id"].to_pylist() == ["c"]


def test_absent_table_says_who_writes_it(lake: LakeConfig) -> None:
    with pytest.raises(ContractError, match=r"sequences: no table at .*'kindred etl"):
        arrow_tables.read(lake, SEQUENCES)
    assert arrow_tables.table_version(lake, SEQUENCES) is None


def test_rows_that_break_the_contract_leave_the_table_as_it_was(lake: LakeConfig) -> None:
    arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id="a", person_id="p")])
    with pytest.raises(ContractError):
        arrow_tables.overwrite(lake, IDENTITIES, rows_table(IDENTITIES, [{"user_id": "b", "person_id": None}]))
    assert arrow_tables.read(lake, IDENTITIES)["user_id"].to_pylist() == ["a"]


def test_job_run_is_kept_when_the_job_fails_but_makes_no_lake(lake: LakeConfig) -> None:
    def fail() -> None:
        with job_run(lake, "etl units", {"lake": lake}) as record:
            record.rows["units"] += 3
            raise ContractError("broken")

    with pytest.raises(ContractError, match="broken"):
        fail()
    assert not Path(lake.path).exists()
    arrow_tables.create_table(lake, IDENTITIES)
    with pytest.raises(ContractError, match="broken"):
        fail()
    (row,) = arrow_tables.read(lake, JOB_RUNS).to_pylist()
    assert (row["status"], row["error"], dict(row["rows"])) == ("failed", "ContractError: broken", {"units": 3})


def test_why_a_job_failed_is_told_where_the_lake_fails_too(lake: LakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    arrow_tables.create_table(lake, IDENTITIES)
    (Path(lake.path) / JOB_RUNS.name).write_text("no folder, so that nothing can be kept")
    with pytest.raises(ContractError, match="broken"), job_run(lake, "etl units", {"lake": lake}):
        raise ContractError("broken")
    assert "etl units: that it failed cannot be kept in job_runs" in caplog.text


@pytest.mark.parametrize("name", ["a%20b", "[a]", "a|b", "a\nb"])
def test_a_folder_whose_name_delta_misreads_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"lake\.path .*choose another folder"):
        arrow_tables.create_table(LakeConfig(path=str(tmp_path / name)), IDENTITIES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a b", "ü", "a#b", "100%", "a?b", "a:b&c=d"])
def test_a_folder_may_have_any_other_name(tmp_path: Path, name: str) -> None:
    lake = LakeConfig(path=str(tmp_path / name))
    arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id="a", person_id="p")])
    assert arrow_tables.read(lake, IDENTITIES)["user_id"].to_pylist() == ["a"]


def failed_run(lake: LakeConfig, failing: Callable[[], object]) -> str:
    """What is kept of a failure, with a lake that is there."""
    arrow_tables.create_table(lake, IDENTITIES)
    with pytest.raises(Exception, match="Ada"), job_run(lake, "etl ingest", {"lake": lake}):
        failing()
    (row,) = arrow_tables.read(lake, JOB_RUNS).to_pylist()
    return str(row["error"])


@pytest.mark.parametrize("write", [
    lambda uri, rows, path: write_deltalake(uri, rows.cast(pa.schema([field.with_type(as_large(field.type)) for field in rows.schema]))),
    lambda uri, rows, path: pq.write_table(rows, path, use_deprecated_int96_timestamps=True, store_schema=False, use_compliant_nested_type=False),
], ids=["large strings", "as Spark does"])  # fmt: skip
def test_files_of_other_writers_are_read_as_the_row_model_has_them(lake: LakeConfig, write: Callable[..., None]) -> None:
    arrow_tables.create_table(lake, ACTS)
    rows = rows_table(ACTS, [act("a", attributes={"score": "1"}), act("b", retrieved_at=NOW, text=None)])
    folder = Path(table_uri(lake.path, ACTS))
    write(str(folder / "x"), rows, folder / "x.parquet")
    (path,) = folder.rglob("x*.parquet") if (folder / "x.parquet").exists() else (folder / "x").glob("*.parquet")
    file = open_parquet(lake, ACTS, str(path.relative_to(folder)))
    for read in (file.read(), file.read_row_group(0), pa.Table.from_batches(list(file.iter_batches(1)))):
        assert read.equals(rows)
        assert read.schema.equals(rows.schema)
    assert file.read(columns=["created_at", "text"]).schema.names == ["created_at", "text"]


def test_of_lists_of_structs_those_fields_are_read_that_are_asked_for(lake: LakeConfig) -> None:
    arrow_tables.append(lake, SEQUENCES, rows_table(SEQUENCES, [chunk("p", 0)]))
    (file,) = arrow_tables.live_files(arrow_tables.open_table(lake, SEQUENCES))
    (batch,) = open_parquet(lake, SEQUENCES, file["path"]).iter_batches(columns=["units.list.element.text", "chunk"])
    assert batch.to_pylist() == [{"units": [{"text": "words"}], "chunk": 0}]


def as_large(arrow_type: pa.DataType) -> pa.DataType:
    """The type as others write it: strings as large ones, also in maps."""
    if pa.types.is_map(arrow_type):
        return pa.map_(pa.large_string(), pa.large_string())
    return pa.large_string() if pa.types.is_string(arrow_type) else arrow_type


def test_a_run_keeps_the_public_message_of_our_errors(lake: LakeConfig) -> None:
    def fail() -> None:
        raise pickle.loads(pickle.dumps(ArchiveError("/home/Ada/RC.zst: is empty", public="RC.zst: is empty")))  # as it comes from another process

    assert failed_run(lake, fail) == "ArchiveError: RC.zst: is empty"


def test_a_run_keeps_of_other_errors_what_they_are_and_where_they_came_up(lake: LakeConfig) -> None:
    kept = failed_run(lake, lambda: open_parquet(lake, IDENTITIES, "Ada.parquet"))
    assert re.fullmatch(r"FileNotFoundError in lake\.table_files\.__init__, line \d+; its message is not kept, see what the command printed", kept)
    elsewhere = lake.model_copy(update={"path": f"{lake.path}-2"})
    assert failed_run(elsewhere, lambda: Path("/nowhere/Ada").read_text()) == "FileNotFoundError"


def test_last_run_counts_until_inputs_or_what_it_wrote_change(lake: LakeConfig) -> None:
    def identities(*names: str) -> list[Identity]:
        return [Identity(user_id=name, person_id="p") for name in names]

    def inputs(**settings: int) -> Inputs:
        return inputs_now(lake, reads=(IDENTITIES,), settings=settings)

    def is_done(found: Inputs) -> bool:
        return last_run_of(lake, "copy", found, writes=(SEQUENCES,)) is not None

    arrow_tables.append(lake, IDENTITIES, identities("a"))
    assert not is_done(inputs(size=1))
    with job_run(lake, "copy", {"inputs": inputs(size=1)}) as record:
        record.wrote(SEQUENCES, arrow_tables.append(lake, SEQUENCES, rows_table(SEQUENCES, [chunk("p", 0), chunk("q", 0)])))
    arrow_tables.open_table(lake, SEQUENCES).optimize.compact()
    assert is_done(inputs(size=1))
    assert not is_done(inputs(size=2))
    arrow_tables.append(lake, IDENTITIES, identities("b"))
    assert not is_done(inputs(size=1))

    with job_run(lake, "copy", {"inputs": inputs(size=1)}) as record:
        record.wrote(SEQUENCES, arrow_tables.table_version(lake, SEQUENCES))
    assert is_done(inputs(size=1))
    version = inputs().version(IDENTITIES)
    shutil.rmtree(Path(lake.path) / IDENTITIES.name)
    for name in "ab"[:version]:
        arrow_tables.append(lake, IDENTITIES, identities(name))
    assert inputs().version(IDENTITIES) == version
    assert not is_done(inputs(size=1)), "a table made anew is another one, whatever its version"

    with job_run(lake, "copy", {"inputs": inputs(size=1)}) as record:
        record.wrote(SEQUENCES, arrow_tables.table_version(lake, SEQUENCES))
    arrow_tables.append(lake, SEQUENCES, rows_table(SEQUENCES, [chunk("r", 0)]))
    assert not is_done(inputs(size=1))


@pytest.mark.parametrize("name", ["units", "user_vectors", "job_runs"])
def test_table_is_read_by_spark_as_delta_rs_made_it(spark: Any, lake: LakeConfig, name: str) -> None:
    from lake import spark_tables

    spec = TABLES[name]
    arrow_tables.create_table(lake, spec)
    assert spark_tables.read(spark, lake, spec).columns == list(spec.columns)


def test_spark_and_delta_rs_read_each_others_nested_rows(spark: Any, lake: LakeConfig) -> None:
    from lake import spark_tables

    arrow_tables.append(lake, SEQUENCES, rows_table(SEQUENCES, [chunk("p", 0), chunk("q", 0, bucket=1)]))
    rows = spark_tables.read(spark, lake, SEQUENCES)
    further = rows.selectExpr("person_id", "chunk + 1 AS chunk", "units", "user_ids", "first_at", "last_at", "bucket")
    further.write.format("delta").mode("append").save(table_uri(lake.path, SEQUENCES))
    rows = arrow_tables.read(lake, SEQUENCES).sort_by([("person_id", "ascending"), ("chunk", "ascending")]).to_pylist()
    assert [(row["person_id"], row["chunk"]) for row in rows] == [("p", 0), ("p", 1), ("q", 0), ("q", 1)]
    assert rows[1]["units"] == chunk("p", 0)["units"]


def comments(spark: Any, uri: str) -> dict[str, str]:
    """What Spark's DESCRIBE TABLE says of each column."""
    return {row.col_name: row.comment for row in spark.sql(f"DESCRIBE TABLE delta.`{uri}`").collect() if not row.col_name.startswith("#")}


@pytest.mark.parametrize("spec", TABLES.values(), ids=list(TABLES))
def test_delta_knows_what_each_column_and_table_means(lake: LakeConfig, spec: TableSpec) -> None:
    table = arrow_tables.create_table(lake, spec)
    assert table.metadata().description == inspect.getdoc(spec.row)
    told = {field.name: field.metadata.get("comment") for field in table.schema().fields}
    assert told == {name: info.description for name, info in spec.row.model_fields.items()}


def test_spark_tells_what_columns_mean_also_inside_structs_and_after_any_write(spark: Any, lake: LakeConfig) -> None:
    uri = table_uri(lake.path, SEQUENCES)
    rows = rows_table(SEQUENCES, [chunk("p", 0)])
    arrow_tables.append(lake, SEQUENCES, rows)
    arrow_tables.merge(lake, SEQUENCES, rows_table(SEQUENCES, [chunk("p", 1)]))
    files = TableFiles(lake, SEQUENCES, "written")
    files.write(rows_table(SEQUENCES, [chunk("q", 0)]))
    arrow_tables.commit_files(lake, SEQUENCES, files.finish())
    arrow_tables.overwrite(lake, SEQUENCES, rows)
    described = {name: info.description for name, info in SequenceChunk.model_fields.items()}
    assert comments(spark, uri) == described
    inner = spark.read.format("delta").load(uri).schema["units"].dataType.elementType
    assert inner["starts_session"].metadata["comment"] == HistoryUnit.model_fields["starts_session"].description
    assert inner["context"].dataType.elementType["role"].metadata["comment"] == ContextEntry.model_fields["role"].description
    (description,) = [row.description for row in spark.sql(f"DESCRIBE DETAIL delta.`{uri}`").collect()]
    assert description == SequenceChunk.__doc__


def test_a_table_that_was_made_without_comments_works_as_before(spark: Any, lake: LakeConfig) -> None:
    from lake import spark_tables

    DeltaTable.create(table_uri(lake.path, SEQUENCES), arrow_schema(SEQUENCES), partition_by=["bucket"])
    arrow_tables.append(lake, SEQUENCES, rows_table(SEQUENCES, [chunk("p", 0)]))
    arrow_tables.merge(lake, SEQUENCES, rows_table(SEQUENCES, [chunk("p", 1)]))
    files = TableFiles(lake, SEQUENCES, "written")
    files.write(rows_table(SEQUENCES, [chunk("q", 0)]))
    arrow_tables.commit_files(lake, SEQUENCES, files.finish())
    assert arrow_tables.read(lake, SEQUENCES).num_rows == spark_tables.read(spark, lake, SEQUENCES).count() == 3


def test_a_later_column_comes_with_the_first_rows_that_have_it(lake: LakeConfig) -> None:
    older = pa.schema([field for field in arrow_schema(INGESTED_FILES) if field.name not in INGESTED_FILES.later_columns])
    file = {
        "platform": "p", "kind": "k", "sha256": "", "bytes": 1, "json_bytes": 1, "lines": 1, "rows": 1, "rejects": 0, "rejects_by_reason": {},
        "casts_by_kind": {}, "first_created_at": None, "last_created_at": None, "seconds": 1.0, "parser_version": "1", "key_id": "", "ingested_at": NOW,
    }  # fmt: skip
    table = DeltaTable.create(table_uri(lake.path, INGESTED_FILES), older)
    write_deltalake(table, pa.Table.from_pylist([file | {"source_file": "old"}], schema=older), mode="append")
    assert arrow_tables.read(lake, INGESTED_FILES)["left_out_by_kind"].to_pylist() == [None]
    for attempt in range(2):
        row = IngestedFile(**file, source_file="new", left_out_by_kind={"heading": 3})
        arrow_tables.append(lake, INGESTED_FILES, [row], transaction=("new", 1))
        found = {row["source_file"]: row["left_out_by_kind"] for row in arrow_tables.read(lake, INGESTED_FILES).to_pylist()}
        assert (attempt, found) == (attempt, {"old": None, "new": [("heading", 3)]})
    arrow_tables.delete_keys(lake, INGESTED_FILES, pa.table({"source_file": ["old"]}))
    assert arrow_tables.read(lake, INGESTED_FILES, where=ds.field("source_file") == "new").num_rows == 1
    (column,) = [field for field in arrow_tables.open_table(lake, INGESTED_FILES).schema().fields if field.name == "left_out_by_kind"]
    assert column.metadata["comment"] == IngestedFile.model_fields["left_out_by_kind"].description


def test_rows_that_spark_alone_sees_to_be_gone_are_not_read(spark: Any, lake: LakeConfig) -> None:
    arrow_tables.append(lake, IDENTITIES, [Identity(user_id=name, person_id="p") for name in "abc"])
    table = f"delta.`{table_uri(lake.path, IDENTITIES)}`"
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    spark.sql(f"DELETE FROM {table} WHERE user_id = 'b'")
    with pytest.raises(ContractError, match="identities: the table has deletion vectors") as failure:
        arrow_tables.read(lake, IDENTITIES)
    spark.sql(str(failure.value).rpartition("Spark's '")[2].rstrip("'"))
    assert sorted(arrow_tables.read(lake, IDENTITIES)["user_id"].to_pylist()) == ["a", "c"]


def test_merged_rows_can_be_filtered_by_strings(lake: LakeConfig) -> None:
    """delta-rs's merge writes strings in a form whose statistics pyarrow cannot compare."""
    arrow_tables.merge(lake, IDENTITIES, [Identity(user_id="a", person_id="p"), Identity(user_id="b", person_id="q")])
    arrow_tables.append(lake, IDENTITIES, [Identity(user_id="c", person_id="p")])
    for where, expected in [(ds.field("user_id") == "b", ["b"]), (ds.field("person_id").isin(["p"]), ["a", "c"]), (ds.field("user_id") > "c", [])]:
        assert sorted(arrow_tables.read(lake, IDENTITIES, ["user_id"], where)["user_id"].to_pylist()) == expected
        batches = arrow_tables.read_batches(lake, IDENTITIES, ["user_id"], where)
        assert sorted(name for batch in batches for name in batch["user_id"].to_pylist()) == expected


def test_files_of_a_local_table_are_opened_without_python(lake: LakeConfig) -> None:
    """Python code that Arrow's threads call when the interpreter ends aborts a process whose work is done."""
    arrow_tables.append(lake, SEQUENCES, rows_table(SEQUENCES, [chunk("p", 0)]))
    assert not isinstance(arrow_tables._dataset(lake, SEQUENCES, None).filesystem, fs.PyFileSystem)


def test_a_filter_finds_rows_by_a_column_that_has_statistics_in_some_files_and_in_some_has_none(lake: LakeConfig) -> None:
    arrow_tables.create_table(lake, ACTS)
    written = TableFiles(lake, ACTS, "of-a-task")  # with statistics of a few columns
    written.write(rows_table(ACTS, [act("a", user_id="x", thread_group="1"), act("b", user_id=None, line=2, thread_group="2", created_at=NOW)]))
    arrow_tables.commit_files(lake, ACTS, written.finish())
    arrow_tables.append(lake, ACTS, rows_table(ACTS, [act("c", user_id="x", source_file="RD", thread_group="c d/ü%20")]))  # delta-rs knows of all

    def found(where: ds.Expression) -> list[str]:
        return sorted(arrow_tables.read(lake, ACTS, ["unit_id"], where)["unit_id"].to_pylist())

    assert found(ds.field("user_id") == "x") == ["a", "c"]
    assert found(ds.field("user_id").isin(["x"]) & (ds.field("thread_group") != "2")) == ["a", "c"]
    assert found(ds.field("user_id").is_null()) == ["b"]
    assert found(ds.field("created_at") == NOW) == ["b"]  # microseconds, of which statistics know the millisecond
    assert found(ds.field("unit_id") == "c") == ["c"]
    assert found(ds.field("thread_group") == "2") == ["b"]
    assert found(ds.field("thread_group") == "c d/ü%20") == ["c"]
