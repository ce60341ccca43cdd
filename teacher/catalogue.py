"""A file of an app's own items -> rows of `items`, and rejects of what makes none (edge: csv, JSON lines, Parquet)."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from conf.errors import ConfigError, TeacherError
from lake.labels import Item, ItemReject, catalogue_item_id, normalised
from lake.rendering import plain
from teacher.config import CatalogueConfig

Format = Literal["csv", "jsonl", "parquet"]
ITEM_CHARS = 500
"""Of an item's text; longer ones are cut at a word."""
ID_CHARS = 500
RAW_CHARS = 500
_SUFFIXES: dict[str, Format] = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet"}
_HALF_SIGN = re.compile("[\ud800-\udfff]")
"""What JSON can escape and no table can hold; in texts it is left out as any control character."""
_TRUE = {"1", "true", "yes"}


@dataclass(frozen=True)
class CatalogueRow:
    """One row of a file: its number, its values by column, the row as it stood, and why it cannot be read (None: it can)."""

    line: int
    values: Mapping[str, Any]
    raw: str
    fault: str | None = None


@dataclass
class CatalogueRows:
    """What a file makes: its rows are items, rejects and duplicates together."""

    items: dict[str, Item] = field(default_factory=dict)
    rejects: list[ItemReject] = field(default_factory=list)
    duplicates: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        """Rows of the file."""
        return len(self.items) + len(self.rejects) + self.duplicates.total()


def items_of_rows(rows: Iterable[CatalogueRow], config: CatalogueConfig) -> CatalogueRows:
    """Items of the rows. Of several rows of one id the first that makes an item counts; one with the same text is a duplicate, with another one a reject."""
    made = CatalogueRows()
    for row in rows:
        item = row.fault or _item(row.values, config)
        if isinstance(item, Item) and item.item_id in made.items:
            if made.items[item.item_id].text == item.text:
                made.duplicates["duplicate: item of an earlier row"] += 1
                continue
            item = "another text of an id"
        if isinstance(item, Item):
            made.items[item.item_id] = item
        else:
            made.rejects.append(ItemReject(source=config.name, line=row.line, reason=item, raw=plain(row.raw, RAW_CHARS)))
    return made


def _item(values: Mapping[str, Any], config: CatalogueConfig) -> Item | str:
    """The item of a row, or why there is none."""
    found = {column: _words(values.get(column), config.inner_delimiter) for column in config.columns()}
    unreadable = [column for column, words in found.items() if words is None]
    external_id = _words(values.get(config.id), None) or ""
    if unreadable:
        return f"{min(unreadable)}: not a text"
    if _HALF_SIGN.search(external_id):
        return "id with half of a sign"
    if not external_id or len(external_id) > ID_CHARS:
        return "id too long" if external_id else "no id"
    flags = {name: ", ".join(column for column in columns if str(found[column]).lower() in _TRUE) for name, columns in config.flags.items()}
    text = plain(", ".join(part for part in (flags.get(name, found.get(name)) for name in config.text) if part), ITEM_CHARS)
    if not normalised(text):
        return "no words"
    item_id = catalogue_item_id(config.name, external_id)
    return Item(item_id=item_id, source=config.name, level=None, text=text, external_id=external_id, label_count=None)


def _words(value: Any, delimiter: str | None) -> str | None:
    """A value, or a list of them, as one text; None where it is neither. No number (NaN) is no value, and a whole one is written as such: pandas makes both of gaps."""
    if isinstance(value, float):
        value = None if value != value else int(value) if value.is_integer() else value
    if isinstance(value, list):
        parts = [_words(each, delimiter) for each in value]
        return None if None in parts else ", ".join(part for part in parts if part)
    if isinstance(value, dict | bytes):
        return None
    text = "" if value is None else str(value).strip()
    return ", ".join(part.strip() for part in text.split(delimiter) if part.strip()) if delimiter else text


def rows_of_file(file: Path, config: CatalogueConfig) -> Iterator[CatalogueRow]:
    """The rows of a file in order. Raises TeacherError where it cannot be read or lacks a column, ConfigError where its format cannot be told."""
    readers = {"csv": _csv_rows, "jsonl": _json_rows, "parquet": _parquet_rows}
    try:
        yield from readers[_format_of(file, config)](file, config)
    except (OSError, UnicodeError, pa.ArrowException) as error:
        raise TeacherError(f"{file}: cannot read the items: {error}", public=f"the items of {config.name} cannot be read") from None


