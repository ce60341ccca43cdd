"""What a parser reads, record by record -> numbered and checked batches of acts and rejects.

For platforms whose files hold millions of records, not billions: a parser only says what each record is, in its own ids and names.
"""

import csv
import lzma
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import pyarrow as pa

from etl.platforms import InputFile, ParsedBatch, ParseSettings
from etl.platforms.accounts import user_ids
from etl.platforms.columns import string_map
from etl.platforms.streams import unreadable
from etl.platforms.surrogates import without_surrogates
from lake.acts import ACTS, REJECTS, UNKNOWN_TIME, USER_NAME
from lake.schema import arrow_schema

RECORDS_AT_ONCE = 10_000
GROUPS = 64
"""Partitions of a platform whose threads have no numbers: 64 are enough for some hundred million acts."""
FIRST_TIME, LAST_TIME = UNKNOWN_TIME, datetime(2100, 1, 1, tzinfo=UTC)

# NotImplementedError is of a .zip that is packed in a way unknown to Python.
UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, pa.ArrowException, csv.Error, NotImplementedError)
_ID = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedAct:
    """One act in the platform's own ids and names.

    `thread_id`, `parent_id` and `session_id` are ids of the same sort as `native_id`; the account is None where it is deleted. An act of the action
    'object' (a product, a video) has no account: it is what others act on. `thread_group` is a pure function of the thread, of the person where there
    are sessions and no threads (all copies of an act are looked up together); None leaves it to a hash. `bytes` is what the record took in the decoded file.
    """

    native_id: str | None
    account: str | None
    action: str
    created_at: datetime | None
    title: str | None = None
    text: str | None = None
    community: str | None = None
    state: Literal["kept", "deleted", "removed"] = "kept"
    thread_id: str | None = None
    parent_id: str | None = None
    session_id: str | None = None
    thread_group: str | None = None
    url: str | None = None
    language: str | None = None
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    source_text: str | None = None
    retrieved_at: datetime | None = None
    raw: str = ""
    bytes: int = 0
    casts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that gives no act: a short and countable reason, the record as it stood, and its account where that could be read."""

    reason: str
    raw: str
    account: str | None = None
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is no record of an act (a heading, a vote, a page of the platform itself): counted by kind, not numbered."""

    kind: str
    bytes: int = 0


Parsed: TypeAlias = ParsedAct | Refused | LeftOut


def parsed_batches(
    parsed: Iterable[Parsed], platform: str, file: InputFile, settings: ParseSettings, first_line: int = 1
) -> Iterator[ParsedBatch]:  # fmt: skip
    """Batches of what a parser read of a file, in order, numbered from `first_line` on. `platform` is what the acts' ids begin with.

    An act that lacks an id or a time, or whose ids or time cannot be right, becomes a reject. Raises ArchiveError where the file cannot be read.
    """
    batch = _OpenBatch(platform, file, settings, first_line)
    try:
        for record in parsed:
            batch.add(record)
            if batch.is_full:
                yield batch.taken()
    except UNREADABLE as error:
        raise unreadable(file.source_file, "read", error) from None
    if batch.bytes or batch.lines:
        yield batch.taken()


def thread_group(thread_id: str) -> str:
    """One of GROUPS partitions, by a hash of a thread's id."""
    return str(zlib.crc32(thread_id.encode("utf-8", "replace")) % GROUPS)


