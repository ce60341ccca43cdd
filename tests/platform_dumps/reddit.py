"""Dumps of Reddit, RC_* and RS_*, with the fields that its parser reads."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.dump_rows import account, is_bad, words, write_lines

OPTIONS: dict[str, Any] = {}
_FIRST_SECOND = 1_262_304_000
_THREAD_OF = 10
"""A post and nine comments."""


def write_dump(folder: Path, records: int, bad: int = 0) -> None:
    """A month of posts and comments, threads of ten in a row; bad ones break off."""
    write_lines(folder / "RS_2010-01.zst", (_line(number, records, bad) for number in range(0, records, _THREAD_OF)))
    write_lines(folder / "RC_2010-01.zst", (_line(number, records, bad) for number in range(records) if number % _THREAD_OF))


def write_texts(folder: Path, texts: Sequence[str]) -> None:
    """A comment of each text, and a post with it as its title."""
    posts = (json.dumps(_row(number * _THREAD_OF) | {"title": text}) for number, text in enumerate(texts))
    comments = (json.dumps(_row(number * _THREAD_OF + 1) | {"body": text}) for number, text in enumerate(texts))
    write_lines(folder / "RS_2010-02.zst", posts)
    write_lines(folder / "RC_2010-02.zst", comments)


def _line(number: int, records: int, bad: int) -> str:
    line = json.dumps(_row(number))
    return line[:-1] if is_bad(number, records, bad) else line


def _row(number: int) -> dict[str, Any]:
    row = {
        "id": f"a{number:x}", "author": account(number), "created_utc": _FIRST_SECOND + number, "subreddit": "tea", "score": number % 50,
        "retrieved_on": 1_300_000_000, "edited": False, "distinguished": None,
    }  # fmt: skip
    thread = f"t3_a{number - number % _THREAD_OF:x}"
    if number % _THREAD_OF == 0:
        return row | {"title": words(number, 6), "selftext": words(number), "is_self": True, "over_18": False, "url": "https://example.org/"}
    return row | {"link_id": thread, "parent_id": thread if number % 2 else f"t1_a{number - 1:x}", "body": words(number)}
