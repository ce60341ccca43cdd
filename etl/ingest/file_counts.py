"""Batches of a file -> its counts, which say whether every line is there and whether too many were rejected."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from conf.errors import ArchiveError, ContractError
from etl.ingest.erased import ERASED
from etl.platforms import InputFile, ParsedBatch
from lake.acts import UNKNOWN_TIME

# A smaller file may have as many rejects as one of this many lines: one bad line in ten is no reason to stop.
FEWEST_LINES = 1000
REASONS_TOLD = 3


@dataclass
class FileCounts:
    """What was seen of a file, or of a slice of it, so far."""

    lines: int = 0
    acts: int = 0
    rejects: int = 0
    json_bytes: int = 0
    casts: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    times: list[datetime] = field(default_factory=list)
    runs: list[tuple[int, int]] = field(default_factory=list)
    """(first line, line after the last) of each batch."""

    def add(self, batch: ParsedBatch, file: InputFile, kept: ParsedBatch | None = None) -> None:
        """Count a batch, of which only what is `kept` (None: all) comes to the tables. Raises ContractError where a line is lost or is there twice."""
        kept = kept or batch
        self.json_bytes += batch.json_bytes
        self.casts.update(batch.casts)
        self.left_out.update(kept.left_out)
        if not batch.lines:
            return
        numbers = pc.min_max(pa.chunked_array([*batch.acts["line"].chunks, *batch.rejects["line"].chunks])).as_py()
        if not batch.lines == batch.acts.num_rows + batch.rejects.num_rows == numbers["max"] - numbers["min"] + 1:
            found = f"{batch.lines} lines gave {batch.acts.num_rows} acts and {batch.rejects.num_rows} rejects, of lines {numbers['min']} to {numbers['max']}"
            raise ContractError(f"{file.source_file}: {found}; every line must be one or the other")
        self.runs.append((numbers["min"], numbers["max"] + 1))
        self.lines += kept.lines
        self.acts += kept.acts.num_rows
        self.rejects += kept.rejects.num_rows
        self.reasons.update(kept.rejects["reason"].to_pylist())
        self.times = list(_extremes([*self.times, *_known_extremes(kept.acts["created_at"])]))

    def include(self, other: "FileCounts") -> None:
        """Count what another slice of the file counted."""
        self.lines += other.lines
        self.acts += other.acts
        self.rejects += other.rejects
        self.json_bytes += other.json_bytes
        self.casts.update(other.casts)
        self.left_out.update(other.left_out)
        self.reasons.update(other.reasons)
        self.times = list(_extremes([*self.times, *other.times]))
        self.runs += other.runs

    def check_lines(self, file: InputFile) -> None:
        """Raise ContractError where the batches leave out a line of the file, or have one twice."""
        expected = 1
        for first, after in sorted(self.runs):
            if first != expected:
                raise ContractError(f"{file.source_file}: line {first} comes where line {expected} was expected; slices must share out all lines")
            expected = after

    def check_rejects(self, file: InputFile, max_reject_share: float) -> None:
        """Raise ArchiveError where too many lines were rejected."""
        nothing_else = self.rejects > 0 and self.acts == 0 and not self.left_out[ERASED] and max_reject_share < 1
        if self.rejects <= max_reject_share * max(self.lines, FEWEST_LINES) and not nothing_else:
            return
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in self.reasons.most_common(REASONS_TOLD))
        raise ArchiveError(
            f"{file.source_file}: {self.rejects:,} of {self.lines:,} lines rejected ({self.rejects / self.lines:.2%}), more than "
            f"max_reject_share {max_reject_share:.2%} allows: {reasons}; look at the file, or raise etl.max_reject_share"
        )


def _known_extremes(times: pa.ChunkedArray) -> Iterable[datetime | None]:
    """First and last of those times that a source has told."""
    known = times.filter(pc.not_equal(times, pa.scalar(UNKNOWN_TIME, times.type)))
    return pc.min_max(known).as_py().values()


def _extremes(times: list[datetime | None]) -> Iterator[datetime]:
    there = [time for time in times if time is not None]
    if there:
        yield from (min(there), max(there))
