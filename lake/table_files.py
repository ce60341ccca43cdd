"""Parquet files written straight into a Delta table's folder, and the add-actions that make them part of the table.

Tasks write files, one process commits them (`arrow_tables.commit_files`): rows never pass through Spark. Follows
https://github.com/delta-io/delta/blob/master/PROTOCOL.md, "Add File and Remove File" and "Per-file Statistics".
"""

import json
import os
import re
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem, LocalFileSystem, SubTreeFileSystem

from lake.config import LakeConfig
from lake.schema import arrow_schema, checked_table
from lake.store_files import store_file_system
from lake.tables import TableSpec, table_uri

ROWS_PER_FILE = 2_000_000
_NEVER_FULL = 2**62
EDITED_BYTES, ROWS_AT_ONCE = 2**24, 65_536
"""Of a file that is written anew, at once: a row may be a chunk of a history. Values that repeat take less in the file than in memory."""
_OF_ERASURE = re.compile(r"\.erased-[0-9a-f]+-0000(?=\.parquet$)")
# Longer values are cut in statistics, as Delta's own writers do.
STATS_CHARS = 64
_AFTER_ANY_CHARACTER = "\U0010ffff"

Partition = tuple[str | int, ...]
Rows = TypeVar("Rows", pa.RecordBatch, pa.Table)


@dataclass(frozen=True)
class WrittenFile:
    """A finished file: its path below the table (not yet percent-encoded), and what Delta's log says of it."""

    path: str
    size: int
    partition_values: dict[str, str]
    rows: int
    stats: str


@dataclass
class _OpenFile:
    path: str
    writer: pq.ParquetWriter
    metadata: list[pq.FileMetaData]
    rows: int = 0


@dataclass
class _PartitionState:
    waiting: list[pa.Table] = field(default_factory=list)
    waiting_bytes: int = 0
    files: int = 0
    open_file: _OpenFile | None = None


