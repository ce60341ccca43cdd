"""What a user says of tables that no parser knows: which files there are, and which of their columns is what."""

import codecs
import string
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, field_validator, model_validator

from conf.settings import StageConfig
from etl.platforms import installed_platforms
from lake.acts import USER_NAME, WORDS_OF_OBJECT

Format = Literal["csv", "jsonl", "parquet"]
UNIX_FORMATS = {"seconds": 1, "milliseconds": 1000}
"""Time formats that count from 1970 -> parts of a second."""
ISO = "iso"
OBJECT = "object"
_LETTERS = "é茶д가"

Names = Annotated[tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)]


class Columns(StageConfig):
    """The column of each field of an act; `a.b` is field b inside a. What a row leaves blank it does not have."""

    user: str | None = Field(None, description="The account; blank where it is deleted. Never kept: a keyed pseudonym is.")
    time: str | None = Field(None, description="When it was done, written as `time_format` says.")
    title: str | None = Field(None, description="A title of the user's own.")
    text: Names = Field((), description="The user's own words; of several columns, joined by blank lines.")
    id: str | None = Field(
        None, description="What tells it from all other acts of all sources; without it a hash does, of all that is given here but language and state."
    )
    thread: str | None = Field(None, description="The id of what opened the thread.")
    parent: str | None = Field(None, description="The id of what was answered.")
    session: str | None = Field(None, description="What the acts of one sitting share.")
    community: str | None = Field(None, description="Forum, channel, category.")
    url: str | None = Field(None, description="What was linked or visited.")
    language: str | None = Field(None, description="Language tag.")
    state: str | None = Field(None, description="kept (or blank), deleted or removed, in any case of letters.")


class ContextColumns(StageConfig):
    """What surrounded an act, where its own row holds it: the product of a review, the query of a click. It becomes an act of nobody at the thread's root."""

    title: str | None = Field(None, description="Its title.")
    text: Names = Field((), description="Its text; of several columns, joined by blank lines.")
    id: str | None = Field(None, description="What tells it from others; without it a hash of its words does.")

    @model_validator(mode="after")
    def _has_words(self) -> Self:
        if not self.title and not self.text:
            raise ValueError("expected a column as title or text")
        return self


