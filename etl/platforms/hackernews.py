"""Hacker News: items as the Firebase API and BigQuery's table `hacker_news.full` have them, as JSON lines or Parquet (edge).

Fields as in the documentation of the official API (HackerNews/API) and in the schema of BigQuery's table, whose JSON exports write whole numbers as
strings. A comment names the item above it, not its story: that is looked up in all files of the dump (`etl.platforms.parents`).
"""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from html import unescape
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from conf.errors import ArchiveError
from etl.platforms import InputFile, ParsedBatch, ParseSettings
from etl.platforms.html_text import HtmlOptions, html_text, kept_html
from etl.platforms.json_lines import STRICTLY_REFUSED, lenient_json
from etl.platforms.parents import MOST_IDS, climb_to_tops, parent_table, top_of
from etl.platforms.records import RECORDS_AT_ONCE, LeftOut, Parsed, ParsedAct, Refused, parsed_batches
from etl.platforms.streams import BLOCK_BYTES, WHOLE_FILE, FileSlice, line_blocks, list_files, open_seekable, share_of
from etl.platforms.times import unix_time

logger = logging.getLogger(__name__)

COMMUNITY = "Hacker News"
ITEMS_IN_GROUP = 1_000_000
"""Of a thread's group. Items are numbered as they come, so that groups by number are of one size, and need no calendar."""

_LINES, _PARQUET = "json lines", "parquet"
_FILE = re.compile(r".*\.(?:(?:json|jsonl|ndjson)(?:\.(?:zst|gz|bz2|xz))?|(parquet))", re.IGNORECASE | re.DOTALL)
_RANKING = re.compile(rb'"type"\s*:\s*"comment_ranking"')
_BY = re.compile(r'"by"\s*:\s*"([^"\\]+)"')
_FIELD = re.compile(r"`\$\.(\w+)`")
_PLACEHOLDERS = frozenset(("[dead]", "[flagged]", "[deleted]", "[delayed]"))
_ACTIONS = {"story": "post", "job": "post", "poll": "post", "comment": "comment", "pollopt": "option"}


class Link(msgspec.Struct, frozen=True):
    """What places an item in its thread; a poll's options name it in `poll` (API) or `parent` (BigQuery)."""

    id: int | None = None
    parent: int | None = None
    poll: int | None = None

    @property
    def above(self) -> int | None:
        """The item that this one answers, or the poll that it is an option of."""
        return self.parent or self.poll or None


class Item(Link, frozen=True):
    """What is taken of an item; other fields are left alone."""

    type: Literal["story", "comment", "job", "poll", "pollopt"] | None = None
    by: str | None = None
    time: int | None = None
    title: str | None = None
    text: str | None = None
    url: str | None = None
    score: int | None = None
    descendants: int | None = None
    dead: bool | None = None
    deleted: bool | None = None

    @property
    def kind(self) -> str:
        """Its type; what is left of a deleted item may lack it."""
        return self.type or ("comment" if self.above else "story")


class HackerNewsPlatform:
    """The parser of Hacker News' items."""

    name = "hackernews"
    version = "1"
    options = HtmlOptions

    def input_files(self, dump: str, settings: ParseSettings) -> list[InputFile]:
        """The JSON lines and Parquet files below a folder; others are left alone."""
        files = _item_files(dump)
        if others := len(list_files(dump)) - len(files):
            logger.warning("%d files are left alone, since their names are neither of JSON lines nor of Parquet", others)
        return files

    def parse(self, file: InputFile, settings: ParseSettings, part: FileSlice = WHOLE_FILE) -> Iterator[ParsedBatch]:
        """The items of a slice of a file in order; all of a Parquet file is in slice 0. Raises ArchiveError."""
        tops = _tops(tuple(_item_files(file.path.removesuffix(file.source_file))))
        if file.kind == _LINES:
            for first_line, block in share_of(line_blocks(file.path, settings.block_bytes, file.sha256), part, _count_items):
                yield from parsed_batches(_acts_of_lines(block, tops, settings), self.name, file, settings, first_line)
        elif part.number == 0:
            yield from parsed_batches(_acts_of_rows(file.path, tops, settings), self.name, file, settings)


PLATFORM = HackerNewsPlatform()


def _item_files(dump: str) -> list[InputFile]:
    named = [(path, source_file, size, _FILE.fullmatch(source_file)) for path, source_file, size in list_files(dump)]
    return [InputFile(path, source_file, _PARQUET if name[1] else _LINES, size) for path, source_file, size, name in named if name]


def _is_item(line: bytes) -> bool:
    """Whether a line has a number: BigQuery's table also ranks comments, and crawls of the API have `null` for what is not shown."""
    return not (b'"comment_ranking"' in line and _RANKING.search(line)) and line.strip() not in (b"", b"null")


def _count_items(block: bytes) -> int:
    return sum(map(_is_item, io.BytesIO(block)))


def _acts_of_lines(block: bytes, tops: np.ndarray, settings: ParseSettings) -> Iterator[Parsed]:
    decode = msgspec.json.Decoder(Item, strict=False).decode
    for line in io.BytesIO(block):
        if not _is_item(line):
            yield LeftOut("no item", len(line))
            continue
        raw = line.decode("utf-8-sig", "replace").rstrip("\r\n")
        try:
            yield _act(*_decoded(line, decode), raw, len(line), tops, settings)
        except STRICTLY_REFUSED as error:
            yield _refused(error, raw, len(line))


