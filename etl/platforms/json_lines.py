"""Lines of JSON -> values, also where a line is not quite JSON: what every parser of such lines needs."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from etl.platforms.records import Refused
from etl.platforms.surrogates import without_surrogates

STRICTLY_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on a line that `lenient_json` may still read."""
_OBJECTS = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class JsonLine:
    """The object in a line, the line as it stood, its bytes, and what was odd about it."""

    row: dict[str, Any]
    raw: str
    bytes: int
    casts: tuple[str, ...] = ()

    def text(self, *names: str) -> str | None:
        """The first of these fields that holds a text that is not blank; None where none does."""
        return next((value for value in map(self.row.get, names) if isinstance(value, str) and value.strip()), None)


def json_objects(block: bytes) -> Iterator[JsonLine | Refused]:
    """The objects in a block of lines, in order, one for every line; what is none is refused."""
    for line in io.BytesIO(block):
        raw = line.decode("utf-8", "replace").rstrip("\r\n")
        try:
            yield JsonLine(_OBJECTS.decode(line), raw, len(line))
        except STRICTLY_REFUSED:
            yield _odd_object(line, raw)


def lenient_json(line: bytes) -> tuple[Any, list[str]]:
    """The line's JSON value with invalid bytes, raw control characters and lone surrogates replaced, and the names of these oddities. Raises ValueError."""
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
        value, replaced = _plain_values(value)
        oddities += ["line: lone surrogate"] * replaced
    return value, oddities


def _odd_object(line: bytes, raw: str) -> JsonLine | Refused:
    if not line.strip():
        return Refused("empty line", raw, bytes=len(line))
    try:
        value, oddities = lenient_json(line)
    except (ValueError, RecursionError):
        return Refused("not json", raw, bytes=len(line))
    if not isinstance(value, dict):
        return Refused("not an object", raw, bytes=len(line))
    return JsonLine(value, raw, len(line), tuple(oddities))


def _plain_values(row: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    clean = {name: without_surrogates(value) if isinstance(value, str) else value for name, value in row.items()}
    return clean, clean != row
