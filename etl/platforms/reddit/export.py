"""What Reddit hands a person who asks for their data: export_NAME_DATE.zip, or its files unpacked (edge). Its acts have the ids of the dumps.

comments.csv (id, permalink, date, ip, subreddit, gildings, link, parent, body, media), posts.csv (id, permalink, date, ip, subreddit, gildings, title, url,
body), each perhaps as NAME_1.csv, NAME_2.csv, ...; statistics.csv names the account. `ip` is never kept. Sources: public importers and their fixtures
(reddit-user-to-sqlite, potluck, the Epicenter importer).
"""

import csv
import io
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from typing import IO

import pyarrow as pa
from pydantic import Field

from conf.errors import ArchiveError, ConfigError
from conf.settings import StageConfig
from etl.platforms import InputFile, ParsedBatch, ParseSettings
from etl.platforms.accounts import without_account
from etl.platforms.archives import is_archive, members
from etl.platforms.mentions import without_mentions
from etl.platforms.records import UNREADABLE, LeftOut, Parsed, ParsedAct, Refused, parsed_batches
from etl.platforms.reddit.acts import PLATFORM_NAME, community, outgoing_link
from etl.platforms.reddit.ids import COMMENT, SUBMISSION, parent_id, thread_group
from etl.platforms.reddit.words import mark_of
from etl.platforms.streams import WHOLE_FILE, FileSlice, list_files, open_file

logger = logging.getLogger(__name__)

Row = Mapping[str, str]
LINE_CHARS = 2**20
"""A longer line is cut: no text on Reddit is as long."""
_KIND_OF_NAME = re.compile(r"(comments|posts)(?:_\d+)?\.csv")
_STATISTICS = "statistics.csv"
FIELD_CHARS = 2**20
"""The longest text of the archive has 432,872 characters; a field that goes on is one whose quote was never closed."""
_NAMED = re.compile(r"export_(.+)_(?:\d{8}|\d{4}-\d\d-\d\d)")
_ID = re.compile(r"[0-9A-Za-z_-]{1,32}")
_THREAD = re.compile(r"(?:^t3_|/comments/)([0-9A-Za-z]{1,32})")
_COLUMNS = {"comments": {"id", "date", "subreddit", "link", "parent", "body"}, "posts": {"id", "date", "subreddit", "title", "url", "body"}}


class RedditExportOptions(StageConfig):
    """The `etl.platforms.reddit-export` section."""

    account: str | None = Field(None, description="Account of exports that name none in statistics.csv or in their own name.")


@dataclass(frozen=True)
class Origin:
    """Whose an export is, and when it was made (None: not told)."""

    account: str
    exported_at: datetime | None = None


class RedditExportPlatform:
    """The parser of Reddit's personal exports."""

    name = "reddit-export"
    version = "1"
    options = RedditExportOptions

    def input_files(self, dump: str, settings: ParseSettings) -> list[InputFile]:
        """The archives below a folder, and unpacked files of comments and posts. Raises ConfigError where one tells no account."""
        files = []
        for path, name, size in list_files(dump):
            by_name = _KIND_OF_NAME.fullmatch(PurePosixPath(name).name)
            if is_archive(name) or by_name:
                file = InputFile(path, name, by_name[1] if by_name else "export", size)
                files.append(InputFile(path, without_account(name, _origin(file, settings).account, PLATFORM_NAME, settings.key), file.kind, size))
        return files

    def parse(self, file: InputFile, settings: ParseSettings, part: FileSlice = WHOLE_FILE) -> Iterator[ParsedBatch]:
        """The rows of an export in stored order; a file is not shared out. Raises ArchiveError."""
        if part.number == 0:
            yield from parsed_batches(_records(file, settings), PLATFORM_NAME, file, settings)


PLATFORM = RedditExportPlatform()


def _origin(file: InputFile, settings: ParseSettings) -> Origin:
    """Whose a file is: as statistics.csv says, else its archive's or folder's name, else the option. Raises ConfigError."""
    assert isinstance(settings.options, RedditExportOptions)
    statistics = _statistics(file)
    named = _NAMED.search("/".join(file.path.split("/")[-2:]))
    account = statistics.get("account name") or (named[1] if named else None) or settings.options.account
    if not account:
        found = "neither statistics.csv beside it nor its name (export_NAME_DATE.zip) says whose it is; say so with etl.platforms.reddit-export.account"
        raise ConfigError(f"reddit-export: {file.source_file}: {found}", f"reddit-export: of a file, {found}")
    return Origin(account, _time(statistics.get("export time", "")))


