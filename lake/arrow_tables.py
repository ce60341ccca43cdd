"""Reading and writing Delta tables without a JVM, through delta-rs and Arrow (edge).

Follows https://delta-io.github.io/delta-rs/ (deltalake 1.x). Every write is one atomic commit.
"""

import inspect
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import Field
from deltalake.transaction import AddAction, RemoveAction
from pyarrow import fs

from conf.errors import ContractError
from lake.config import LakeConfig
from lake.presence import no_answer, no_table
from lake.schema import arrow_schema, check_columns, checked_table, described_schema, inner_fields, missing_fields, modelled_schema, rows_table
from lake.store_files import table_file_system
from lake.table_files import TableFiles, WrittenFile
from lake.tables import Row, TableSpec, table_uri

Made = TypeVar("Made")
BATCH_ROWS = 8192
COMMIT_ATTEMPTS = 10
"""Of one commit: each that fails does so because another writer came first, a column or a batch at a time."""
REPLACED = "kindred.replaced"
"""Application transaction of every commit that replaces all rows: of two that began at one version delta-rs lets one through, and not both of their rows."""
PART_REPLACED = "kindred.part_replaced"
"""The same of commits that replace what some partitions hold: of two at once the later one looks again whether it may."""


def find_table(lake: LakeConfig, spec: TableSpec, version: int | None = None) -> DeltaTable | None:
    """The Delta table, at a version if one is given; None where nobody has written it yet. Raises ConfigError where an object store does not answer."""
    uri = table_uri(lake.path, spec)
    try:
        return DeltaTable(uri, version=version, storage_options=lake.storage_options or None)
    except TableNotFoundError:
        return None
    except (OSError, DeltaError) as error:
        if "://" not in uri or (version is not None and not isinstance(error, OSError)):
            raise
        raise no_answer(uri, error) from None


def open_table(lake: LakeConfig, spec: TableSpec, version: int | None = None) -> DeltaTable:
    """The Delta table, its columns checked. Raises ContractError where it is absent or does not fit."""
    table = find_table(lake, spec, version)
    if table is None:
        raise no_table(lake, spec)
    if "deletionVectors" in (table.protocol().reader_features or ()):
        raise ContractError(
            f"{spec.name}: the table has deletion vectors, and only Spark would see which rows are gone; take them out by Spark's "
            f"'ALTER TABLE delta.`{table_uri(lake.path, spec)}` DROP FEATURE deletionVectors'"
        )
    check_columns(spec, _type_names(pa.schema(table.schema())), _type_names(arrow_schema(spec)))
    return table


def create_table(lake: LakeConfig, spec: TableSpec, properties: Mapping[str, str | None] | None = None) -> DeltaTable:
    """The Delta table, made empty with the spec's schema and partitions where it is absent."""
    table = find_table(lake, spec)
    if table is not None:
        return table
    return _created(lake, spec, "ignore", properties)


def table_version(lake: LakeConfig, spec: TableSpec) -> int | None:
    """Delta version of the table now; None where it is absent."""
    table = find_table(lake, spec)
    return None if table is None else table.version()


def read(lake: LakeConfig, spec: TableSpec, columns: Sequence[str] | None = None, where: ds.Expression | None = None, version: int | None = None) -> pa.Table:
    """Rows of a table as Arrow. Raises ContractError where it is absent or does not fit."""
    return _scanner(_dataset(lake, spec, version, where), list(columns or spec.columns), where, BATCH_ROWS).to_table()


def count_rows(lake: LakeConfig, spec: TableSpec, where: ds.Expression | None = None, version: int | None = None) -> int:
    """How many rows a table has, or a filter lets through. Raises ContractError where the table is absent or does not fit."""
    return int(_scanner(_dataset(lake, spec, version, where), [], where, BATCH_ROWS).count_rows())


