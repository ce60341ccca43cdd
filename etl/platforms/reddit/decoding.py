"""Blocks of lines -> records, and the lines that are none: at once where a block is clean, line by line where it is not."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import msgspec
import numpy as np

from etl.platforms.reddit.records import RECORDS, Record, lenient_record

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class BadLine:
    """A line that gives no act, and why. `number` counts within the block, from 0."""

    number: int
    reason: str


@dataclass
class DecodedBlock:
    """The records of a block, the numbers of their lines within it (from 0), and its lines that are no record."""

    block: bytes
    lines: int
    records: list[Record]
    numbers: Sequence[int]
    bad: list[BadLine] = field(default_factory=list)
    casts: Counter[str] = field(default_factory=Counter)

    @cached_property
    def raw_lines(self) -> list[bytes]:
        """The block's lines as they stood; split only where somebody asks."""
        return self.block.split(b"\n")


def decode_block(block: bytes, kind: str) -> DecodedBlock:
    """The records of a block of whole lines. No line is lost: lines = records + bad ones."""
    lines, are_objects = _look_at_lines(block)
    # decode_lines takes objects apart wherever they stand: only where every line begins and ends with one is its position the line's number.
    if are_objects:
        try:
            records = _decoder(kind).decode_lines(block)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            records = []
        if len(records) == lines:
            return DecodedBlock(block, lines, records, range(lines))
    return _decode_line_by_line(block, lines, kind)


def _look_at_lines(block: bytes) -> tuple[int, bool]:
    """How many lines a block has, and whether each begins with '{' and ends with '}', line end aside."""
    letters = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(letters == ord("\n"))
    starts = ends + 1 if not block.endswith(b"\n") else ends[:-1] + 1
    if not block.startswith(b"{") or (letters[starts] != ord("{")).any():
        return len(starts) + 1, False
    last = np.where(letters[ends - 1] == ord("\r"), letters[ends - 2], letters[ends - 1])
    return len(starts) + 1, bool((last == ord("}")).all())


def _decode_line_by_line(block: bytes, lines: int, kind: str) -> DecodedBlock:
    decoded = DecodedBlock(block, lines, [], [])
    numbers: list[int] = []
    decoder = _decoder(kind)
    for number, line in enumerate(decoded.raw_lines[:lines]):
        try:
            record = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            result = decode_odd_line(line, kind, decoded.casts)
            if isinstance(result, str):
                decoded.bad.append(BadLine(number, result))
                continue
            record = result
        decoded.records.append(record)
        numbers.append(number)
    decoded.numbers = numbers
    return decoded


def decode_odd_line(line: bytes, kind: str, casts: dict[str, int]) -> Record | str:
    """The record of a line that strict decoding refuses, its oddities counted in `casts`; else the reason why it is none."""
    if not line.strip():
        return "empty line"
    try:
        row, oddities = _parse_leniently(line)
    except (ValueError, RecursionError):
        return "not json"
    if not isinstance(row, dict):
        return "not an object"
    for oddity in oddities:
        casts[oddity] = casts.get(oddity, 0) + 1
    return lenient_record(RECORDS[kind], row, casts)


def _parse_leniently(line: bytes) -> tuple[Any, list[str]]:
    """The line's JSON value with invalid bytes, raw control characters and lone surrogates replaced. Raises ValueError."""
    oddities = []
    text = line.decode("utf-8-sig", "replace")
    if "\ufffd" in text and "\ufffd".encode() not in line:
        oddities.append("line: invalid utf-8")
    try:
        value = json.loads(text)
    except ValueError:
        value = json.loads(text, strict=False)
        oddities.append("line: control character")
    if isinstance(value, dict):
        value, replaced = _without_surrogates(value)
        oddities += ["line: lone surrogate"] * replaced
    return value, oddities


def _without_surrogates(row: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    clean = {name: _SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value for name, value in row.items()}
    return clean, clean != row


@lru_cache
def _decoder(kind: str) -> msgspec.json.Decoder:
    return msgspec.json.Decoder(RECORDS[kind])
