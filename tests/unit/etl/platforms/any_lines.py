"""Strategies for whatever may stand in a dump: lines of bytes, of JSON of any shape, and of rows whose fields have any value."""

import json
from typing import Any

import msgspec
from hypothesis import strategies as st

from etl.platforms.reddit.records import RECORDS
from tests.unit.etl.platforms.reddit_rows import comment, submission

TIMES = [1_251_763_200, "1251763200", 1_251_763_200.5, -5, 0, 1_251_763_200_000, 10**400, 2**63, "1_0", "nan", "1e400", float("nan"), float("inf")]
WORDS = [
    "",
    " ",
    "[deleted]",
    "[removed]",
    "\0",
    "\ud800",
    "&#0;",
    "&amp;lt;",
    "&#" + "9" * 5000 + ";",
    "u_",
    "u_Ada",
    "t1_",
    "t3_abc",
    "c1",
    "\u2028",
    "é" * 40,
]
# What json.dumps does not write: numbers out of range, endless ones, nesting deeper than any parser follows, values that break off.
FRAGMENTS = ["1e400", "9" * 5000, "-", "NaN", "-Infinity", "01", "[" * 50_000 + "]" * 50_000, '{"a":' * 50_000, '"\\ud800"', '"cut', "tru", '"\\u00', '"a\tb"']
PIECES = ["{", "}", "[", "]", ":", ",", "{}", '{"id":', '"id"', '"body"', "null", "1", " ", "\r", "\0", "\u2028", "\x85", "\x0b", "\ufeff"]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(TIMES + WORDS)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "was_deleted_later", "removal_type"]), inner), max_leaves=6
)
fragments = values.map(json.dumps) | values.map(lambda value: json.dumps(value, ensure_ascii=False)) | st.sampled_from(FRAGMENTS)


def rows(kind: str) -> st.SearchStrategy[bytes]:
    """Rows of a kind in which some fields have any value; a field may stand there twice."""
    names = [field.encode_name for field in msgspec.structs.fields(RECORDS[kind])]
    usual = comment() if kind == "comments" else submission()
    return st.lists(st.tuples(st.sampled_from([*names, "another"]), fragments), max_size=4).map(lambda odd: _row(usual, odd))


def _row(usual: dict[str, Any], odd: list[tuple[str, str]]) -> bytes:
    members = [(name, json.dumps(value)) for name, value in usual.items()] + odd
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in members) + "}").encode("utf-8", "surrogatepass")


def contents(kind: str) -> st.SearchStrategy[bytes]:
    """What a file may hold: some lines of each sort, with or without a byte order mark and a last line end."""
    bytes_of_any_sort = st.binary(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=6).map(lambda pieces: "".join(pieces).encode())
    lines = rows(kind) | rows(kind) | fragments.map(lambda fragment: fragment.encode("utf-8", "surrogatepass")) | bytes_of_any_sort
    line_ends = st.sampled_from([b"\n", b"\n", b"\r\n", b"\n\n"])
    bodies = st.lists(st.tuples(lines, line_ends), max_size=8).map(lambda pairs: b"".join(line + end for line, end in pairs))
    return st.builds(lambda mark, body, rest: mark + body + rest, st.sampled_from([b"", b"", b"\xef\xbb\xbf"]), bodies, st.just(b"") | lines)
