"""Blocks of lines -> the values of their records by field, and the lines that are no record.

A few lines at a time, so that records are taken apart while they are in the processor's cache.
"""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import astuple

from etl.platforms.json_lines import STRICTLY_REFUSED, lenient_json
from etl.platforms.reddit.records import RECORDS, Record, lenient_record

Fields = dict[str, list[Any]]
"""Field of the dump -> its values, one a record."""
LINES_AT_ONCE = 200


@dataclass(frozen=True)
class BadLine:
    """A line that gives no act, and why. `number` counts within the block, from 0."""

    number: int
    reason: str


@dataclass
class DecodedBlock:
    """The values of a block's records by field, the numbers of their lines within it (from 0), and its lines that are no record."""

    block: bytes
    lines: int
    fields: Fields
    bad: list[BadLine] = field(default_factory=list)
    casts: Counter[str] = field(default_factory=Counter)

    @cached_property
    def numbers(self) -> np.ndarray:
        """Number of each record's line. Shape: (records,)."""
        return np.delete(np.arange(self.lines), [bad.number for bad in self.bad])

    @cached_property
    def raw_lines(self) -> list[bytes]:
        """The block's lines as they stood; split only where somebody asks."""
        return self.block.split(b"\n")


def decode_block(block: bytes, kind: str) -> DecodedBlock:
    """The records of a block of whole lines. No line is lost: lines = records + bad ones."""
    decoded = DecodedBlock(block, 0, {name: [] for name in RECORDS[kind].__struct_fields__})
    decode, lines = _decoder(kind).decode, io.BytesIO(block)
    while some := list(islice(lines, LINES_AT_ONCE)):
        try:
            records = list(map(decode, some))
        except STRICTLY_REFUSED:
            records = _decode_one_by_one(some, kind, decoded)
        decoded.lines += len(some)
        for values, more in zip(decoded.fields.values(), zip(*map(astuple, records), strict=True), strict=bool(records)):
            values.extend(more)
    return decoded


def _decode_one_by_one(lines: Sequence[bytes], kind: str, decoded: DecodedBlock) -> list[Record]:
    """The records of lines that come next in a block; those that give none are noted in it, as are casts."""
    records, decode = [], _decoder(kind).decode
    for number, line in enumerate(lines, start=decoded.lines):
        try:
            records.append(decode(line))
        except STRICTLY_REFUSED:
            result = decode_odd_line(line.removesuffix(b"\n"), kind, decoded.casts)
            if isinstance(result, str):
                decoded.bad.append(BadLine(number, result))
            else:
                records.append(result)
    return records


def decode_odd_line(line: bytes, kind: str, casts: dict[str, int]) -> Record | str:
    """The record of a line that strict decoding refuses, its oddities counted in `casts`; else the reason why it is none."""
    if not line.strip():
        return "empty line"
    try:
        row, oddities = lenient_json(line)
    except (ValueError, RecursionError):
        return "not json"
    if not isinstance(row, dict):
        return "not an object"
    for oddity in oddities:
        casts[oddity] = casts.get(oddity, 0) + 1
    return lenient_record(RECORDS[kind], row, casts)


@lru_cache
def _decoder(kind: str) -> msgspec.json.Decoder:
    return msgspec.json.Decoder(RECORDS[kind])