class TableFiles:
    """Writes rows of one table as Parquet, a folder per partition; at most `lake.write_buffer_mb` of rows wait in memory.

    Names are `NAME-0000.parquet`, ...: the same rows under the same name give the same files, so that a second attempt writes over the first. Two
    attempts may run at once (Spark repeats a task that it believes lost): each has drafts of its own, and puts whole files alone in place. Where no
    other attempt has the name there are no drafts: what a killed task leaves is then a file like any other for Delta's VACUUM.
    Statistics and dictionaries are those of the spec's `stats_columns` and `repeating_columns`.
    """

    def __init__(self, lake: LakeConfig, spec: TableSpec, name: str, rows_per_file: int = ROWS_PER_FILE, name_is_unique: bool = False) -> None:
        self._spec, self._name = spec, name
        self._uri = table_uri(lake.path, spec)
        self._attempt = None if name_is_unique else uuid.uuid4().hex
        # An object store shows whole objects only; in a folder a file is a hidden draft until it is whole.
        self._system = table_folder(lake, spec) if "://" in self._uri else None
        self._stats_columns = list(spec.stats_columns)
        self._dictionaries = True if spec.repeating_columns is None else list(spec.repeating_columns)
        self._buffer_bytes, self._rows_per_file = lake.write_buffer_mb * 2**20, rows_per_file
        self._partitions: dict[Partition, _PartitionState] = {}
        self._written: list[WrittenFile] = []

    def write(self, rows: pa.Table) -> None:
        """Take rows of the spec's columns; they reach the disk when enough have come together. Raises ContractError."""
        for partition, part in _split(checked_table(self._spec, rows), self._spec.partition_by):
            state = self._partitions.setdefault(partition, _PartitionState())
            state.waiting.append(part)
            state.waiting_bytes += part.nbytes
        while sum(state.waiting_bytes for state in self._partitions.values()) > self._buffer_bytes:
            self._flush(*max(self._partitions.items(), key=lambda entry: entry[1].waiting_bytes))

    def finish(self) -> list[WrittenFile]:
        """Write what still waits, and return all files."""
        for partition, state in self._partitions.items():
            self._flush(partition, state)
            self._close(partition, state)
        return self._written

    def flush(self) -> None:
        """Write what waits now: what comes later is read by itself."""
        for partition, state in self._partitions.items():
            self._flush(partition, state)

    def write_nothing(self, partition: Sequence[str]) -> None:
        """Begin the file of a partition, that there be one although no row comes."""
        partition = tuple(partition)
        fields = [field for field in arrow_schema(self._spec) if field.name not in self._spec.partition_by]
        state = self._partitions.setdefault(partition, _PartitionState())
        state.open_file = self._open(partition, state, pa.schema(fields))

    def discard(self) -> None:
        """Give up: remove the drafts of files that are not finished."""
        for opened in (state.open_file for state in self._partitions.values() if self._system is None):
            if opened is not None:
                opened.writer.close()
                self._draft(opened.path).unlink()

    def _flush(self, partition: Partition, state: _PartitionState) -> None:
        if not state.waiting:
            return
        rows = pa.concat_tables(state.waiting).drop_columns(list(self._spec.partition_by))
        state.waiting, state.waiting_bytes = [], 0
        state.open_file = state.open_file or self._open(partition, state, rows.schema)
        state.open_file.writer.write_table(rows, row_group_size=rows.num_rows)
        state.open_file.rows += rows.num_rows
        if state.open_file.rows >= self._rows_per_file:
            self._close(partition, state)

    def _open(self, partition: Partition, state: _PartitionState, schema: pa.Schema) -> _OpenFile:
        folder = "".join(f"{column}={quote(str(value), safe='')}/" for column, value in zip(self._spec.partition_by, partition, strict=True))
        path = f"{folder}{self._name}-{state.files:04d}.parquet"
        state.files += 1
        metadata: list[pq.FileMetaData] = []
        if self._system is None:
            self._draft(path).parent.mkdir(parents=True, exist_ok=True)
        where = path if self._system is not None else str(self._draft(path))
        writer = pq.ParquetWriter(
            where, schema, filesystem=self._system, compression="zstd", write_statistics=self._stats_columns,
            use_dictionary=self._dictionaries, metadata_collector=metadata,
        )  # fmt: skip
        return _OpenFile(path, writer, metadata)

    def _close(self, partition: Partition, state: _PartitionState) -> None:
        opened = state.open_file
        if opened is None:
            return
        opened.writer.close()
        state.open_file = None
        size = self._put_in_place(opened.path)
        values = {column: str(value) for column, value in zip(self._spec.partition_by, partition, strict=True)}
        stats = _stats(opened.metadata[-1], self._stats_columns)
        self._written.append(WrittenFile(opened.path, size, values, opened.rows, stats))

    def _put_in_place(self, path: str) -> int:
        """Give a closed file its name, and return its size."""
        if self._system is not None:
            return self._system.get_file_info(path).size
        os.replace(self._draft(path), Path(self._uri) / path)
        return (Path(self._uri) / path).stat().st_size

    def _draft(self, path: str) -> Path:
        final = Path(self._uri) / path
        return final.with_name(f".{final.name}.{self._attempt}.draft") if self._attempt else final


def remove_drafts(lake: LakeConfig, spec: TableSpec, files: Sequence[WrittenFile]) -> None:
    """Remove what attempts that were killed, or are still at it, left of files that stand. An object store has no drafts."""
    uri = table_uri(lake.path, spec)
    for final in (Path(uri) / file.path for file in files if "://" not in uri):
        for draft in final.parent.glob(f".{final.name}.*.draft"):
            draft.unlink(missing_ok=True)


