"""Reddit's ids: base-36 numbers with a prefix for the kind of thing; bare strings and base-10 integers occur, too."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.platforms.reddit.records import NativeId

COMMENT, SUBMISSION = "t1_", "t3_"
THREADS_PER_GROUP = 10_000_000
NO_THREAD = "none"

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


def full_ids(values: Sequence[NativeId], prefix: str) -> pa.Array:
    """Ids with their prefix, from prefixed or bare strings or base-10 integers; null where there is none. Shape: (rows,)."""
    texts = _all_strings(values)
    if texts is None:
        return pa.array([_full_id(value, prefix) for value in values], pa.string())
    has_prefix = pc.starts_with(texts, prefix)
    if pc.all(has_prefix).as_py():
        return texts
    full = pc.if_else(has_prefix, texts, pc.binary_join_element_wise(prefix, texts, ""))
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), full)


def parent_ids(values: Sequence[NativeId], links: pa.Array) -> pa.Array:
    """Full ids of parents: null is the link; one without a prefix is the link where it equals the link's, else a comment. Shape: (rows,)."""
    texts = _all_strings(values)
    if texts is not None and not texts.null_count and pc.all(_has_any_prefix(texts)).as_py():
        return texts
    return pa.array([_parent_id(value, link) for value, link in zip(values, links.to_pylist(), strict=True)], pa.string())


def count_id_casts(values: Sequence[NativeId], name: str, prefixed: bool, casts: Counter[str]) -> None:
    """Count ids that are integers and, where they should have a prefix, those that have none or are null."""
    found = Counter(map(type, values))
    counts = {"integer": found[int]}
    if prefixed:
        strings = pa.array([value for value in values if type(value) is str] if len(found) > 1 else values, pa.string()) if found[str] else None
        without = 0 if strings is None else len(strings) - pc.sum(_has_any_prefix(strings)).as_py()
        counts |= {"null": found[type(None)], "no prefix": without}
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
    """The partition of each thread, worked out once per distinct one."""
    distinct = links.dictionary_encode(null_encoding="encode")
    return pa.array([thread_group(link) for link in distinct.dictionary.to_pylist()], pa.string()).take(distinct.indices)


def _all_strings(values: Sequence[NativeId]) -> pa.Array | None:
    """The values where all are strings or null, as they are in almost every block; else None."""
    return pa.array(values, pa.string()) if set(map(type, values)) <= {str, type(None)} else None


def _has_any_prefix(texts: pa.Array) -> pa.Array:
    return pc.or_(pc.starts_with(texts, COMMENT), pc.starts_with(texts, SUBMISSION))


def _parent_id(value: NativeId, link: str | None) -> str | None:
    if value is None or value == "":
        return link
    if isinstance(value, str) and value[:3] in (COMMENT, SUBMISSION):
        return value
    as_link = _full_id(value, SUBMISSION)
    return as_link if as_link == link else _full_id(value, COMMENT)


def _full_id(value: NativeId, prefix: str) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, int):
        return prefix + base36(value)
    return value if value.startswith(prefix) else prefix + value
