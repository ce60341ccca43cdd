"""Writes Hacker News dumps of any size: items of the API as zstd, an export of BigQuery as JSON and as Parquet; threads run across all three."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

OPTIONS: dict[str, Any] = {}
THREAD_ITEMS = 20
PEOPLE_SHARE = 30
FIRST_TIME = 1_160_418_111
ROWS_AT_ONCE = 50_000
SCHEMA = pa.schema(
    {name: pa.string() for name in ("title", "url", "text", "by", "type")}
    | {name: pa.int64() for name in ("score", "time", "id", "parent", "descendants", "ranking")}
    | {"dead": pa.bool_(), "deleted": pa.bool_(), "timestamp": pa.timestamp("us", "UTC")}
)


def write_dump(folder: Path, records: int, bad: int = 0) -> None:
    """Write so many items below a folder, `bad` of which are damaged: a line that breaks off, a row without a number."""
    numbers = iter(range(records))
    every = records // bad if bad else records + 1
    api, lines = records // 2, records // 4
    with zstandard.open(folder / "items.jsonl.zst", "wt", encoding="utf-8") as file:
        file.writelines(_line(item(number), _is_bad(number, every, bad)) for number in islice(numbers, api))
    with open(folder / "bq-000000000000.json", "w", encoding="utf-8") as file:
        file.writelines(_line(_as_exported(item(number)), _is_bad(number, every, bad)) for number in islice(numbers, lines))
    with pq.ParquetWriter(folder / "bq-000000000000.parquet", SCHEMA) as file:
        while some := list(islice(numbers, ROWS_AT_ONCE)):
            file.write_table(pa.Table.from_pylist([_row(item(number), _is_bad(number, every, bad)) for number in some], schema=SCHEMA))


def write_texts(folder: Path, texts: Sequence[str]) -> None:
    """A comment of each text."""
    comments = ({"by": "ada", "id": 1_000_000 + number, "time": FIRST_TIME, "text": escape(text), "type": "comment"} for number, text in enumerate(texts))
    (folder / "texts.jsonl").write_text("".join(json.dumps(comment) + "\n" for comment in comments))


def item(number: int) -> dict[str, Any]:
    """An item as the API has it: each twentieth is a story, the others answer one of the last items of its thread, one in a hundred is deleted."""
    place = number % THREAD_ITEMS
    own: dict[str, Any] = {"by": f"person_{number * 7919 % (number // PEOPLE_SHARE + 50)}", "id": number + 1, "time": FIRST_TIME + number * 60}
    if place == 0:
        return own | {
            "title": f"Story {number} on kettles &amp; pots",
            "url": f"https://example.org/{number}",
            "score": number % 400,
            "descendants": 19,
            "type": "story",
        }
    above = number + 1 - 1 - (number % 3) % place
    if number % 100 == 99:
        return {"deleted": True, "id": own["id"], "parent": above, "time": own["time"], "type": "comment"}
    text = (
        f'I don&#x27;t think that kettle {number} boils.<p>It is <i>slow</i>, see <a href="https:&#x2F;&#x2F;example.org" rel="nofollow">this</a>. '
        + "Words. " * (number % 40)
    )
    return own | {"parent": above, "text": text, "type": "comment"}


def _is_bad(number: int, every: int, bad: int) -> bool:
    return number % every == every - 1 and number // every < bad


def _line(fields: dict[str, Any], is_bad: bool) -> str:
    line = json.dumps(fields, separators=(",", ":"))
    return (line[:-9] if is_bad else line) + "\n"


def _as_exported(fields: dict[str, Any]) -> dict[str, Any]:
    """As BigQuery writes JSON: whole numbers as strings."""
    return {name: str(value) if type(value) is int else value for name, value in fields.items()}


def _row(fields: dict[str, Any], is_bad: bool) -> dict[str, Any]:
    return fields | {"timestamp": datetime.fromtimestamp(fields["time"], UTC)} | ({"id": None} if is_bad else {})