def _format_of(file: Path, config: CatalogueConfig) -> Format:
    found = config.format or _SUFFIXES.get(file.suffix.lower())
    if found is None:
        raise ConfigError(f"{file}: its suffix tells no format; set teacher.catalogue.format to one of {', '.join(get_args(Format))}")
    return found


class _Lines:
    """Decoded lines of a file; those since the last record are kept as they stood. Bytes that are not of the encoding become surrogates."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self._taken = lines, list[str]()

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._taken.append(line)
            yield line

    def record(self) -> str:
        """The lines of the record that was just read."""
        found, self._taken = "".join(self._taken), []
        return found


def _csv_rows(file: Path, config: CatalogueConfig) -> Iterator[CatalogueRow]:
    delimiter = config.delimiter or ("\t" if file.suffix.lower() == ".tsv" else ",")
    with _opened(file, config, newline="") as stream:
        lines = _Lines(stream)
        cells = csv.reader(lines, delimiter=delimiter, strict=True) if config.quotes and len(delimiter) == 1 else _parted(lines, delimiter)
        header = list(config.header or next(cells, []))
        _check_columns(file, config, header, " (its first line is taken for the names of its columns; if it is a row, set header)")
        lines.record()
        number = 0
        while True:
            number += 1
            try:
                row = next(cells, None)
            except csv.Error as error:
                yield CatalogueRow(number, {}, lines.record(), f"not csv: {error}")
                continue
            raw = lines.record()
            if row is None:
                return
            yield CatalogueRow(number, dict(zip(header, row, strict=False)), raw, _fault_of_cells(row, header, raw, config))


def _opened(file: Path, config: CatalogueConfig, newline: str) -> TextIO:
    """The file's text; the mark that some programs put before UTF-8 is none of it."""
    return file.open(encoding="utf-8-sig" if config.encoding == "utf-8" else config.encoding, errors="surrogateescape", newline=newline)


def _parted(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Cells of tables without quotes, a record a line."""
    for line in lines:
        plain_line = line.rstrip("\r\n")
        yield plain_line.split(delimiter) if plain_line else []


def _fault_of_cells(cells: list[str], header: list[str], raw: str, config: CatalogueConfig) -> str | None:
    if not _is_decoded(raw):
        return f"not {config.encoding}"
    if len(cells) != len(header):
        return "another number of cells than the header has" if cells else "empty line"
    return None


def _is_decoded(text: str) -> bool:
    return text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text)


def _json_rows(file: Path, config: CatalogueConfig) -> Iterator[CatalogueRow]:
    """Rows of JSON lines, which leave out what they do not have: a column that none of them has is told at the end."""
    missing, names, number = config.columns(), dict[str, None](), 0
    with _opened(file, config, newline="\n") as stream:
        for number, line in enumerate(stream, 1):
            row = _json_row(number, line, config)
            missing -= {column for column in missing if row.values.get(column) is not None}
            names.update(dict.fromkeys(list(row.values)[:100]))
            yield row
    if missing and names:
        raise _lacks(file, sorted(missing)[0], names)


def _json_row(number: int, line: str, config: CatalogueConfig) -> CatalogueRow:
    if not _is_decoded(line):
        return CatalogueRow(number, {}, line, f"not {config.encoding}")
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return CatalogueRow(number, {}, line, "not json" if line.strip() else "empty line")
    return CatalogueRow(number, values, line) if isinstance(values, dict) else CatalogueRow(number, {}, line, "not an object")


def _parquet_rows(file: Path, config: CatalogueConfig) -> Iterator[CatalogueRow]:
    with pq.ParquetFile(file) as table:
        _check_columns(file, config, table.schema_arrow.names)
        number = 0
        for batch in table.iter_batches(1000, columns=sorted(config.columns())):
            for values in batch.to_pylist():
                number += 1
                yield CatalogueRow(number, values, str(values))


def _check_columns(file: Path, config: CatalogueConfig, names: Iterable[str], hint: str = "") -> None:
    there = list(names)
    if missing := sorted(config.columns() - set(there)):
        raise _lacks(file, missing[0], there, "" if config.header else hint)


def _lacks(file: Path, column: str, names: Iterable[str], hint: str = "") -> TeacherError:
    there = ", ".join(map(repr, list(names)[:50])) or "none"
    return TeacherError(f"{file}: has no column {column!r}; there are {there}{hint}", public=f"the items have no column {column!r}")