def _decoded(line: bytes, decode: Callable[[bytes], Item]) -> tuple[Item, tuple[str, ...]]:
    """The item in a line, and what was odd about its characters. Raises one of STRICTLY_REFUSED."""
    try:
        return decode(line.removeprefix(b"\xef\xbb\xbf")), ()
    except STRICTLY_REFUSED:
        with suppress(ValueError, RecursionError):
            value, oddities = lenient_json(line)
            if oddities:
                return msgspec.convert(value, Item, strict=False), tuple(oddities)
        raise


def _acts_of_rows(path: str, tops: np.ndarray, settings: ParseSettings) -> Iterator[Parsed]:
    for batch in _row_batches(path, [field.name for field in msgspec.structs.fields(Item)]):
        size = batch.nbytes // max(batch.num_rows, 1)
        try:
            rows = batch.to_pylist()
        except UnicodeDecodeError as error:
            raise ArchiveError(f"{path}: a text in it is not UTF-8 ({error}); export it again") from None
        for row in rows:
            try:
                yield _act(msgspec.convert(row, Item, strict=False), (), json.dumps(row, default=str), size, tops, settings)
            except msgspec.ValidationError as error:
                is_ranking = row.get("type") == "comment_ranking"
                yield LeftOut("no item", size) if is_ranking else _refused(error, json.dumps(row, default=str), size)


def _row_batches(path: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Rows of a Parquet file, with those of the columns that it has."""
    with open_seekable(path) as raw, pq.ParquetFile(raw) as table:
        yield from table.iter_batches(RECORDS_AT_ONCE, columns=[name for name in columns if name in table.schema_arrow.names])


def _refused(error: Exception, raw: str, size: int) -> Refused:
    by, field = _BY.search(raw), _FIELD.search(str(error))
    is_json = isinstance(error, msgspec.ValidationError)
    return Refused(f"{field[1]}: not as expected" if field else "not an object" if is_json else "not json", raw, by[1] if by else None, size)


def _act(item: Item, casts: tuple[str, ...], raw: str, size: int, tops: np.ndarray, settings: ParseSettings) -> Parsed:
    above = None if _ACTIONS[item.kind] == "post" else item.above
    for name, number in (("id", item.id), ("parent", above)):
        if number is not None and not 0 < number < MOST_IDS:
            return Refused(f"{name}: not an id", raw, item.by, size)
    created_at = unix_time(item.time)
    if created_at is None and item.time is not None:
        return Refused("time: not a time", raw, item.by, size)
    thread = top_of(tops, above) if above else item.id
    numbers = {"score": item.score, "descendants": item.descendants}
    return ParsedAct(
        native_id=_text(item.id), account=item.by or None, action=_ACTIONS[item.kind], created_at=created_at,
        title=item.title and unescape(item.title), text=item.text and html_text(item.text), community=COMMUNITY, state=_state(item, settings),
        thread_id=_text(thread), parent_id=_text(above), thread_group=str((thread or item.id or 0) // ITEMS_IN_GROUP), url=item.url,
        attributes={"type": item.kind} | {name: _text(number) for name, number in numbers.items()},
        source_text=kept_html(item.text, settings.options), raw=raw, bytes=size, casts=casts,
    )  # fmt: skip


def _state(item: Item, settings: ParseSettings) -> Literal["kept", "deleted", "removed"]:
    """What became of an item: its author deleted it, or users and moderators killed it. The API gives a placeholder for the words of the latter."""
    if item.deleted:
        return "deleted"
    is_gone = {item.title, item.text} & _PLACEHOLDERS
    return "removed" if is_gone or (item.dead and settings.honour_deletions) else "kept"


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


@lru_cache(maxsize=1)
def _tops(files: tuple[InputFile, ...]) -> np.ndarray:
    """What is at the top above each item of these files. A file that cannot be read to its end says what it can: its own task refuses it."""
    tops = parent_table(pairs for file in files for pairs in _pairs(file))
    climb_to_tops(tops)
    return tops


def _pairs(file: InputFile) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    try:
        yield from _pairs_of_lines(file.path) if file.kind == _LINES else _pairs_of_rows(file.path)
    except (ArchiveError, OSError, pa.ArrowException) as error:
        logger.warning("threads are looked up without the rest of %s: %s", file.source_file, type(error).__name__)


def _pairs_of_lines(path: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    decoder = msgspec.json.Decoder(Link, strict=False)
    for block in line_blocks(path, BLOCK_BYTES):
        try:
            links = decoder.decode_lines(block)
        except STRICTLY_REFUSED:
            links = list(_links_one_by_one(block, decoder))
        known = [(link.id, link.above) for link in links if 0 < (link.id or 0) < MOST_IDS and 0 < (link.above or 0) < MOST_IDS]
        ids, parents = np.array(known, dtype=np.int64).reshape(-1, 2).T
        yield ids, parents


def _links_one_by_one(block: bytes, decoder: "msgspec.json.Decoder[Link]") -> Iterator[Link]:
    for line in io.BytesIO(block):
        try:
            yield decoder.decode(line)
        except STRICTLY_REFUSED:
            continue  # a reject, or no item


def _pairs_of_rows(path: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for batch in _row_batches(path, ["id", "parent", "poll"]):
        columns: dict[str, Any] = {name: batch[name].cast(pa.int64()) for name in batch.schema.names}
        if "id" in columns and len(columns) > 1:
            above = pc.coalesce(*(columns[name] for name in ("parent", "poll") if name in columns))
            yield columns["id"].fill_null(0).to_numpy(), above.fill_null(0).to_numpy()
