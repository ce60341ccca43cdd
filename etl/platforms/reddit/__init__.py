"""Reddit's dumps (Pushshift and its successors): monthly RC_* and RS_* files, or NAME_comments and NAME_submissions (edge)."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa

from conf.errors import ArchiveError
from etl.platforms import InputFile, NoOptions, ParsedBatch, ParseSettings
from etl.platforms.accounts import user_ids
from etl.platforms.reddit.acts import PLATFORM_NAME, account, act_columns
from etl.platforms.reddit.decoding import DecodedBlock, decode_block
from etl.platforms.reddit.records import kind_of_row
from etl.platforms.streams import COMPRESSED_SUFFIXES, WHOLE_FILE, FileSlice, line_blocks, list_files, numbered_blocks
from lake.acts import ACTS, REJECTS
from lake.schema import arrow_schema

logger = logging.getLogger(__name__)

_PLAIN_SUFFIXES = (".ndjson", ".jsonl", ".json", "")
_BY_MONTH = {"RC_": "comments", "RS_": "submissions"}
_BY_NAME = re.compile(r".*_(comments|submissions)", re.IGNORECASE)
_AUTHOR = re.compile(rb'"author"\s*:\s*"([^"\\]+)"')
_LINES_LOOKED_AT = 20


class RedditPlatform:
    """The parser of Reddit's dumps."""

    name = PLATFORM_NAME
    version = "2"
    options = NoOptions

    def input_files(self, dump: str, settings: ParseSettings) -> list[InputFile]:
        """The dumps below a folder; an unknown name is told by its rows, and what is no dump is logged and left alone."""
        found = [_input_file(*listed) for listed in list_files(dump)]
        return [file for file in found if file is not None]

    def parse(self, file: InputFile, settings: ParseSettings, part: FileSlice = WHOLE_FILE) -> Iterator[ParsedBatch]:
        """The lines of a slice of a file in order, `settings.block_bytes` or a little more at a time. Raises ArchiveError."""
        if file.kind is None:
            raise ArchiveError(f"{file.source_file}: neither its name (RC_*, RS_*, NAME_comments, NAME_submissions) nor its rows say what it holds")
        for first_line, block in numbered_blocks(file.path, part, settings.block_bytes, file.sha256):
            yield parse_block(block, file, first_line, settings)


PLATFORM = RedditPlatform()


def kind_of_name(name: str) -> str | None:
    """'comments' or 'submissions', told by a file's name; None where the name says neither."""
    if name[:3] in _BY_MONTH:
        return _BY_MONTH[name[:3]]
    by_name = _BY_NAME.match(name)
    return by_name[1].lower() if by_name else None


def _input_file(path: str, source_file: str, size: int) -> InputFile | None:
    name = PurePosixPath(source_file).name
    suffix = PurePosixPath(name).suffix
    if suffix not in (*COMPRESSED_SUFFIXES, *_PLAIN_SUFFIXES):
        logger.warning("%s: skipped, since %s is no suffix of a dump", source_file, suffix)
        return None
    kind = kind_of_name(name)
    if kind is None:
        kind = _kind_of_rows(path)
    if kind is None and suffix in (".jsonl", ".json", "") and size:
        logger.info("%s: skipped, since neither its name nor its first rows are a dump's", source_file)
        return None
    return InputFile(path, source_file, kind, size)


def _kind_of_rows(path: str) -> str | None:
    """What the first lines that are JSON hold; None where they are of neither kind, or cannot be read."""
    with suppress(ArchiveError):
        for line in islice(line_blocks(path, block_bytes=1), _LINES_LOOKED_AT):
            with suppress(ValueError, RecursionError):
                return kind_of_row(json.loads(line))
    return None


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
