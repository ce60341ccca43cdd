"""What a platform makes of a dump's files: all acts and rejects, with the counts that say that no line is lost."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.ingest.file_counts import FileCounts
from etl.platforms import InputFile, ParseSettings, Platform
from etl.platforms.streams import WHOLE_FILE, FileSlice

KEY = b"k" * 32
SETTINGS = ParseSettings(KEY, rejected_at=datetime(2026, 1, 1, tzinfo=UTC))


@dataclass
class ParsedDump:
    """Rows and counts of one file or of all files of a dump, attributes as dicts."""

    acts: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    counts: FileCounts = field(default_factory=FileCounts)

    @property
    def by_id(self) -> dict[str, dict[str, Any]]:
        """Acts by the platform's own id."""
        return {act["unit_id"].partition(":")[2]: act for act in self.acts}


def parse_file(platform: Platform, file: InputFile, settings: ParseSettings = SETTINGS, slices: int = 1) -> ParsedDump:
    """A file read by so many tasks; checks that its lines are all there once."""
    parsed = ParsedDump()
    for part in [FileSlice(number, slices) for number in range(slices)] if slices > 1 else [WHOLE_FILE]:
        for batch in platform.parse(file, settings, part):
            parsed.counts.add(batch, file)
            parsed.acts += batch.acts.to_pylist(maps_as_pydicts="strict")
            parsed.rejects += batch.rejects.to_pylist()
    parsed.counts.check_lines(file)
    return parsed


def parse_dump(platform: Platform, dump: Path, settings: ParseSettings = SETTINGS, slices: int = 1) -> ParsedDump:
    """All files of a dump; the counts of all together."""
    parsed = ParsedDump()
    for file in platform.input_files(str(dump), settings):
        of_file = parse_file(platform, file, settings, slices)
        parsed.acts += of_file.acts
        parsed.rejects += of_file.rejects
        parsed.counts.include(of_file.counts)
    return parsed