class TableParquet(pq.ParquetFile):
    """One file of a table. Its columns are read as the row model has them, whoever wrote it: delta-rs writes strings as `string_view`, Spark times as INT96."""

    def __init__(self, lake: LakeConfig, spec: TableSpec, path: str) -> None:
        super().__init__(path, filesystem=table_folder(lake, spec))
        self._modelled = arrow_schema(spec)

    def leaves(self, columns: Collection[str]) -> list[str]:
        """Paths in the file of columns, and of fields inside columns, that are called as in the row model: 'context.speaker_id'. Absent ones have none."""
        paths = [self.schema.column(number).path for number in range(len(self.schema))]
        return [path for path in paths if any(f"{_modelled_name(path)}.".startswith(f"{column}.") for column in columns)]

    def iter_batches(self, *arguments: Any, **settings: Any) -> Iterator[pa.RecordBatch]:
        """As of any Parquet file."""
        return map(self._as_modelled, super().iter_batches(*arguments, **settings))

    def read(self, *arguments: Any, **settings: Any) -> pa.Table:
        """As of any Parquet file."""
        return self._as_modelled(super().read(*arguments, **settings))

    def read_row_group(self, *arguments: Any, **settings: Any) -> pa.Table:
        """As of any Parquet file."""
        return self._as_modelled(super().read_row_group(*arguments, **settings))

    def _as_modelled(self, rows: Rows) -> Rows:
        """Rows with the model's fields, null where the file has none; of a column of which not all fields inside were read, those that were."""
        stored = self.schema_arrow
        fields = [
            self._modelled.field(field.name) if field.type == stored.field(field.name).type
            else field.with_type(_read_part(self._modelled.field(field.name).type, field.type))
            for field in rows.schema
        ]  # fmt: skip
        return rows if rows.schema.equals(pa.schema(fields)) else rows.cast(pa.schema(fields))


def _read_part(modelled: pa.DataType, read: pa.DataType) -> pa.DataType:
    """Of the model's type what was read of a column, by the names of the fields inside."""
    if pa.types.is_struct(read):
        return pa.struct([field.with_type(_read_part(modelled.field(field.name).type, field.type)) for field in read])
    if pa.types.is_list(read) or pa.types.is_large_list(read):
        return pa.list_(read.value_field.with_type(_read_part(modelled.value_type, read.value_type)))
    return modelled


def _modelled_name(path: str) -> str:
    """What the row model calls what stands at a path of a Parquet file, whose lists have levels of their own."""
    return re.sub(r"\.list\.(?:element|item)(?=\.|$)", "", path)


def open_parquet(lake: LakeConfig, spec: TableSpec, path: str) -> TableParquet:
    """One file of a table, for reading in parts; its path is as `arrow_tables.live_files` tells it. Partition columns are not in it."""
    return TableParquet(lake, spec, path)


def edited_file(
    lake: LakeConfig, spec: TableSpec, path: str, partition: Sequence[str], edit: Callable[[pa.RecordBatch], pa.RecordBatch], needs: Collection[str],
    name: str, is_one_for_one: bool = False,
) -> list[WrittenFile] | None:  # fmt: skip
    """Write a file of a table anew under another name, with its rows as `edit` changes them; None where it changes none. Nothing is committed.

    `is_one_for_one`: in one file however many rows there are, and be there none. `edit` is given batches of rows without the partition's columns: those columns that it `needs` first, to see whether it changes any.
    """
    parquet = open_parquet(lake, spec, path)
    if all(edit(batch).equals(batch) for batch in parquet.iter_batches(columns=parquet.leaves(needs))):
        return None
    has_rows, rows_at_once = False, _rows_of(parquet.metadata, EDITED_BYTES)
    edited = TableFiles(lake, spec, name, _NEVER_FULL if is_one_for_one else ROWS_PER_FILE, name_is_unique=True)
    try:
        for group in range(parquet.num_row_groups):
            for batch in parquet.iter_batches(rows_at_once, row_groups=[group]):
                rows = _as_specified(spec, pa.Table.from_batches([edit(batch)]), partition)
                has_rows |= rows.num_rows > 0
                edited.write(rows)
            edited.flush()  # what was read together still is: training plans its memory by that
        if is_one_for_one and not has_rows:
            edited.write_nothing(partition)
    except BaseException:
        edited.discard()
        raise
    return edited.finish()


