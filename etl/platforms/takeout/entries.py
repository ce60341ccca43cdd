"""The bytes of a history -> its entries as they stand, one at a time; and the fields of one that stands in JSON.

A streaming JSON parser would do for lists, but ijson's memory grows with the square of how deep a value nests, and one damaged entry would cost all
that come after it. Here an entry is found by its brackets alone, so that a damaged one is a reject with its text.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from conf.errors import ArchiveError
from etl.platforms.surrogates import without_escaped_surrogates

Fields = TypeVar("Fields", bound=msgspec.Struct)

ENTRY_BYTES = 2**20
"""A longer entry is none: real ones have some hundred bytes."""
PAGE_ENTRY = b'<div class="outer-cell'
"""What each entry of a history's page begins with."""

# Up to the next bracket that stands in no string. Possessive: a string that is not closed yet is not tried in other ways.
_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+([{}\[\]])', re.DOTALL)
_NAME = re.compile(rb'"([^"\\]*)"\s*:\s*.$', re.DOTALL)
_BETWEEN = b" \t\r\n,"
_BEFORE = b" \t\r\n\xef\xbb\xbf"


def json_entries(chunks: Iterable[bytes], where: str) -> Iterator[tuple[str | None, bytes]]:
    """(name of its list, an element) of each element of a JSON list (no name), or of the lists in a JSON object. Chunks may end anywhere.

    Text between two elements that is no comma is given as one, too. Raises ArchiveError, naming `where`, if the JSON breaks off or goes on after its
    end, or an element is longer than ENTRY_BYTES.
    """
    kept, scanned, begin = b"", 0, 0
    depth, list_depth, is_over = 0, 0, False
    name = None
    for chunk in chunks:
        kept += chunk
        while not is_over and (found := _TO_BRACKET.match(kept, scanned)):
            scanned, opens = found.end(), found[1] in b"[{"
            outside = depth if opens else depth - 1
            if depth == 0 and kept[begin : scanned - 1].strip(_BEFORE):
                break
            if depth == 0:
                list_depth, begin = 1 if found[1] == b"[" else 2, scanned
            elif outside == list_depth:  # an element begins or ends
                end = scanned - 1 if opens else scanned
                if text := kept[begin:end].strip(_BETWEEN):
                    yield name, text
                begin = end
            elif outside < list_depth:  # a list begins or ends
                if depth == list_depth and (text := kept[begin : scanned - 1].strip(_BETWEEN)):
                    yield name, text
                name, begin = _name_before(kept[begin:scanned]), scanned
            depth += 1 if opens else -1
            is_over = depth <= 0
        kept, scanned, begin = kept[begin:], scanned - begin, 0
        if len(kept) > ENTRY_BYTES:
            raise ArchiveError(f"{where}: has an entry of more than {ENTRY_BYTES:,} bytes; expected the entries of a history")
    if depth or not is_over or kept[scanned:].strip():
        raise ArchiveError(f"{where}: is no JSON, breaks off, or goes on after its end; fetch it again")


def page_entries(chunks: Iterable[bytes], where: str) -> Iterator[bytes]:
    """Each entry of a history's HTML page, from where it begins up to the next one; what stands before the first is none. Chunks may end anywhere.

    Raises ArchiveError, naming `where`, if an entry is longer than ENTRY_BYTES.
    """
    kept, is_entry = b"", False
    for chunk in chunks:
        *whole, kept = (kept + chunk).split(PAGE_ENTRY)
        for text in whole:
            if is_entry:
                yield PAGE_ENTRY + text
            is_entry = True
        if not is_entry:
            kept = kept[-len(PAGE_ENTRY) :]
        elif len(kept) > ENTRY_BYTES:
            raise ArchiveError(f"{where}: has an entry of more than {ENTRY_BYTES:,} bytes; expected the entries of a history")
    if is_entry:
        yield PAGE_ENTRY + kept


def entry_fields(entry: bytes, fields: type[Fields]) -> Fields:
    """The fields of an entry, what is no text in its texts replaced. Raises ValueError whose message is a reason for `rejects`."""
    try:
        return msgspec.json.decode(entry, type=fields)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return msgspec.json.decode(without_escaped_surrogates(entry.decode("utf-8", "replace").encode()), type=fields)
    except msgspec.ValidationError:
        raise ValueError("not an entry of a history") from None
    except (msgspec.DecodeError, RecursionError):
        raise ValueError("not json") from None


def _name_before(text: bytes) -> str | None:
    """The name that a JSON value has which begins where the text ends."""
    found = _NAME.search(text)
    return found[1].decode("utf-8", "replace") if found else None
