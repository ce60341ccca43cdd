"""Files of tables -> their rows, one after the other, whatever the format (edge)."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from conf.errors import ArchiveError
from etl.platforms import InputFile
from etl.platforms.generic.csv_records import CsvRecords
from etl.platforms.generic.options import Format, Source
from etl.platforms.generic.texts import text_runs
from etl.platforms.json_lines import JsonLine, json_objects
from etl.platforms.records import Refused
from etl.platforms.streams import COMPRESSED_SUFFIXES, check_digest, open_seekable

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet"
}  # fmt: skip
_OTHER_DELIMITERS = (",", ";", "\t", "|", "::")
_PARQUET_ROWS, _PARQUET_BYTES = 1000, 4 * 2**20
"""Rows that are decoded at once at most, and the bytes that they take by the average of their row group."""


@dataclass(frozen=True, slots=True)
class Row:
    """The values of a row by column, the row as it stood, its bytes, and what was odd about it."""

    values: Mapping[str, Any]
    raw: str
    bytes: int
    casts: tuple[str, ...] = ()


def format_of(source: Source, source_file: str) -> Format | None:
    """The format of a file, told by its source or else its suffix; None where neither tells it."""
    return source.format or _SUFFIXES.get(_suffix(source_file))


def rows_of(file: InputFile, source: Source, block_bytes: int) -> Iterator[Row | Refused]:
    """The rows of a file in order. Raises ArchiveError where it cannot be read, or lacks a column."""
    match format_of(source, file.source_file):
        case "csv":
            yield from _csv_rows(file, source, block_bytes)
        case "parquet":
            yield from _parquet_rows(file, source)
        case _:
            yield from _json_rows(file, source, block_bytes)


def value_at(values: Mapping[str, Any], column: str) -> Any:
    """What a row has in a column: of this very name, or else of a field inside another; None where it has none."""
    if column in values or "." not in column:
        return values.get(column)
    first, _, rest = column.partition(".")
    inside = values.get(first)
    return value_at(inside, rest) if isinstance(inside, Mapping) else None


def check_columns(file: InputFile, source: Source) -> None:
    """Raise ArchiveError where a file that names its columns before its rows, as csv and Parquet do, lacks one; no row is read."""
    match format_of(source, file.source_file):
        case "csv":
            _open_csv(file, source, block_bytes=1)
        case "parquet":
            with _open_parquet(file, source):
                pass


def _open_csv(file: InputFile, source: Source, block_bytes: int) -> CsvRecords:
    delimiter = source.delimiter or ("\t" if _suffix(file.source_file) == ".tsv" else ",")
    records = CsvRecords(file, source, delimiter, block_bytes)
    _check_header(file, source, records.header, delimiter)
    return records


def _csv_rows(file: InputFile, source: Source, block_bytes: int) -> Iterator[Row | Refused]:
    records = _open_csv(file, source, block_bytes)
    for record in records:
        if record.fault:
            yield _refused(record.fault, record.raw)
        else:
            yield Row(dict(zip(records.header, record.cells, strict=True)), record.raw.rstrip("\r\n"), _bytes(record.raw))


def _check_header(file: InputFile, source: Source, header: list[str], delimiter: str) -> None:
    missing = sorted(source.all_columns() - {*header})
    if missing and any(name.strip().isdigit() for name in header):  # no name of a column: and what stands in a row is not told
        change = "its first line seems to be a row: give the names of its columns as the source's header"
        raise ArchiveError(f"{file.source_file}: has no column {missing[0]!r}; {change}")
    others = [other for other in _OTHER_DELIMITERS if other != delimiter and len(header) == 1 and other in header[0]]
    hint = f"; its first line has {others[0]!r} in it: set the source's delimiter" if others else ""
    _check_columns(file, missing, header, hint)
    if twice := sorted(name for name in source.all_columns() if header.count(name) > 1):
        raise ArchiveError(f"{file.source_file}: several columns are called {twice[0]!r}; give them different names")


def _json_rows(file: InputFile, source: Source, block_bytes: int) -> Iterator[Row | Refused]:
    """Rows of JSON lines, which leave out what they do not have: a column that none of them has is told at the end."""
    missing, names = source.always_there(), dict[str, None]()
    for line in _json_lines(file, source.encoding, block_bytes):
        if isinstance(line, Refused):
            yield line
            continue
        if missing:
            missing = {column for column in missing if value_at(line.row, column) is None}
            names.update(dict.fromkeys(list(line.row)[:100]))
        yield Row(line.row, line.raw, line.bytes, line.casts)
    if names:
        _check_columns(file, missing, [name for name in names if name not in missing])


def _json_lines(file: InputFile, encoding: str, block_bytes: int) -> Iterator[JsonLine | Refused]:
    for run, is_sound in text_runs(file, encoding, block_bytes):
        if is_sound:
            yield from json_objects(run.encode("utf-8", "surrogatepass"))
        else:
            yield _refused(f"not {encoding}", run)


def _parquet_rows(file: InputFile, source: Source) -> Iterator[Row]:
    with _open_parquet(file, source) as table:
        names = table.schema_arrow.names
        columns = [name if name in names else name.partition(".")[0] for name in sorted(source.all_columns())]
        for number in range(table.num_row_groups):
            group = table.metadata.row_group(number)
            bytes_per_row = max(1, group.total_byte_size // max(1, group.num_rows))
            rows_at_once = max(1, min(_PARQUET_ROWS, _PARQUET_BYTES // bytes_per_row))
            for batch in table.iter_batches(rows_at_once, row_groups=[number], columns=columns, use_threads=False):
                yield from (Row(values, str(values), bytes_per_row) for values in _values(file, batch))
    check_digest(file.path, file.sha256)


@contextmanager
def _open_parquet(file: InputFile, source: Source) -> Iterator[pq.ParquetFile]:
    with open_seekable(file.path) as raw, pq.ParquetFile(raw, buffer_size=2**20, pre_buffer=False) as table:
        schema = table.schema_arrow
        _check_columns(file, {name for name in source.all_columns() if not _is_in(schema, name)}, schema.names)
        yield table


def _values(file: InputFile, batch: pa.RecordBatch) -> list[dict[str, Any]]:
    try:
        return batch.to_pylist()
    except (ValueError, OverflowError) as error:  # text that is not UTF-8, times beyond all years
        found = f"{file.source_file}: holds values that are not of their type"
        raise ArchiveError(f"{found}: {error}; write it anew", public=f"{found}; write it anew") from None


def _check_columns(file: InputFile, wanted: Collection[str], names: Collection[str], hint: str = "") -> None:
    """Raise ArchiveError where a file lacks a column."""
    if missing := sorted(set(wanted) - set(names)):
        there = ", ".join(map(repr, list(names)[:50])) or "none"
        found = f"{file.source_file}: has no column {missing[0]!r}"  # what there is may be words: the first row of a file without a header
        raise ArchiveError(f"{found}; there are {there}{hint}", public=f"{found}{hint}")


def _is_in(schema: pa.Schema, column: str) -> bool:
    """Whether a schema has a column of this name, or a field inside another."""
    fields: Any = schema
    while column not in fields.names:
        first, dot, column = column.partition(".")
        if not dot or first not in fields.names or not pa.types.is_struct(fields.field(first).type):
            return False
        fields = fields.field(first).type
    return True


def _refused(reason: str, raw: str) -> Refused:
    return Refused(reason, raw.rstrip("\r\n"), bytes=_bytes(raw))


def _bytes(raw: str) -> int:
    return len(raw) if raw.isascii() else len(raw.encode("utf-8", "replace"))


def _suffix(source_file: str) -> str:
    name = PurePosixPath(source_file.lower())
    return (name.with_suffix("") if name.suffix in COMPRESSED_SUFFIXES else name).suffix