def _statistics(file: InputFile) -> dict[str, str]:
    """What statistics.csv says; nothing where it is not there. An archive that cannot be read is an error when it is parsed."""
    try:
        if file.kind != "export":
            with open_file(f"{file.path.rpartition('/')[0]}/{_STATISTICS}") as stream:
                return _facts(stream)
        streams = (member.stream for member in members(file.path) if PurePosixPath(member.name).name == _STATISTICS)
        return next(map(_facts, streams), {})
    except (ArchiveError, *UNREADABLE):
        return {}


def _facts(stream: IO[bytes]) -> dict[str, str]:
    return {row["statistic"]: row["value"] for row, _ in _rows(stream, {"statistic", "value"}, _STATISTICS) if row}


def _records(file: InputFile, settings: ParseSettings) -> Iterator[Parsed]:
    origin = _origin(file, settings)
    if file.kind == "export":
        for member in members(file.path):
            by_name = _KIND_OF_NAME.fullmatch(PurePosixPath(member.name).name)
            if by_name:
                yield from _records_of(member.stream, by_name[1], origin, file.source_file, settings.key)
            else:
                yield LeftOut("file without comments or posts")
    else:
        with open_file(file.path) as stream:
            yield from _records_of(stream, file.kind or "", origin, file.source_file, settings.key)


def _records_of(stream: IO[bytes], kind: str, origin: Origin, where: str, key: bytes) -> Iterator[Parsed]:
    for row, size in _rows(stream, _COLUMNS[kind], where):
        yield _record(row, kind, origin, size, key) if row else Refused("not as many fields as columns", "", origin.account, size)


def _rows(stream: IO[bytes], columns: set[str], where: str) -> Iterator[tuple[Row, int]]:
    """Each row of a CSV file by column, without `ip`, and its bytes; an empty one where its fields are not as many as the columns. Raises ArchiveError."""
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for line in iter(partial(text.readline, LINE_CHARS), ""):
            read += len(line.encode("utf-8", "replace"))
            yield line

    text = io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="")
    csv.field_size_limit(FIELD_CHARS)
    rows = csv.reader(lines())
    header = next(rows, [])
    if missing := sorted(columns - set(header)):
        found, expected = f"{where}: has no column {missing[0]!r}", "expected a file of Reddit's export"
        raise ArchiveError(f"{found}, only {', '.join(header)[:200]}; {expected}", f"{found}; {expected}")
    for row in rows:
        size, read = read, 0
        if row:
            cells = dict(zip(header, row, strict=True)) if len(row) == len(header) else {}
            yield {name: value for name, value in cells.items() if name != "ip"}, size


def _record(row: Row, kind: str, origin: Origin, size: int, key: bytes) -> Parsed:
    """The act of a row of comments or posts."""
    is_post, raw = kind == "posts", json.dumps(row, ensure_ascii=False)
    native_id = (SUBMISSION if is_post else COMMENT) + row["id"]
    thread, at = native_id if is_post else _thread(row), _time(row["date"])
    if not _ID.fullmatch(row["id"]):
        return Refused("id: not an id" if row["id"] else "no id", raw, origin.account, size)
    if at is None:
        return Refused("date: not a time", raw, origin.account, size)
    if thread is None:
        return Refused("link: no thread", raw, origin.account, size)
    return ParsedAct(
        native_id=native_id, account=origin.account, action="post" if is_post else "comment", created_at=at, title=row["title"] if is_post else None,
        text=row["body"], community=community(row["subreddit"], None, key), state=mark_of(row["body"] or row.get("title")), thread_id=thread,
        parent_id=None if is_post else parent_id(row["parent"], thread), thread_group=thread_group(thread),
        url=_link(row["url"], native_id) if is_post else None, retrieved_at=origin.exported_at, raw=raw, bytes=size,
    )  # fmt: skip


def _link(url: str, native_id: str) -> str | None:
    """Where a post leads, without names of accounts; None for a text post."""
    return without_mentions(pa.array([outgoing_link(None, url or None, native_id)], pa.string()))[0].as_py()


def _thread(row: Row) -> str | None:
    """The full id of a comment's thread, from the link to it or to the comment."""
    found = _THREAD.search(row["link"]) or _THREAD.search(row.get("permalink", ""))
    return SUBMISSION + found[1] if found else None


def _time(text: str) -> datetime | None:
    """A time such as '2019-03-05 12:34:56 UTC'; None where a text is none."""
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    except ValueError:
        return None
