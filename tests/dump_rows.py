"""What the writers of big dumps share: words that cost nothing to make, and which records are damaged."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import zstandard

ACCOUNTS = 5000
_SENTENCES = 1000
_WORDS = ("tea", "kettle", "garden", "violin", "harbour", "lantern", "pepper", "marble", "saddle", "window", "thunder", "paper", "copper", "meadow")


def words(number: int, count: int = 16) -> str:
    """So many words, and the number, so that no two texts are the same."""
    return f"{_sentence(number % _SENTENCES, count)} {number}"


def account(number: int) -> str:
    """The account of a record: one of ACCOUNTS names that no text and no id has in it."""
    return f"Zq_account_{number * 31 % ACCOUNTS}"


def is_bad(number: int, records: int, bad: int) -> bool:
    """Whether the record of a number (from 0) is one of the `bad` ones, which lie evenly among the records."""
    return (number + 1) * bad // records > number * bad // records


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines as they come, compressed by zstd where the suffix says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw:
        stream = zstandard.ZstdCompressor().stream_writer(raw, closefd=False) if path.suffix == ".zst" else raw
        for line in lines:
            stream.write(line.encode() + b"\n")
        if stream is not raw:
            stream.close()


@lru_cache(None)
def _sentence(number: int, count: int) -> str:
    return " ".join(_WORDS[(number * 7 + place * (number % 13 + 1)) % len(_WORDS)] for place in range(count))
