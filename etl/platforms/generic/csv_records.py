"""Files of csv -> records: their cells, and the lines that they took."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from conf.errors import ArchiveError
from etl.platforms import InputFile
from etl.platforms.generic.options import Source
from etl.platforms.generic.texts import check_first_line, text_runs
from etl.platforms.streams import MAX_LINE_BYTES


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """The cells of a record, its lines as they stood, and why it cannot be read (None: it can)."""

    cells: list[str]
    raw: str
    fault: str | None = None


class CsvRecords:
    """The records of a csv file below its header, in order. Raises ArchiveError where it cannot be read to its end.

    `header` is the source's, else the file's first record.
    """

    def __init__(self, file: InputFile, source: Source, delimiter: str, block_bytes: int) -> None:
        self._file, self._source = file, source
        self._lines = _RecordLines(file, source.encoding, block_bytes)
        self._cells = self._parted(delimiter)
        self.header = list(source.header or self._first_record())

    def __iter__(self) -> Iterator[CsvRecord]:
        while True:
            try:
                cells = next(self._cells, None)
            except csv.Error as error:
                if self._lines.is_over:
                    raise ArchiveError(f"{self._file.source_file}: ends inside a quoted cell, of which no other end was found; fetch it again") from None
                yield CsvRecord([], self._lines.record()[0], f"not csv: {error}")
                continue
            raw, is_sound = self._lines.record()
            if cells is None:
                return
            yield CsvRecord(cells, raw, self._fault(cells, is_sound))

    def _parted(self, delimiter: str) -> Iterator[list[str]]:
        """Cells of each record: as csv, or of tables without quotes, a record a line."""
        if not self._source.quotes or len(delimiter) > 1:
            plain = (line.rstrip("\r\n") for line in self._lines)
            return (line.split(delimiter) if line else [] for line in plain)
        csv.field_size_limit(MAX_LINE_BYTES)
        return csv.reader(self._lines, delimiter=delimiter, strict=True)

    def _first_record(self) -> list[str]:
        header = next(self._cells, [])
        check_first_line(self._file, *self._lines.record(), self._source.encoding)
        return header

    def _fault(self, cells: list[str], is_sound: bool) -> str | None:
        if not is_sound:
            return f"not {self._source.encoding}"
        if len(cells) != len(self.header):
            return "another number of cells than the header has" if cells else "empty line"
        return None


class _RecordLines:
    """The lines of a csv file, and those that were taken since the last record. Raises ArchiveError where a record does not end."""

    def __init__(self, file: InputFile, encoding: str, block_bytes: int) -> None:
        self._file, self._runs = file, text_runs(file, encoding, block_bytes)
        self.is_over = False
        self._start_record()

    def _start_record(self) -> None:
        self._taken: list[str] = []
        self._chars, self._is_sound = 0, True

    def __iter__(self) -> Iterator[str]:
        for run, is_sound in self._runs:
            for line in io.StringIO(run, newline=""):
                self._taken.append(line)
                self._chars += len(line)
                self._is_sound &= is_sound
                if self._chars > MAX_LINE_BYTES:
                    raise ArchiveError(f"{self._file.source_file}: a row is longer than {MAX_LINE_BYTES:,} characters; look for a quote that is not closed")
                yield line
        self.is_over = True

    def record(self) -> tuple[str, bool]:
        """The lines of the record that was just read, and whether all of them are of the encoding."""
        found = "".join(self._taken), self._is_sound
        self._start_record()
        return found
