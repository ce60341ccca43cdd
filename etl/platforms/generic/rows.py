"""Files of tables -> their rows, one after the other, whatever the format (edge)."""

import csv
import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from conf.errors import ArchiveError
from etl.platforms import InputFile
from etl.platforms.generic.options import Format, Source
from etl.platforms.json_lines import json_objects
from etl.platforms.records import Refused
from etl.platforms.streams import COMPRESSED_SUFFIXES, MAX_LINE_BYTES, check_digest, line_blocks, open_seekable

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet"
}  # fmt: skip
_OTHER_DELIMITERS = ",;\t|"
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


class _RecordLines:
    """The lines of a csv file, and those that were taken since the last record. Raises ArchiveError where a record does not end."""

    def __init__(self, file: InputFile, block_bytes: int) -> None:
        self._file, self._lines = file, self._read(file, block_bytes)
        self._taken: list[str] = []
        self._chars = 0
        self.is_over = False

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._taken.append(line)
            self._chars += len(line)
            if self._chars > MAX_LINE_BYTES:
                raise ArchiveError(f"{self._file.source_file}: a row is longer than {MAX_LINE_BYTES:,} characters; look for a quote that is not closed")
            yield line
        self.is_over = True

    def record(self) -> str:
        """The lines of the record that was just read."""
        raw = "".join(self._taken)
        self._taken, self._chars = [], 0
        return raw

    @staticmethod
    def _read(file: InputFile, block_bytes: int) -> Iterator[str]:
        encoding = "utf-8-sig"
        for block in line_blocks(file.path, block_bytes, file.sha256):
            yield from io.StringIO(block.decode(encoding, "replace"), newline="")
            encoding = "utf-8"


def _csv_rows(file: InputFile, source: Source, block_bytes: int) -> Iterator[Row | Refused]:
    delimiter = source.delimiter or ("\t" if _suffix(file.source_file) == ".tsv" else ",")
    lines = _RecordLines(file, block_bytes)
    csv.field_size_limit(MAX_LINE_BYTES)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = next(reader, [])
    lines.record()
    _check_header(file, source, header, delimiter)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            if lines.is_over:
                raise ArchiveError(f"{file.source_file}: ends inside a quoted cell, of which no other end was found; fetch it again") from None
            yield _refused(f"not csv: {error}", lines.record())
            continue
        raw = lines.record()
        if cells is None:
            return
        if len(cells) != len(header):
            yield _refused("another number of cells than the header has" if cells else "empty line", raw)
        else:
            yield Row(dict(zip(header, cells, strict=True)), raw.rstrip("\r\n"), _bytes(raw))


def _check_header(file: InputFile, source: Source, header: list[str], delimiter: str) -> None:
    others = [other for other in _OTHER_DELIMITERS if other != delimiter and len(header) == 1 and other in header[0]]
    hint = f"; its first line has {others[0]!r} in it: set the source's delimiter" if others else ""
    _check_columns(file, source.all_columns(), header, hint)
    if twice := sorted(name for name in source.all_columns() if header.count(name) > 1):
        raise ArchiveError(f"{file.source_file}: several columns are called {twice[0]!r}; give them different names")


def _json_rows(file: InputFile, source: Source, block_bytes: int) -> Iterator[Row | Refused]:
    """Rows of JSON lines, which leave out what they do not have: a column that none of them has is told at the end."""
    missing, names = source.always_there(), dict[str, None]()
    for block in line_blocks(file.path, block_bytes, file.sha256):
        for line in json_objects(block):
            if isinstance(line, Refused):
                yield line
                continue
            if missing:
                missing = {column for column in missing if value_at(line.row, column) is None}
                names.update(dict.fromkeys(list(line.row)[:100]))
            yield Row(line.row, line.raw, line.bytes, line.casts)
    if names:
        _check_columns(file, missing, [name for name in names if name not in missing])


def _parquet_rows(file: InputFile, source: Source) -> Iterator[Row]:
    with open_seekable(file.path) as raw, pq.ParquetFile(raw, buffer_size=2**20, pre_buffer=False) as table:
        schema = table.schema_arrow
        _check_columns(file, {name for name in source.all_columns() if not _is_in(schema, name)}, schema.names)
        columns = [name if name in schema.names else name.partition(".")[0] for name in sorted(source.all_columns())]
        for number in range(table.num_row_groups):
            group = table.metadata.row_group(number)
            bytes_per_row = max(1, group.total_byte_size // max(1, group.num_rows))
            rows_at_once = max(1, min(_PARQUET_ROWS, _PARQUET_BYTES // bytes_per_row))
            for batch in table.iter_batches(rows_at_once, row_groups=[number], columns=columns, use_threads=False):
                yield from (Row(values, str(values), bytes_per_row) for values in _values(file, batch))
    check_digest(file.path, file.sha256)


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
