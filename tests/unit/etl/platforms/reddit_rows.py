"""Rows of Reddit's dumps for tests: factories that fill in what a test does not care about, and a parse of them."""

import json
from datetime import UTC, datetime
from typing import Any

from etl.platforms import InputFile, ParsedBatch, ParseSettings
from etl.platforms.reddit import parse_block

KEY = b"k" * 32
SETTINGS = ParseSettings(KEY, rejected_at=datetime(2026, 1, 1, tzinfo=UTC))


def comment(**fields: Any) -> dict[str, Any]:
    """A row of RC_*; a field given as ... is left out."""
    row = {"id": "c1", "author": "Ada", "created_utc": 1_251_763_200, "body": "words", "link_id": "t3_abc", "parent_id": "t3_abc", "subreddit": "tea"} | fields
    return {name: value for name, value in row.items() if value is not ...}


def submission(**fields: Any) -> dict[str, Any]:
    """A row of RS_*; a field given as ... is left out."""
    row = {"id": "abc", "author": "Ada", "created_utc": 1_251_763_200, "title": "a title", "selftext": "", "url": "http://example.com/", "subreddit": "tea"}
    return {name: value for name, value in (row | fields).items() if value is not ...}


def parse_lines(*lines: dict[str, Any] | bytes, kind: str = "comments", settings: ParseSettings = SETTINGS) -> ParsedBatch:
    """The batch of these lines: rows, or bytes as they stand."""
    block = b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)
    file = InputFile("", "RC_test", kind, len(block))
    batch = parse_block(block, file, 1, settings)
    assert batch.lines == batch.acts.num_rows + batch.rejects.num_rows
    return batch


def one_act(line: dict[str, Any] | bytes, kind: str = "comments", settings: ParseSettings = SETTINGS) -> dict[str, Any]:
    """The act that a line gives, its attributes as a dict."""
    (act,) = parse_lines(line, kind=kind, settings=settings).acts.to_pylist(maps_as_pydicts="strict")
    return act
