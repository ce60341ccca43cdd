"""One input file -> Parquet files of `acts` and `rejects`: what a task does, and what it tells the driver of it."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from conf.errors import ArchiveError, ContractError, KindredError
from etl.platforms import InputFile, ParsedBatch, ParseSettings, Platform, load_platform
from etl.platforms.streams import open_file
from lake.acts import ACTS, REJECTS, IngestedFile
from lake.config import LakeConfig
from lake.pseudonyms import check_key_id, load_key
from lake.table_files import TableFiles, WrittenFile

STATS_COLUMNS = {
    ACTS.name: ("unit_id", "action", "community", "created_at", "state", "thread_id", "parent_unit_id", "retrieved_at", "source_file", "line"),
    REJECTS.name: ("source_file", "line", "reason", "rejected_at"),
}
# A dictionary of what hardly repeats (ids, words, times) would be built and thrown away.
REPEATING_COLUMNS = {
    ACTS.name: (
        "user_id", "action", "community", "title", "state", "thread_id", "session_id", "url", "language", "source_file",
        "attributes.key_value.key", "attributes.key_value.value",
    ),
    REJECTS.name: ("platform", "source_file", "reason"),
}  # fmt: skip
# A smaller file may have as many rejects as one of this many lines: one bad line in ten is no reason to stop.
FEWEST_LINES = 1000
REASONS_TOLD = 3


@dataclass(frozen=True)
class FileTask:
    """All that a task needs, as plain values. The key is not among them: a task loads it, and compares its id.

    `known_sha256` and `known_bytes` are of what is already in the lake under this name (None: nothing is); `generation` counts how often the
    name was ingested, this time included; `live_files` are the files of the tables that began in this input file.
    """

    platform: str
    file: InputFile
    lake: LakeConfig
    key_id: str
    settings: ParseSettings
    max_reject_share: float
    known_sha256: str | None
    known_bytes: int | None
    generation: int
    live_files: dict[str, list[str]]


@dataclass(frozen=True)
class FileResult:
    """What became of one input file. `record` is None where it was already in the lake or could not be taken."""

    task: FileTask
    content: str = ""
    written: dict[str, list[WrittenFile]] = field(default_factory=dict)
    record: IngestedFile | None = None
    failure: KindredError | None = None


def file_prefix(source_file: str) -> str:
    """What the names of all table files begin with that come from this input file."""
    return hashlib.sha256(source_file.encode("utf-8", "surrogatepass")).hexdigest()[:16] + "-"


def parse_file(task: FileTask) -> FileResult:
    """Write one input file's rows into the folders of `acts` and `rejects`; they belong to the tables once the driver commits them.

    An error of this file is returned, not raised, so that it does not stop the other files.
    """
    # Arrow's own allocator gives memory back to the system between blocks, and asks for it again: a tenth of a task's CPU time.
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        key = load_key(task.lake.pseudonym_key_file)
        check_key_id(task.key_id, key, "the driver's pseudonyms")
        sha256 = file_digest(task.file.path)
        if sha256 == task.known_sha256:
            return FileResult(task)
        return _write_tables(task, sha256, replace(task.settings, key=key))
    except KindredError as failure:
        return FileResult(task, failure=failure)


def is_unchanged(task: FileTask) -> bool:
    """Whether the file is in the lake as it is now. Raises ArchiveError."""
    return task.known_sha256 is not None and file_digest(task.file.path) == task.known_sha256


def file_digest(path: str) -> str:
    """SHA-256 of a file's bytes, hex. Raises ArchiveError."""
    try:
        with open_file(path) as stream:
            digest = hashlib.sha256()
            while piece := stream.read(2**20):
                digest.update(piece)
            return digest.hexdigest()
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read: {error}") from None


