"""Rows of a source -> acts, and an act of nobody for what surrounded them."""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from conf.errors import ArchiveError
from etl.platforms.accounts import UserIds
from etl.platforms.generic.options import ISO, OBJECT, UNIX_FORMATS, ContextColumns, Source
from etl.platforms.generic.rows import Row, value_at
from etl.platforms.records import UNKNOWN_TIME, Parsed, ParsedAct, Refused
from etl.platforms.streams import MAX_LINE_BYTES
from etl.platforms.times import unix_time
from lake.acts import WORDS_OF_OBJECT

State = Literal["kept", "deleted", "removed"]
OBJECTS_KEPT = 2**16
"""Contexts that are remembered as made already; one that is met again later is made again, and its copies are settled as those of any act."""
_PLAIN_ID = re.compile(r"[!-~]{1,150}")
_STATES: dict[str, State] = {"kept": "kept", "deleted": "deleted", "removed": "removed"}


class NotPlainError(Exception):
    """A value that is neither a text nor a number nor a list of them, or a text without end. Its message is the reason for the row's reject."""


class SourceActs:
    """The acts of one file of a source. Remembers which contexts it made, and the first time that it could not read."""

    def __init__(self, source: Source, users: UserIds) -> None:
        self._source, self._users = source, users
        self._zone = ZoneInfo(source.time_zone)
        self._made: set[str] = set()
        self._times = 0
        self._bad_time: str | None = None

    def of_rows(self, rows: Iterator[Row | Refused], source_file: str) -> Iterator[Parsed]:
        """What each row gives, in order: its context where that is new, then its act, or the reason why there is none.

        Raises ArchiveError where no row has a time that can be read, since that is a fault of `time_format`.
        """
        for row in rows:
            if isinstance(row, Refused):
                yield row
                continue
            try:
                yield from self._of_row(row)
            except NotPlainError as reason:
                yield Refused(str(reason), row.raw, bytes=row.bytes)
        if self._bad_time is not None and not self._times:
            found = f"{source_file}: no {self._source.columns.time!r} is a time of time_format {self._source.time_format!r}"
            raise ArchiveError(f"{found}; the first is {self._bad_time!r}", public=found)

    def _of_row(self, row: Row) -> Iterator[Parsed]:
        source, columns = self._source, self._source.columns
        created_at = UNKNOWN_TIME if source.action == OBJECT and not columns.time else self._time(row)
        state = _STATES.get((self._text(row, columns.state) or "kept").lower())
        if created_at is None or state is None:
            reason = f"{columns.time}: not of the time format" if created_at is None else f"{columns.state}: neither kept, deleted nor removed"
            yield Refused(reason, row.raw, self._text(row, columns.user), row.bytes)
            return
        context = self._context(row, source.context) if source.context else None
        act = self._act(row, created_at, state, context.native_id if context else None)
        if context and self._is_new(str(context.native_id)):
            yield context
        yield act

    def _act(self, row: Row, created_at: datetime, state: State, context_id: str | None) -> ParsedAct:
        """The act of a row; `context_id` is the id of what surrounded it, if the row holds that."""
        source, columns = self._source, self._source.columns
        account, title, text = self._text(row, columns.user), self._text(row, columns.title), self._texts(row, columns.text)
        has_words, title = bool(title or text), title or source.constants.get("title")
        community, url, session_id = self._field(row, "community"), self._field(row, "url"), self._id(row, columns.session)
        thread_id, parent_id = context_id or self._id(row, columns.thread), self._id(row, columns.parent) or context_id
        # What may be told otherwise later is no part of it: language, state, attributes.
        told = (source.action, created_at.isoformat(), title, text, thread_id, parent_id, session_id, community, url)
        native_id = self._id(row, columns.id) or f"act_{_digest(self._users[account], *told)}"
        return ParsedAct(
            native_id=native_id, account=account, action=source.action, created_at=created_at, title=title, text=text, community=community, state=state,
            thread_id=native_id if source.action == OBJECT else thread_id, parent_id=parent_id, session_id=session_id, url=url,
            language=self._field(row, "language"), attributes=self._attributes(row, has_words), raw=row.raw, bytes=row.bytes, casts=row.casts,
        )  # fmt: skip

    def _attributes(self, row: Row, has_words: bool) -> dict[str, str | None]:
        attributes = {name: self._text(row, name) for name in self._source.attributes}
        return attributes | {WORDS_OF_OBJECT: "true"} if self._source.words == OBJECT and not has_words else attributes

    def _context(self, row: Row, columns: ContextColumns) -> ParsedAct | None:
        """What surrounded the row's act; None where its columns are blank."""
        title, text = self._text(row, columns.title), self._texts(row, columns.text)
        if title is None and text is None:
            return None
        community = self._field(row, "community")
        own_id = f"{OBJECT}_{self._id(row, columns.id) or _digest(title, text, community)}"
        return ParsedAct(
            native_id=own_id, account=None, action=OBJECT, created_at=UNKNOWN_TIME, title=title, text=text, thread_id=own_id,
            community=community, language=self._field(row, "language"), raw=row.raw,
        )  # fmt: skip

    def _is_new(self, context_id: str) -> bool:
        """Whether no act of this context is remembered; from now on one is."""
        if context_id in self._made:
            return False
        if len(self._made) >= OBJECTS_KEPT:
            self._made.clear()
        self._made.add(context_id)
        return True

    def _time(self, row: Row) -> datetime | None:
        value = value_at(row.values, str(self._source.columns.time))
        moment = moment_of(value, self._source.time_format, self._zone)
        if moment is not None:
            self._times += 1
        elif self._bad_time is None:
            self._bad_time = str(value)[:100]
        return moment

    def _field(self, row: Row, name: Literal["community", "url", "language"]) -> str | None:
        return self._text(row, getattr(self._source.columns, name)) or self._source.constants.get(name)

    def _id(self, row: Row, column: str | None) -> str | None:
        """An id as it stands, or a hash of it where it has characters that ids have not."""
        text = self._text(row, column)
        return text if text is None or _PLAIN_ID.fullmatch(text) else f"id_{_digest(text)}"

    def _texts(self, row: Row, columns: tuple[str, ...]) -> str | None:
        texts = [text for text in (self._text(row, column) for column in columns) if text is not None]
        return "\n\n".join(texts) or None

    @staticmethod
    def _text(row: Row, column: str | None) -> str | None:
        """A value as text; None where there is none or it is blank. Raises NotPlainError."""
        return None if column is None else _as_text(value_at(row.values, column), column)


