"""One input file, or a slice of it -> Parquet files of `acts` and `rejects`: what a task does, and what it tells the driver of it."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pyarrow as pa

from conf.errors import ArchiveError, KindredError
from etl.ingest.erased import without_erased
from etl.ingest.file_counts import FileCounts
from etl.platforms import InputFile, ParseSettings, load_platform
from etl.platforms.streams import WHOLE_FILE, FileSlice, file_digest
from lake.acts import ACTS, REJECTS, IngestedFile
from lake.config import LakeConfig
from lake.forgotten import erased_of_lake
from lake.pseudonyms import check_key_id, load_key
from lake.table_files import TableFiles, WrittenFile


@dataclass(frozen=True)
class FileTask:
    """All that a task needs, as plain values. The key is not among them: a task loads it, and compares its id.

    `listed_sha256` is what a list says that the file's digest is (None: no list says anything); `known_sha256`, `known_bytes` and `known_parser` are
    of what is already in the lake under this name (None: nothing is); `generation` counts how often the name was ingested, this time included; `live_files`
    are the files of the tables that began in this input file; `slice` is what of the file the task is to parse.
    """

    platform: str
    file: InputFile
    lake: LakeConfig
    key_id: str
    settings: ParseSettings
    max_reject_share: float
    listed_sha256: str | None
    known_sha256: str | None
    known_bytes: int | None
    known_parser: str | None
    generation: int
    live_files: dict[str, list[str]]
    slice: FileSlice = WHOLE_FILE

    @property
    def is_unchanged(self) -> bool:
        """Whether the file is in the lake as it is now, parsed with the options of now; False as long as its digest is not known."""
        if self.file.sha256 is None or self.known_parser is None or self.file.sha256 != self.known_sha256:
            return False
        return _options_of(self.known_parser) == _options_of(parser_version(self))


@dataclass(frozen=True)
class FileResult:
    """What became of one input file. `record` is None where it was already in the lake or could not be taken.

    `written` are finished files by table, which await their commit, or their removal where there is a failure.
    """

    task: FileTask
    content: str = ""
    written: dict[str, list[WrittenFile]] = field(default_factory=dict)
    record: IngestedFile | None = None
    failure: KindredError | None = None

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to read: the file is in the lake as it is now, was parsed, or cannot be taken."""
        return self.task.is_unchanged or self.record is not None or self.failure is not None


@dataclass(frozen=True)
class SliceResult:
    """What one task made of its slice of a file: counts and finished files by table, or the reason why the file cannot be taken."""

    counts: FileCounts = field(default_factory=FileCounts)
    written: dict[str, list[WrittenFile]] = field(default_factory=dict)
    seconds: float = 0.0
    failure: KindredError | None = None


def file_prefix(source_file: str) -> str:
    """What the names of all table files begin with that come from this input file."""
    return hashlib.sha256(source_file.encode("utf-8", "surrogatepass")).hexdigest()[:16] + "-"


def parser_version(task: FileTask) -> str:
    """The version of the task's parser and, where its platform has options, a digest of them: '1', or '1 0123456789abcdef'."""
    version, options = load_platform(task.platform).version, task.settings.options.model_dump(mode="json")
    return f"{version} {hashlib.sha256(json.dumps(options).encode()).hexdigest()[:16]}" if options else version


def check_file(task: FileTask) -> FileResult:
    """The task with its file's digest; settled where the file is in the lake as it is now, or cannot be taken."""
    if task.file.fault is not None:
        return FileResult(task, failure=_with_source_file(task.file.fault, task.file))
    try:
        sha256 = task.file.sha256 or file_digest(task.file.path)
    except ArchiveError as failure:
        return FileResult(task, failure=_with_source_file(failure, task.file))
    if task.listed_sha256 not in (None, sha256):
        found = f"{task.file.source_file}: its SHA-256 is {sha256}, the list says {task.listed_sha256}; fetch the file again"
        return FileResult(task, failure=ArchiveError(found))
    return FileResult(replace(task, file=replace(task.file, sha256=sha256)))


def parse_file(task: FileTask) -> FileResult:
    """Write one input file's rows into the folders of `acts` and `rejects`; they belong to the tables once the driver commits them.

    An error of this file is returned, not raised, so that it does not stop the other files.
    """
    checked = check_file(task)
    return checked if checked.is_settled else joined(checked.task, [parse_slice(checked.task)])


def parse_slice(task: FileTask) -> SliceResult:
    """Write the rows of the task's slice of a file whose digest is known. An error of the file is returned, not raised."""
    # Arrow's own allocator gives memory back to the system between blocks, and asks for it again: a tenth of a task's CPU time.
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        key = load_key(task.lake.pseudonym_key_file)
        check_key_id(task.key_id, key, "the driver's pseudonyms")
        return _write_tables(task, replace(task.settings, key=key))
    except KindredError as failure:
        return SliceResult(failure=_with_source_file(failure, task.file))