def read_batches(
    lake: LakeConfig, spec: TableSpec, columns: Sequence[str] | None = None, where: ds.Expression | None = None,
    version: int | None = None, batch_rows: int = BATCH_ROWS,
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    """Rows of a table as a stream of batches, so that no table need fit in memory."""
    yield from _scanner(_dataset(lake, spec, version, where), list(columns or spec.columns), where, batch_rows).to_batches()


def append(lake: LakeConfig, spec: TableSpec, rows: pa.Table | Sequence[Row], transaction: tuple[str, int] | None = None) -> int:
    """Append rows in one commit and return the table's version.

    With a transaction (application id, version) the append happens once: a second call with the same pair writes nothing, be it at the same moment.
    """
    return _until_committed(lambda: _append_once(lake, spec, rows, transaction))


def _until_committed(attempt: Callable[[], Made]) -> Made:
    """What an attempt gives that opens a table and commits to it, made anew where another has written since it opened it: nothing of that one stands in the table."""
    for _ in range(COMMIT_ATTEMPTS - 1):
        with suppress(CommitFailedError):
            return attempt()
    return attempt()


def _append_once(lake: LakeConfig, spec: TableSpec, rows: pa.Table | Sequence[Row], transaction: tuple[str, int] | None) -> int:
    table = create_table(lake, spec)
    if transaction and is_committed(table, transaction):
        return table.version()
    _add_later_columns(table, spec)
    properties = CommitProperties(app_transactions=[Transaction(*transaction)]) if transaction else None
    write_deltalake(table, _as_table(spec, rows), mode="append", commit_properties=properties)
    return DeltaTable(table.table_uri, storage_options=lake.storage_options or None).version()


def _add_later_columns(table: DeltaTable, spec: TableSpec) -> None:
    """Give a table the later columns that it lacks; its rows have none of their values. A field inside a column comes to stand last there."""
    for field in missing_fields(spec, _type_names(pa.schema(table.schema()))):
        table.alter.add_columns([Field.from_arrow(field)])  # one by one: of two fields inside one column delta-rs takes the second for the first again


def is_committed(table: DeltaTable, transaction: tuple[str, int]) -> bool:
    """Whether the table holds this application transaction (id, version) or a later one of the same id."""
    committed = table.transaction_version(transaction[0])
    return committed is not None and committed >= transaction[1]


def overwrite(lake: LakeConfig, spec: TableSpec, rows: pa.Table | Sequence[Row], since: int | None = None) -> int:
    """Replace all rows in one commit and return the table's version. Raises ContractError where another replaces them meanwhile.

    `since` is the version that rows of others were read at which stay: whatever was written after it would be lost, and is an error too.
    """
    table, rows = create_table(lake, spec), _as_table(spec, rows)
    if since not in (None, table.version()):
        raise ContractError(f"{spec.name}: somebody else has written the table meanwhile, and nothing of this run stands in it; run it again")
    _add_later_columns(table, spec)
    with _one_alone_replaces(spec):
        write_deltalake(table, rows, mode="overwrite", commit_properties=_replacing(table))
    return table.version()


def overwrite_stream(lake: LakeConfig, spec: TableSpec, parts: Iterable[pa.Table]) -> int:
    """Replace all rows by a stream of parts, in one commit, and return the version that it made; an exception on the way changes nothing.

    Files are written here and not by delta-rs: it would ask for the parts from inside its own runtime, which with one processor has nobody left to read a table with,
    and the parts may come out of tables. Raises ContractError where another replaces them meanwhile.
    """
    files = TableFiles(lake, spec, uuid.uuid4().hex, name_is_unique=True)
    try:
        for part in parts:
            files.write(part)
    except BaseException:
        files.discard()
        raise
    written = files.finish()
    made_anew(lake, spec)  # not before: it takes an older program's rows away
    return replace_by_files(lake, spec, written)


def _replacing(table: DeltaTable) -> CommitProperties:
    """What a commit says of itself that lets all rows go which stood at the table's version."""
    return CommitProperties(app_transactions=[Transaction(REPLACED, table.version())])


@contextmanager
def _one_alone_replaces(spec: TableSpec) -> Iterator[None]:
    """Raise ContractError where delta-rs refuses a commit for another's that came first; that one's rows are then what the table holds."""
    try:
        yield
    except CommitFailedError as error:
        raise ContractError(
            f"{spec.name}: somebody else has written the table meanwhile, and nothing of this run stands in it ({error}); run it again"
        ) from None


def merge(lake: LakeConfig, spec: TableSpec, rows: pa.Table | Sequence[Row]) -> int:
    """Insert or update rows by the spec's key in one commit and return the table's version."""
    table, rows = create_table(lake, spec), _as_table(spec, rows)
    _add_later_columns(table, spec)
    on_key = " AND ".join(f"target.{column} = source.{column}" for column in spec.key)
    merger = table.merge(rows, on_key, source_alias="source", target_alias="target")
    merger.when_matched_update_all().when_not_matched_insert_all().execute()
    return table.version()


def replace_groups(lake: LakeConfig, spec: TableSpec, column: str, rows: pa.Table | Sequence[Row]) -> int:
    """Let the rows with a value of a column (strings, one of the key) be all that the table has with it, in one commit, and return the table's version."""
    return _until_committed(lambda: _replace_groups_once(lake, spec, column, rows))


def _replace_groups_once(lake: LakeConfig, spec: TableSpec, column: str, rows: pa.Table | Sequence[Row]) -> int:
    table, rows = create_table(lake, spec), _as_table(spec, rows)
    _add_later_columns(table, spec)
    on_key = " AND ".join(f"target.{name} = source.{name}" for name in spec.key)
    values = ", ".join("'" + value.replace("'", "''") + "'" for value in rows[column].unique().to_pylist())
    if values:
        merger = table.merge(rows, on_key, source_alias="source", target_alias="target").when_matched_update_all().when_not_matched_insert_all()
        merger.when_not_matched_by_source_delete(f"target.{column} IN ({values})").execute()
    return table.version()


def delete_keys(lake: LakeConfig, spec: TableSpec, keys: pa.Table) -> int:
    """Remove the rows with these keys (columns: the spec's key) in one commit and return the table's version."""
    table = open_table(lake, spec)
    on_key = " AND ".join(f"target.{column} = source.{column}" for column in spec.key)
    table.merge(keys.select(list(spec.key)), on_key, source_alias="source", target_alias="target").when_matched_delete().execute()
    return table.version()


def commit_files(
    lake: LakeConfig, spec: TableSpec, added: Sequence[WrittenFile], transaction: tuple[str, int] | None = None, removed: Collection[str] | None = (),
    marks: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Make files that stand in the table's folder part of it, and take others (paths as in the log; None is all that it holds) out, in one commit.

    With a transaction (application id, version) it happens once: where that is in and nothing is left to take out, nothing is written. All that the table holds is
    replaced by a commit in any case, even of nothing by nothing: a run that wrote no rows has written. `marks` are what the log says of the commit besides.
    """
    _commit_files(open_table(lake, spec), spec, added, transaction, removed, marks)


def _commit_files(
    table: DeltaTable, spec: TableSpec, added: Sequence[WrittenFile], transaction: tuple[str, int] | None, removed: Collection[str] | None,
    marks: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    leaving = [file for file in live_files(table) if removed is None or file["path"] in removed] if removed is None or removed else []
    if removed is not None and not leaving and (not added or (transaction and is_committed(table, transaction))):
        return
    _add_later_columns(table, spec)
    properties = _replacing(table) if removed is None else None
    if transaction or marks:
        properties = CommitProperties(dict(marks or {}), app_transactions=[Transaction(*transaction)] if transaction else None)
    now = int(time.time() * 1000)
    actions: list[AddAction | RemoveAction] = [
        AddAction(quote(file.path, safe="/=-_.~"), file.size, file.partition_values, now, True, file.stats) for file in added
    ]  # fmt: skip
    for file in leaving:
        values: dict[str, str | None] = {column: str(file[f"partition.{column}"]) for column in spec.partition_by}
        actions.append(RemoveAction(file["path"], True, now, file["size_bytes"], values))
    table.create_write_transaction(
        actions, mode="append", schema=table.schema(), partition_by=list(spec.partition_by), commit_properties=properties,
    )  # fmt: skip


def replace_partitions(
    lake: LakeConfig, spec: TableSpec, of: Mapping[str, str], seen: Collection[str], added: Sequence[WrittenFile], removed: Collection[str]
) -> None:  # fmt: skip
    """Put files that stand in the table's folder in the place of others (paths as in the log), in one commit; `of` says in which partitions, by values of their columns.

    Raises ContractError where those hold other files than were `seen` when this began: another has written there meanwhile, and both would stand in it.
    """
    _until_committed(lambda: _replace_partitions_once(lake, spec, of, seen, added, removed))


def _replace_partitions_once(
    lake: LakeConfig, spec: TableSpec, of: Mapping[str, str], seen: Collection[str], added: Sequence[WrittenFile], removed: Collection[str]
) -> None:  # fmt: skip
    table = open_table(lake, spec)
    if {file["path"] for file in files_of_partitions(table, of)} != {*seen}:
        where = ", ".join(f"{column} {value}" for column, value in of.items())
        raise ContractError(f"{spec.name}: somebody else has written {where} meanwhile, and nothing that this run made of it stands there; run it again")
    _commit_files(table, spec, added, (PART_REPLACED, table.version()), removed)


def files_of_partitions(table: DeltaTable, of: Mapping[str, str]) -> list[dict[str, Any]]:
    """The table's files, as `live_files` tells of them, in the partitions with these values of their columns."""
    return [file for file in live_files(table) if all(str(file[f"partition.{column}"]) == value for column, value in of.items())]


def replace_by_files(lake: LakeConfig, spec: TableSpec, added: Sequence[WrittenFile]) -> int:
    """Let files that stand in the table's folder be all that it holds, in one commit, and return the version that it made.

    Raises ContractError where another replaces it meanwhile.
    """
    before = open_table(lake, spec).version()
    with _one_alone_replaces(spec):
        commit_files(lake, spec, added, removed=None)
    after = open_table(lake, spec)
    while after.version() > before + 1 and (open_table(lake, spec, after.version() - 1).transaction_version(REPLACED) or -1) >= before:
        after = open_table(lake, spec, after.version() - 1)  # another's commit came behind this one
    return after.version()


def made_anew(lake: LakeConfig, spec: TableSpec) -> DeltaTable:
    """The table, made empty where it is absent or an older program wrote it with other columns or partitions: for tables that are written as a whole."""
    table = create_table(lake, spec)
    return table if _is_as_specified(table, spec) else _created(lake, spec, "overwrite")


def is_of_older_program(lake: LakeConfig, spec: TableSpec) -> bool:
    """Whether the table is there with other columns or partitions than its spec's."""
    table = find_table(lake, spec)
    return table is not None and not _is_as_specified(table, spec)


def _created(lake: LakeConfig, spec: TableSpec, mode: Literal["ignore", "overwrite"], properties: Mapping[str, str | None] | None = None) -> DeltaTable:
    """A table without rows, as its spec has it; `mode` says what becomes of one that is there."""
    return DeltaTable.create(
        table_uri(lake.path, spec), described_schema(spec), partition_by=list(spec.partition_by), mode=mode, name=spec.name,
        description=inspect.getdoc(spec.row), configuration=dict(properties or {}), storage_options=lake.storage_options or None, raise_if_key_not_exists=False,
    )  # fmt: skip


def _is_as_specified(table: DeltaTable, spec: TableSpec) -> bool:
    found, wanted = _type_names(pa.schema(table.schema())), _type_names(arrow_schema(spec))
    return found == wanted and tuple(table.metadata().partition_columns) == spec.partition_by


def live_files(table: DeltaTable) -> list[dict[str, Any]]:
    """The table's files as its log tells of them: path, size_bytes, num_records, partition.COLUMN, and min.COLUMN, max.COLUMN where it has them."""
    actions = pa.table(table.get_add_actions(flatten=True))
    prefixes = ("partition.", "min.", "max.")
    wanted = [name for name in actions.column_names if name in ("path", "size_bytes", "num_records") or name.startswith(prefixes)]
    return actions.select(wanted).to_pylist()


def _as_table(spec: TableSpec, rows: pa.Table | Sequence[Row]) -> pa.Table:
    return checked_table(spec, rows if isinstance(rows, pa.Table) else rows_table(spec, list(rows)))


def _dataset(lake: LakeConfig, spec: TableSpec, version: int | None, where: ds.Expression | None = None) -> ds.FileSystemDataset:
    """The table as a dataset, with all columns of the spec. A local table's files are opened by Arrow itself."""
    uri, table = table_uri(lake.path, spec), open_table(lake, spec, version)
    files = table_file_system(table, lake.storage_options) if "://" in uri else fs.SubTreeFileSystem(uri, fs.LocalFileSystem())
    dataset = table.to_pyarrow_dataset(filesystem=files)
    asked = [column for column in spec.columns if where is not None and column in str(where)]
    known = {unquote(file["path"]): _known_of(spec, asked, file) for file in live_files(table)}
    fragments = [dataset.format.make_fragment(file.path, dataset.filesystem, known[file.path]) for file in dataset.get_fragments()]
    return ds.FileSystemDataset(fragments, modelled_schema(spec, dataset.schema), dataset.format, dataset.filesystem)


def _known_of(spec: TableSpec, asked: Sequence[str], file: Mapping[str, Any]) -> ds.Expression:
    """What is true of the partition and of some columns in all rows of a file (`live_files`), by which a filter passes it over.

    delta-rs would say of a column without statistics that it equals nothing, where another column of the file has some, and a filter on it would find no row.
    """
    known = ds.scalar(True)
    for column in spec.partition_by:
        value = file[f"partition.{column}"]
        known &= ds.field(column).is_null() if value is None else ds.field(column) == value
    for column in asked:
        lowest, highest = file.get(f"min.{column}"), file.get(f"max.{column}")
        if lowest is not None and highest is not None and isinstance(lowest, str | int | datetime):
            if isinstance(highest, datetime):
                highest += timedelta(milliseconds=1)  # statistics hold times in milliseconds, cut
            known &= (ds.field(column) >= lowest) & (ds.field(column) <= highest) | ds.field(column).is_null()
    return known


def _scanner(dataset: ds.FileSystemDataset, columns: list[str], where: ds.Expression | None, batch_rows: int) -> ds.Scanner:
    """The columns of the rows that a filter lets through.

    delta-rs's merge writes strings as `string_view`, whose statistics pyarrow cannot compare with a string ("no kernel matching input
    types"): where such files are among those that the filter leaves, it is applied to rows read as plain strings.
    """
    files = list(dataset.get_fragments(filter=where)) if where is not None else []
    if not any(pa.types.is_string_view(field.type) for file in files for field in file.physical_schema):
        return dataset.scanner(columns=columns, filter=where, batch_size=batch_rows)
    left = ds.FileSystemDataset(files, dataset.schema, dataset.format, dataset.filesystem)
    needed = [name for name in dataset.schema.names if name in columns or name in str(where)]
    schema = pa.schema([dataset.schema.field(name) for name in needed])
    return ds.Scanner.from_batches(left.to_batches(columns=needed, batch_size=batch_rows), schema=schema, columns=columns, filter=where)


def _type_names(fields: Iterable[pa.Field], below: str = "") -> dict[str, str]:
    """Type of each column, and of each field inside ('units.context.title'), by name: without the nullability and the order of fields that writers choose."""
    names: dict[str, str] = {}
    for field in fields:
        names[below + field.name] = _type_name(field.type)
        names |= _type_names(inner_fields(field.type), f"{below}{field.name}.")
    return names


def _type_name(arrow_type: pa.DataType) -> str:
    """Name of a type without the names that writers choose differently, and without what stands in a struct."""
    if pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type):
        return f"list<{_type_name(arrow_type.value_type)}>"
    if pa.types.is_map(arrow_type):
        return f"map<{_type_name(arrow_type.key_type)}, {_type_name(arrow_type.item_type)}>"
    if pa.types.is_struct(arrow_type):
        return "struct"
    return "string" if pa.types.is_large_string(arrow_type) else str(arrow_type)