class _OpenBatch:
    """The records of a file since the last batch, and how many there were before."""

    def __init__(self, platform: str, file: InputFile, settings: ParseSettings, first_line: int) -> None:
        self._platform, self._file, self._settings = platform, file, settings
        self._users = user_ids(platform, settings.key)
        self._line = first_line - 1
        self._empty()

    def _empty(self) -> None:
        self._acts: list[dict[str, Any]] = []
        self._attributes: list[Mapping[str, str | None]] = []
        self._rejects: list[dict[str, Any]] = []
        self._casts: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self.bytes = 0

    @property
    def lines(self) -> int:
        """Numbered records."""
        return len(self._acts) + len(self._rejects)

    @property
    def is_full(self) -> bool:
        return self.lines >= RECORDS_AT_ONCE or self.bytes >= self._settings.block_bytes

    def add(self, record: Parsed) -> None:
        self.bytes += record.bytes
        if isinstance(record, LeftOut):
            self._left_out[record.kind] += 1
            return
        self._line += 1
        if isinstance(record, ParsedAct):
            reason = _obstacle(record)
            if reason is None:
                self._add_act(record)
                return
            record = Refused(reason, record.raw, record.account)
        self._rejects.append({
            "platform": self._platform, "source_file": self._file.source_file, "line": self._line, "reason": record.reason,
            "raw": _plain(record.raw[: self._settings.reject_chars]), "user_id": self._users[record.account], "rejected_at": self._settings.rejected_at,
        })  # fmt: skip

    def _add_act(self, act: ParsedAct) -> None:
        self._casts.update(act.casts)
        user_id = self._users[act.account]
        thread = act.thread_id or (user_id if act.session_id else None) or act.session_id or act.native_id or ""
        names = {USER_NAME: act.account} if self._settings.keep_names else {}
        self._attributes.append({name: _plain(value) for name, value in (dict(act.attributes) | names).items()})
        is_kept = act.state == "kept"
        title, text, url, source_text = (_words(value) if is_kept else None for value in (act.title, act.text, act.url, act.source_text))
        self._acts.append({
            "platform": self._platform, "unit_id": self._with_platform(act.native_id), "user_id": user_id, "action": act.action,
            "community": _words(act.community), "created_at": act.created_at, "title": title, "text": text, "state": act.state,
            "thread_id": self._with_platform(act.thread_id), "parent_unit_id": self._with_platform(act.parent_id),
            "session_id": self._with_platform(act.session_id), "thread_group": act.thread_group or thread_group(thread), "url": url,
            "language": _words(act.language), "source_text": source_text, "retrieved_at": act.retrieved_at, "source_file": self._file.source_file,
            "line": self._line,
        })  # fmt: skip

    def _with_platform(self, native_id: str | None) -> str | None:
        return None if native_id is None else f"{self._platform}:{native_id}"

    def taken(self) -> ParsedBatch:
        """What was added since the last call."""
        schema = arrow_schema(ACTS)
        names = sorted({name for attributes in self._attributes for name in attributes})
        attributes = {name: pa.array([row.get(name) for row in self._attributes], pa.string()) for name in names}
        columns = {name: pa.array([act[name] for act in self._acts], schema.field(name).type) for name in schema.names if name != "attributes"}
        columns["attributes"] = string_map(attributes, len(self._acts)) if names else pa.array([[]] * len(self._acts), schema.field("attributes").type)
        acts = pa.table({name: columns[name] for name in schema.names}, schema=schema)
        batch = ParsedBatch(acts, pa.Table.from_pylist(self._rejects, schema=arrow_schema(REJECTS)), self.lines, self.bytes, self._casts, self._left_out)
        self._empty()
        return batch


def _obstacle(act: ParsedAct) -> str | None:
    """Why an act cannot be taken; None where it can."""
    if act.native_id is None:
        return "no id"
    for name in ("native_id", "thread_id", "parent_id", "session_id"):
        value = getattr(act, name)
        if value is not None and not _ID.fullmatch(value):
            return f"{name.removeprefix('native_')}: not an id"
    if act.created_at is None:
        return "no time"
    return None if act.created_at.tzinfo and FIRST_TIME <= act.created_at < LAST_TIME else "time: not a time"


def _words(text: str | None) -> str | None:
    """Text that is fit to keep; None where it is blank."""
    plain = _plain(text)
    return plain if plain and not plain.isspace() else None


def _plain(text: str | None) -> str | None:
    """Text without NUL characters and lone surrogates."""
    return text if text is None or ("\0" not in text and text.isascii()) else without_surrogates(text.replace("\0", ""))