def sliced(task: FileTask, count: int) -> list[FileTask]:
    """The task as so many tasks, each for a slice of the file."""
    return [replace(task, slice=FileSlice(number, count)) for number in range(count)]


def joined(task: FileTask, slices: Sequence[SliceResult]) -> FileResult:
    """What became of a file, from all its slices: the same whether there is one or many."""
    counts = FileCounts()
    for part in slices:
        counts.include(part.counts)
    written = {spec.name: [file for part in slices for file in part.written.get(spec.name, [])] for spec in (ACTS, REJECTS)}
    failure = next((part.failure for part in slices if part.failure), None) or _refusal(task, counts)
    if failure:
        return FileResult(task, written=written, failure=failure)
    return FileResult(task, _content_id(task), written, _record(task, counts, max(part.seconds for part in slices)))


def _with_source_file(failure: KindredError, file: InputFile) -> KindredError:
    """A failure that names a file in public as the lake does: its path may hold somebody's account."""
    return type(failure)(str(failure), failure.public.replace(file.path, file.source_file))


def _refusal(task: FileTask, counts: FileCounts) -> KindredError | None:
    """Why a file that was read to its end cannot be taken; None where it can."""
    try:
        counts.check_lines(task.file)
        counts.check_rejects(task.file, task.max_reject_share)
    except KindredError as failure:
        return failure
    return None


def _write_tables(task: FileTask, settings: ParseSettings) -> SliceResult:
    started, counts = time.monotonic(), FileCounts()
    name = f"{file_prefix(task.file.source_file)}{task.generation}-{_content_id(task)}"
    # What an earlier attempt committed stays as it is: writing over a live file would belie its size in the log.
    outputs = {
        spec.name: TableFiles(task.lake, spec, name + _slice_suffix(task.slice))
        for spec in (ACTS, REJECTS)
        if not any(name in path for path in task.live_files.get(spec.name, ()))
    }
    try:
        _write_rows(task, settings, counts, outputs)
    except BaseException:
        for output in outputs.values():
            output.discard()
        raise
    written = {name: output.finish() for name, output in outputs.items()}
    return SliceResult(counts, written, time.monotonic() - started)


def _write_rows(task: FileTask, settings: ParseSettings, counts: FileCounts, outputs: Mapping[str, TableFiles]) -> None:
    """Parse the task's slice into the outputs, by table name, and count it. Raises ArchiveError where the file cannot be read."""
    erased = erased_of_lake(task.lake)
    for batch in load_platform(task.platform).parse(task.file, settings, task.slice):
        kept = without_erased(batch, erased)
        counts.add(batch, task.file, kept)
        for spec, rows in ((ACTS, kept.acts), (REJECTS, kept.rejects)):
            if spec.name in outputs and rows.num_rows:
                outputs[spec.name].write(rows)


def _slice_suffix(part: FileSlice) -> str:
    return "" if part == WHOLE_FILE else f"-{part.number}of{part.count}"


def _record(task: FileTask, counts: FileCounts, seconds: float) -> IngestedFile:
    """The file's row of `ingested_files`."""
    assert task.file.sha256 is not None
    platform = load_platform(task.platform)
    first, last = (counts.times[0], counts.times[-1]) if counts.times else (None, None)
    return IngestedFile(
        source_file=task.file.source_file, platform=platform.name, kind=task.file.kind or "", sha256=task.file.sha256, bytes=task.file.size,
        json_bytes=counts.json_bytes, lines=counts.lines, rows=counts.acts, rejects=counts.rejects,
        rejects_by_reason=dict(sorted(counts.reasons.items())), casts_by_kind=dict(sorted(counts.casts.items())), first_created_at=first,
        last_created_at=last, seconds=seconds, parser_version=parser_version(task), key_id=task.key_id, ingested_at=datetime.now(UTC),
        left_out_by_kind=dict(sorted(counts.left_out.items())),
    )  # fmt: skip


def _options_of(parser: str) -> str:
    """The digest of options in what `parser_version` says; empty where there is none."""
    return parser.partition(" ")[2]


def _content_id(task: FileTask) -> str:
    """What decides the rows of an input file: its bytes, its parser and the settings."""
    version = load_platform(task.platform).version
    settings = [task.settings.honour_deletions, task.settings.keep_names, task.settings.reject_chars, task.settings.options.model_dump(mode="json")]
    decisive = [task.file.sha256, task.file.kind, task.platform, version, task.key_id, *settings]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]
