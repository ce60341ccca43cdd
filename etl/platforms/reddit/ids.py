"""Reddit's ids: base-36 numbers with a prefix for the kind of thing; bare strings and base-10 integers occur, too."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.platforms.columns import each_distinct
from etl.platforms.reddit.records import NativeId

COMMENT, SUBMISSION = "t1_", "t3_"
THREADS_PER_GROUP = 10_000_000
NO_THREAD = "none"
Ids: TypeAlias = pa.Array | Sequence[NativeId]

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_UNIT_ID = r"^reddit:t[13]_[0-9A-Za-z_-]{1,32}$"
_BASE_36 = re.compile(r"[0-9a-z]{1,8}")


def base36(number: int) -> str:
    """A number in Reddit's digits."""
    if number < 0:
        return f"-{base36(-number)}"
    digits = ""
    while number >= 36:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return _DIGITS[number] + digits


def as_ids(values: Sequence[NativeId]) -> Ids:
    """The values in Arrow where all are strings or null, as they are in almost every block; else as they are."""
    return pa.array(values, pa.string()) if set(map(type, values)) <= {str, type(None)} else values


def full_ids(ids: Ids, prefix: str) -> pa.Array:
    """Ids with their prefix, from prefixed or bare strings or base-10 integers; null where there is none. Shape: (rows,)."""
    if not isinstance(ids, pa.Array):
        return pa.array([_full_id(value, prefix) for value in ids], pa.string())
    has_prefix = pc.starts_with(ids, prefix)
    if pc.all(has_prefix).as_py():
        return ids
    full = pc.if_else(has_prefix, ids, pc.binary_join_element_wise(prefix, ids, ""))
    return pc.if_else(pc.equal(ids, ""), None, full)


def parent_ids(ids: Ids, links: pa.Array) -> pa.Array:
    """Full ids of parents: null is the link; one without a prefix is the link where it equals the link's, else a comment. Shape: (rows,)."""
    if isinstance(ids, pa.Array):
        if not ids.null_count and pc.all(_has_any_prefix(ids)).as_py():
            return ids
        ids = ids.to_pylist()
    return pa.array([parent_id(value, link) for value, link in zip(ids, links.to_pylist(), strict=True)], pa.string())


def count_id_casts(ids: Ids, name: str, prefixed: bool, casts: Counter[str]) -> None:
    """Count ids that are integers and, where they should have a prefix, those that have none or are null."""
    integers = 0 if isinstance(ids, pa.Array) else sum(type(value) is int for value in ids)
    counts = {"integer": integers}
    if prefixed:
        texts = ids if isinstance(ids, pa.Array) else pa.array([None if type(value) is int else value for value in ids], pa.string())
        without_prefix = pc.sum(pc.invert(_has_any_prefix(texts))).as_py() or 0
        counts |= {"null": texts.null_count - integers, "no prefix": without_prefix}
    casts.update({f"{name}: {kind}": count for kind, count in counts.items() if count})


def are_ids(unit_ids: pa.Array) -> np.ndarray:
    """Whether each 'reddit:t1_...' is one that we take: there, short, and of no characters that mean something elsewhere. Shape: (rows,)."""
    return pc.match_substring_regex(unit_ids, _UNIT_ID).fill_null(False).to_numpy(zero_copy_only=False)


def thread_group(link: str | None) -> str:
    """The partition of a thread: its number // 10,000,000. Ids that are no such number share 16 groups by their hash."""
    if link is None:
        return NO_THREAD
    bare = link[3:]
    if _BASE_36.fullmatch(bare):
        return str(int(bare, 36) // THREADS_PER_GROUP)
    return f"other-{hashlib.sha256(bare.encode()).hexdigest()[0]}"


def thread_groups(links: pa.Array) -> pa.Array:
    """The partition of each thread. Shape: (rows,)."""
    return each_distinct(links, thread_group)


def parent_id(value: NativeId, link: str | None) -> str | None:
    """The full id of one parent, as `parent_ids` makes it."""
    if value is None or value == "":
        return link
    if isinstance(value, str) and value[:3] in (COMMENT, SUBMISSION):
        return value
    as_link = _full_id(value, SUBMISSION)
    return as_link if as_link == link else _full_id(value, COMMENT)


def _has_any_prefix(texts: pa.Array) -> pa.Array:
    return pc.or_(pc.starts_with(texts, COMMENT), pc.starts_with(texts, SUBMISSION))


def _full_id(value: NativeId, prefix: str) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, int):
        return prefix + base36(value)
    return value if value.startswith(prefix) else prefix + value