def _rows_of(metadata: pq.FileMetaData, size: int) -> int:
    """About how many rows of a file take so many bytes in it."""
    encoded = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    return max(1, min(ROWS_AT_ONCE, size * metadata.num_rows // max(1, encoded)))


def erased_name(path: str) -> str:
    """What a file of a table is called without its folder and suffix, once rows of it were erased."""
    return f"{before_erasures(path).rpartition('/')[2].removesuffix('.parquet')}.erased-{uuid.uuid4().hex[:16]}"


def before_erasures(path: str) -> str:
    """The path of the file that a file was before rows of it were erased; of any other its own. Jobs that go on from the files that they know know it by this."""
    return _OF_ERASURE.sub("", path)


def _as_specified(spec: TableSpec, rows: pa.Table, partition: Sequence[str]) -> pa.Table:
    """Rows of a file with the partition's columns, and nulls in later ones that the file lacks."""
    for column, value in zip(spec.partition_by, partition, strict=True):
        rows = rows.append_column(column, pa.repeat(pa.scalar(value), rows.num_rows))
    for column in set(spec.columns) & {*spec.later_columns} - {*rows.column_names}:
        rows = rows.append_column(column, pa.nulls(rows.num_rows))
    return rows


def remove_files(lake: LakeConfig, spec: TableSpec, files: Sequence[WrittenFile]) -> None:
    """Remove finished files that will not become part of the table."""
    system = table_folder(lake, spec)
    for file in files:
        system.delete_file(file.path)


def table_folder(lake: LakeConfig, spec: TableSpec) -> FileSystem:
    """A table's folder, by Arrow itself where it is a local one."""
    uri = table_uri(lake.path, spec)
    return store_file_system(uri, lake.storage_options) if "://" in uri else SubTreeFileSystem(uri, LocalFileSystem())


def _split(rows: pa.Table, columns: Sequence[str]) -> Iterator[tuple[Partition, pa.Table]]:
    """Rows by partition, their order kept. Each part is a copy, so that it does not hold on to the rest."""
    if not rows.num_rows:
        return
    first = rows.select(list(columns)).slice(0, 1).to_pylist()[0]
    if all(pc.all(pc.equal(rows[column], value)).as_py() for column, value in first.items()):
        yield tuple(first.values()), rows
        return
    for values in rows.select(list(columns)).group_by(list(columns)).aggregate([]).to_pylist():
        mask = None
        for column, value in values.items():
            equal = pc.equal(rows[column], value)
            mask = equal if mask is None else pc.and_(mask, equal)
        yield tuple(values.values()), rows.filter(mask)


def _stats(metadata: pq.FileMetaData, columns: Sequence[str]) -> str:
    """Delta's statistics of a file as JSON: rows, and minimum, maximum and nulls of these columns."""
    lowest: dict[str, Any] = {}
    highest: dict[str, Any] = {}
    nulls: dict[str, int] = dict.fromkeys(columns, 0)
    for group in (metadata.row_group(number) for number in range(metadata.num_row_groups)):
        for column in (group.column(number) for number in range(group.num_columns)):
            name, found = column.path_in_schema, column.statistics
            if name not in nulls or found is None:
                continue
            nulls[name] += found.null_count
            if found.has_min_max:
                lowest[name] = min(lowest.get(name, found.min), found.min)
                highest[name] = max(highest.get(name, found.max), found.max)
    return json.dumps({
        "numRecords": metadata.num_rows,
        "minValues": {name: _lower_bound(value) for name, value in lowest.items()},
        "maxValues": {name: _upper_bound(value) for name, value in highest.items()},
        "nullCount": nulls,
    }, ensure_ascii=False)  # fmt: skip


def _lower_bound(value: Any) -> Any:
    if isinstance(value, datetime):
        return _milliseconds(value)
    return value[:STATS_CHARS] if isinstance(value, str) else value


def _upper_bound(value: Any) -> Any:
    if isinstance(value, datetime):
        return _milliseconds(value + timedelta(microseconds=999))
    if isinstance(value, str) and len(value) > STATS_CHARS:
        return value[:STATS_CHARS] + _AFTER_ANY_CHARACTER
    return value


def _milliseconds(value: datetime) -> str:
    """Statistics hold times in milliseconds, cut."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