def _write_tables(task: FileTask, sha256: str, settings: ParseSettings) -> FileResult:
    started = time.monotonic()
    platform = load_platform(task.platform)
    content = _content_id(task, sha256, platform.version)
    name = f"{file_prefix(task.file.source_file)}{task.generation}-{content}"
    # What an earlier attempt committed stays as it is: writing over a live file would belie its size in the log.
    outputs = {
        spec.name: TableFiles(task.lake, spec, name, STATS_COLUMNS[spec.name], REPEATING_COLUMNS[spec.name])
        for spec in (ACTS, REJECTS)
        if not any(name in path for path in task.live_files.get(spec.name, ()))
    }
    counts = _FileCounts()
    for batch in platform.parse(task.file, settings):
        counts.add(batch, task.file)
        for spec, rows in ((ACTS, batch.acts), (REJECTS, batch.rejects)):
            if spec.name in outputs and rows.num_rows:
                outputs[spec.name].write(rows)
    counts.check(task.file, task.max_reject_share)
    written = {name: output.finish() for name, output in outputs.items()}
    record = counts.record(task, sha256, platform, time.monotonic() - started)
    return FileResult(task, content, written, record)


def _content_id(task: FileTask, sha256: str, version: str) -> str:
    """What decides the rows of an input file: its bytes, its parser and the settings."""
    settings = [task.settings.honour_deletions, task.settings.keep_names, task.settings.reject_chars]
    decisive = [sha256, task.file.kind, task.platform, version, task.key_id, *settings]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


@dataclass
class _FileCounts:
    """What was seen of a file so far."""

    lines: int = 0
    acts: int = 0
    rejects: int = 0
    json_bytes: int = 0
    casts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    times: list[datetime] = field(default_factory=list)

    def add(self, batch: ParsedBatch, file: InputFile) -> None:
        """Count a batch. Raises ContractError where a line is lost."""
        if batch.lines != batch.acts.num_rows + batch.rejects.num_rows:
            found = f"{batch.lines} lines gave {batch.acts.num_rows} acts and {batch.rejects.num_rows} rejects"
            raise ContractError(f"{file.source_file}: {found} after line {self.lines}; every line must be one or the other")
        self.lines += batch.lines
        self.acts += batch.acts.num_rows
        self.rejects += batch.rejects.num_rows
        self.json_bytes += batch.json_bytes
        self.casts.update(batch.casts)
        self.reasons.update(batch.rejects["reason"].to_pylist())
        self.times = list(_extremes([*self.times, *pc.min_max(batch.acts["created_at"]).as_py().values()]))

    def check(self, file: InputFile, max_reject_share: float) -> None:
        """Raise ArchiveError where too many lines were rejected."""
        nothing_else = self.rejects > 0 and self.acts == 0 and max_reject_share < 1
        if self.rejects <= max_reject_share * max(self.lines, FEWEST_LINES) and not nothing_else:
            return
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in self.reasons.most_common(REASONS_TOLD))
        raise ArchiveError(
            f"{file.source_file}: {self.rejects:,} of {self.lines:,} lines rejected ({self.rejects / self.lines:.2%}), more than "
            f"max_reject_share {max_reject_share:.2%} allows: {reasons}; look at the file, or raise etl.max_reject_share"
        )

    def record(self, task: FileTask, sha256: str, platform: Platform, seconds: float) -> IngestedFile:
        """The file's row of `ingested_files`."""
        first, last = (self.times[0], self.times[-1]) if self.times else (None, None)
        return IngestedFile(
            source_file=task.file.source_file, platform=platform.name, kind=task.file.kind or "", sha256=sha256, bytes=task.file.size,
            json_bytes=self.json_bytes, lines=self.lines, rows=self.acts, rejects=self.rejects, rejects_by_reason=dict(self.reasons),
            casts_by_kind=dict(self.casts), first_created_at=first, last_created_at=last, seconds=seconds, parser_version=platform.version,
            key_id=task.key_id, ingested_at=datetime.now(UTC),
        )  # fmt: skip


def _extremes(times: list[datetime | None]) -> Iterator[datetime]:
    there = [time for time in times if time is not None]
    if there:
        yield from (min(there), max(there))
