"""What people wrote, made fit to keep: unescaped once, without NUL; and the marks that stand where words were taken away."""

from collections import Counter
from collections.abc import Sequence
from html import unescape
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from etl.platforms.columns import each_distinct

State = Literal["kept", "deleted", "removed"]

_MARKS: dict[str, State] = {
    "[deleted]": "deleted",
    "[deleted by user]": "deleted",
    "[removed]": "removed",
    "[removed by reddit]": "removed",
    "[ removed by reddit ]": "removed",
    "[ removed by moderator ]": "removed",
}
_LONGEST_MARK = max(map(len, _MARKS)) + 2
_BY_THE_USER = ("deleted", "author")


def cleaned(texts: Sequence[str | None], name: str, casts: Counter[str]) -> list[str | None]:
    """Texts unescaped once and without NUL characters, which are counted; empty ones are None."""
    return [_clean(text, name, casts) if text and ("&" in text or "\0" in text) else text or None for text in texts]


def mark_of(text: str | None) -> State:
    """What a text says became of the words that stood there: 'kept' unless it is a mark of deletion or removal."""
    if not text or text[0] != "[" or len(text) > _LONGEST_MARK:
        return "kept"
    return _MARKS.get(text.strip().lower(), "kept")


def marks_of(texts: pa.Array) -> pa.Array:
    """`mark_of` of each text. Shape: (rows,), of strings."""
    return each_distinct(pc.if_else(pc.starts_with(texts, "["), texts, None), mark_of)


def taken_away(was_deleted_later: bool | None, removal_type: str | None, removed_by: str | None) -> State:
    """What the archive itself says became of an act whose words it still holds.

    `removed_by` is a submission's `removed_by_category`; words deleted by their author can be told from those removed by others.
    """
    if was_deleted_later or removal_type:
        return "removed" if removal_type and removal_type.lower().startswith("removed") else "deleted"
    if removed_by:
        return "deleted" if removed_by in _BY_THE_USER else "removed"
    return "kept"


def _clean(text: str, name: str, casts: Counter[str]) -> str | None:
    try:
        plain = unescape(text)
    except ValueError:  # of a reference with more than 4,300 digits
        casts[f"{name}: endless character reference"] += 1
        plain = text
    if "\0" in plain:
        casts[f"{name}: NUL character"] += 1
        plain = plain.replace("\0", "")
    return plain or None
