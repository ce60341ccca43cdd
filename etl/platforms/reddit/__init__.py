"""Reddit's dumps (Pushshift and its successors): monthly RC_* and RS_* files, or NAME_comments and NAME_submissions (edge).

NAME is a subreddit, or an account: tools that fetch what one person wrote call their files alike. Its first rows say which.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from conf.errors import ArchiveError
from etl.platforms import InputFile, NoOptions, ParsedBatch, ParseSettings
from etl.platforms.accounts import user_ids, without_account
from etl.platforms.reddit.acts import PLATFORM_NAME, account, act_columns
from etl.platforms.reddit.decoding import DecodedBlock, decode_block
from etl.platforms.reddit.records import kind_of_row
from etl.platforms.streams import COMPRESSED_SUFFIXES, WHOLE_FILE, FileSlice, line_blocks, list_files, numbered_blocks
from lake.acts import ACTS, REJECTS
from lake.schema import arrow_schema

logger = logging.getLogger(__name__)

_PLAIN_SUFFIXES = (".ndjson", ".jsonl", ".json", "")
_BY_MONTH = {"RC_": "comments", "RS_": "submissions"}
_BY_NAME = re.compile(r"(?P<name>.*)_(?P<kind>comments|submissions)", re.IGNORECASE | re.DOTALL)
_MONTH = re.compile(r"R[CS]_\d{4}-\d\d(?:\.\w+)*")
_AUTHOR = re.compile(rb'"author"\s*:\s*"([^"\\]+)"')
_LINES_LOOKED_AT = 20


class RedditPlatform:
    """The parser of Reddit's dumps."""

    name = PLATFORM_NAME
    version = "3"
    options = NoOptions

    def input_files(self, dump: str, settings: ParseSettings) -> list[InputFile]:
        """The dumps below a folder; an unknown name is told by its rows, and what is no dump is left alone."""
        listed = list_files(dump)
        files = [file for file in (_input_file(*of_file, settings.key) for of_file in listed) if file is not None]
        if others := len(listed) - len(files):
            logger.warning("%d of %d files are left alone, since neither their names nor their first rows are those of a dump", others, len(listed))
        return files

    def parse(self, file: InputFile, settings: ParseSettings, part: FileSlice = WHOLE_FILE) -> Iterator[ParsedBatch]:
        """The lines of a slice of a file in order, `settings.block_bytes` or a little more at a time. Raises ArchiveError."""
        if file.kind is None:
            raise ArchiveError(f"{file.source_file}: neither its name (RC_*, RS_*, NAME_comments, NAME_submissions) nor its rows say what it holds")
        for first_line, block in numbered_blocks(file.path, part, settings.block_bytes, file.sha256):
            yield parse_block(block, file, first_line, settings)


PLATFORM = RedditPlatform()


def kind_of_name(name: str) -> str | None:
    """'comments' or 'submissions', told by a file's name; None where the name says neither."""
    by_name = _BY_NAME.match(name)
    return by_name["kind"].lower() if by_name else _BY_MONTH.get(name[:3])


def _input_file(path: str, name: str, size: int, key: bytes) -> InputFile | None:
    """A dump, `name` its path below the root; None for what is none."""
    suffix = PurePosixPath(name).suffix
    if suffix not in (*COMPRESSED_SUFFIXES, *_PLAIN_SUFFIXES):
        return None
    rows = [] if _MONTH.fullmatch(name) else _first_rows(path)
    kind = kind_of_name(PurePosixPath(name).name) or next(filter(None, map(kind_of_row, rows)), None)
    if kind is None and suffix in (".jsonl", ".json", "") and size:
        return None
    return InputFile(path, source_file(name, rows, key), kind, size)


def source_file(name: str, rows: Sequence[Mapping[str, Any]], key: bytes) -> str:
    """A dump's path below the root, with pseudonyms in the place of accounts: of the one whose first rows these all are, of one of theirs that the file is
    named after, and of a profile (`u_NAME_comments`).

    A file with the name of the subreddit whose rows these are is named after that. Where the rows tell neither, since all authors are deleted or the file
    is damaged, NAME may be an account: it is taken for one.
    """
    authors = {str(author).lower() for author in (row.get("author") for row in rows) if author and account(str(author))}
    by_name = _BY_NAME.match(PurePosixPath(name).name)
    owner = by_name["name"].lower() if by_name else ""
    is_subreddit = {str(row.get("subreddit")).lower() for row in rows} == {owner}
    accounts = authors if len(authors) == 1 else set()
    if owner.startswith("u_"):
        accounts = accounts | {owner.removeprefix("u_")}
    elif not is_subreddit and (not authors or owner in authors):
        accounts = accounts | {owner}
    for one in accounts:
        name = without_account(name, one, PLATFORM_NAME, key)
    return name


def _first_rows(path: str) -> list[dict[str, Any]]:
    """Those of the first lines that are JSON objects; none where the file cannot be read."""
    rows = []
    with suppress(ArchiveError):
        for line in islice(line_blocks(path, block_bytes=1), _LINES_LOOKED_AT):
            with suppress(ValueError, RecursionError):
                rows.append(json.loads(line))
    return [row for row in rows if isinstance(row, dict)]


def parse_block(block: bytes, file: InputFile, first_line: int, settings: ParseSettings) -> ParsedBatch:
    """Acts and rejects of a block of whole lines, the first of which is line `first_line` of the file."""
    assert file.kind is not None
    decoded = decode_block(block, file.kind)
    made = act_columns(decoded.fields, file.kind, settings, decoded.casts)
    numbers = decoded.numbers + first_line
    columns = made.columns | {"source_file": pa.repeat(file.source_file, len(numbers)), "line": numbers}
    acts = pa.table({name: columns[name] for name in ACTS.columns}, schema=arrow_schema(ACTS))
    refused = {bad.number: bad.reason for bad in decoded.bad}
    if any(made.reasons):
        is_act = made.reasons == None  # noqa: E711 - element by element
        acts = acts.filter(pa.array(is_act))
        refused |= {int(decoded.numbers[at]): made.reasons[at] for at in np.flatnonzero(~is_act)}
    rejects = _rejects(decoded, refused, file, first_line, settings)
    return ParsedBatch(acts, rejects, decoded.lines, len(block), decoded.casts)


def _rejects(decoded: DecodedBlock, refused: dict[int, str], file: InputFile, first_line: int, settings: ParseSettings) -> pa.Table:
    rows, pseudonyms = [], user_ids(PLATFORM_NAME, settings.key)
    for number in sorted(refused):
        raw = decoded.raw_lines[number]
        author = _AUTHOR.search(raw)
        rows.append({
            "platform": PLATFORM_NAME, "source_file": file.source_file, "line": first_line + number, "reason": refused[number],
            "raw": raw.decode("utf-8", "replace")[: settings.reject_chars].replace("\0", "\ufffd"),
            "user_id": pseudonyms[account(author[1].decode("utf-8", "replace"))] if author else None,
            "rejected_at": settings.rejected_at,
        })  # fmt: skip
    return pa.Table.from_pylist(rows, schema=arrow_schema(REJECTS))