def moment_of(value: Any, time_format: str, zone: ZoneInfo) -> datetime | None:
    """The moment that a value of a table is; None where it is not written in the format. `zone` is that of times that name none."""
    if time_format in UNIX_FORMATS and not isinstance(value, date):
        return unix_time(value, UNIX_FORMATS[time_format])
    try:
        moment = _moment(value, time_format)
        return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=zone)
    except (ValueError, OverflowError):
        return None


def _moment(value: Any, time_format: str) -> datetime | None:
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.timetz())  # of a subclass that counts nanoseconds, too
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the caller knows the zone
    if not isinstance(value, str):
        return None
    return datetime.fromisoformat(value.strip()) if time_format == ISO else datetime.strptime(value.strip(), time_format)  # noqa: DTZ007 - as above


def _as_text(value: Any, column: str) -> str | None:
    """A value, or a list of them, as text; None where it is blank. Raises NotPlainError."""
    if isinstance(value, list):
        value = ", ".join(text for text in (_plain_text(one, column) for one in value) if text)
    text = _plain_text(value, column)
    return text if text and not text.isspace() else None


def _plain_text(value: Any, column: str) -> str | None:
    if isinstance(value, list | dict):
        raise NotPlainError(f"{column}: not a text")
    if isinstance(value, str | bytes) and len(value) > MAX_LINE_BYTES:
        raise NotPlainError(f"{column}: too long")
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None or isinstance(value, str) else str(value)


def _digest(*parts: str | None) -> str:
    return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()[:32]