class Source(StageConfig):
    """Files of one shape."""

    files: str = Field(description="Their paths below the dump; `*` stands for any characters, also `/`.")
    format: Format | None = Field(None, description="None: as the suffix says (.csv, .tsv, .jsonl, .ndjson, .json, .parquet, the first five also compressed).")
    delimiter: str | None = Field(
        None, min_length=1, max_length=20,
        description="Of csv; None: a tab in .tsv, else a comma. One of several characters ('::') parts cells wherever it stands: such tables know no quotes.",
    )  # fmt: skip
    quotes: bool = Field(True, description="Of csv: whether double quotes enclose cells; if not, they are characters like others.")
    header: tuple[str, ...] | None = Field(None, min_length=1, description="Of csv without a line of names: the names of all its columns, in order.")
    encoding: str = Field("utf-8", description="Of csv and JSON lines, e.g. 'latin-1', 'cp1252'; a row with bytes that are none of it is a reject.")
    action: str = Field(pattern="^[a-z][a-z-]*$", description="What people did: review, search, comment, ...; 'object' for what others act on.")
    columns: Columns
    context: ContextColumns | None = Field(None, description="What surrounded the act.")
    time_format: str = Field(ISO, description="'iso', 'seconds' or 'milliseconds' since 1970, or a pattern such as '%d.%m.%Y %H:%M'.")
    time_zone: str = Field("UTC", description="Of times that name none, e.g. 'Europe/Paris'.")
    constants: dict[Literal["title", "community", "url", "language"], str] = Field({}, description="Fields that are the same in all rows.")
    attributes: tuple[str, ...] = Field(
        (), description="Columns that are kept as further facts: numbers (a rating, a weight), places, ...; no text of the act."
    )
    words: Literal["own", "object"] = Field(
        "own",
        description="'object': a row without title and text takes the title of the object at the root of its thread, whichever file that comes from; "
        "without such a title it makes no unit, unless `constants` have a title for it.",
    )  # fmt: skip

    @field_validator("delimiter")
    @classmethod
    def _is_delimiter(cls, given: str | None) -> str | None:
        if given is not None and (given == r"\t" or not {*given}.isdisjoint('"\r\n\0')):
            raise ValueError(r'no delimiter: it has no quotes and no ends of lines, and a tab is written as "\t" in double quotes')
        return given

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, given: str) -> str:
        """The codec's own name; utf-8-sig is utf-8, whose mark at the beginning of a file is passed over anyway."""
        try:
            name = codecs.lookup(given).name.removesuffix("-sig")
            parts_lines = _parts_lines(name)
        except (LookupError, ValueError):
            raise ValueError("no encoding; expected a name such as 'utf-8', 'latin-1', 'cp1252', 'shift_jis'") from None
        if not parts_lines:
            raise ValueError(f"lines cannot be told in it; convert the file first (iconv -f {given} -t utf-8) and take the setting away")
        return name

    @field_validator("time_format")
    @classmethod
    def _is_time_format(cls, given: str) -> str:
        if given not in (ISO, *UNIX_FORMATS):
            if "%" not in given:
                raise ValueError(f"expected {ISO}, {', '.join(UNIX_FORMATS)} or a pattern such as '%d.%m.%Y %H:%M'")
            try:
                datetime.strptime(datetime(2020, 1, 2).strftime(given), given)  # noqa: DTZ001, DTZ007 - the zone plays no part
            except ValueError as error:
                raise ValueError(f"no pattern of a time: {error}") from None
        return given

    @field_validator("time_zone")
    @classmethod
    def _is_time_zone(cls, given: str) -> str:
        try:
            ZoneInfo(given)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no time zone; expected a name such as 'Europe/Paris'") from None
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.action == OBJECT and (self.columns.user or self.columns.thread or self.context):
            raise ValueError("an object is nobody's act and opens a thread: take columns.user, columns.thread and context away")
        if self.action != OBJECT and not (self.columns.user and self.columns.time):
            raise ValueError("expected columns.user and columns.time")
        if self.action == OBJECT and not self.columns.id:
            raise ValueError("expected columns.id of an object, since others name it by that")
        if self.words == OBJECT and (self.action == OBJECT or not (self.columns.thread or self.context)):
            raise ValueError("words: object is of acts whose thread an object opens: expected columns.thread or context")
        if not self.columns.title and not self.columns.text and self.words != OBJECT:
            raise ValueError("expected columns.title or columns.text: an act without words is no unit (or words: object, those of what was acted on)")
        if self.context and self.columns.thread:
            raise ValueError("columns.thread and context exclude each other: the context opens the thread")
        if self.columns.user in self._others():
            raise ValueError("columns.user is another column, too: the lake has no names of accounts")
        if both := sorted(name for name in self.constants if getattr(self.columns, name)):
            raise ValueError(f"both a column and a constant: {', '.join(both)}")
        if WORDS_OF_OBJECT in self.attributes:
            raise ValueError(f"attributes: {WORDS_OF_OBJECT!r} is kept for what `words` says; give that column another name")
        if USER_NAME in self.attributes:
            raise ValueError(f"attributes: {USER_NAME!r} is the account's name, which the lake has by columns.user and lake.keep_names alone; take it away")
        return self

    @model_validator(mode="after")
    def _has_columns(self) -> Self:
        if self.header is None:
            return self
        if self.format not in (None, "csv"):
            raise ValueError("header: only csv comes without names of columns")
        if twice := sorted({name for name in self.header if self.header.count(name) > 1}):
            raise ValueError(f"header: {twice[0]!r} stands there twice; give its columns different names")
        if missing := sorted(self.all_columns() - {*self.header}):
            raise ValueError(f"no column {missing[0]!r} in header, which names {', '.join(map(repr, self.header))}")
        return self

    def always_there(self) -> set[str]:
        """Columns that some row of every file must have."""
        own = {name for name in (self.columns.user, self.columns.time, self.columns.title, self.columns.id) if name}
        return own | {*self.columns.text} | _names(self.context)

    def all_columns(self) -> set[str]:
        """Columns that are read."""
        return self._others() | ({self.columns.user} if self.columns.user else set())

    def _others(self) -> set[str]:
        """Columns that are read, but for the account's."""
        return _names(self.columns.model_copy(update={"user": None})) | _names(self.context) | {*self.attributes}


class GenericOptions(StageConfig):
    """The section `etl.platforms.generic`."""

    name: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,39}$", description="Name of the platform: ids and pseudonyms begin with it.")
    sources: tuple[Source, ...] = Field(min_length=1, description="Its files; none may belong to two sources.")

    @field_validator("name")
    @classmethod
    def _is_free(cls, given: str) -> str:
        if given in installed_platforms():
            raise ValueError("this is the name of a platform with a parser of its own")
        return given

    def numbered(self) -> Iterator[tuple[str, Source]]:
        """Sources with what they are called in the settings."""
        for number, source in enumerate(self.sources):
            yield f"etl.platforms.generic.sources.{number}.files", source


def _parts_lines(encoding: str) -> bool:
    """Whether ASCII is itself in an encoding, ends of lines are written as nothing else, and a line says the same wherever it stands.

    iso2022_kr says at the beginning of a text what the bytes of all of it mean.
    """
    if string.printable.encode(encoding) != string.printable.encode("ascii") or "\n" in rb"\u000a".decode(encoding):
        return False
    for letter in _LETTERS:
        with suppress(UnicodeError):  # most encodings lack some
            if f"{letter}\n{letter}".encode(encoding).split(b"\n")[1].decode(encoding) != letter:
                return False
    return True


def _names(columns: Columns | ContextColumns | None) -> set[str]:
    """The columns that are given."""
    if columns is None:
        return set()
    return {*columns.text, *(name for name in columns.model_dump(exclude={"text"}).values() if name)}
