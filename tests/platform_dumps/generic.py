"""Tables of a shop for the platform that settings describe: products in CSV, reviews in JSON lines, searches in Parquet."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.dump_rows import account, is_bad, words, write_lines

OPTIONS: dict[str, Any] = {
    "name": "teashop",
    "sources": [
        {"files": "*notes*.csv", "action": "note", "columns": {"user": "who", "time": "at", "text": "words", "id": "no", "community": "shelf"}},
        {
            "files": "*reviews*.jsonl.zst", "action": "review", "time_format": "seconds", "attributes": ["stars"],
            "columns": {"user": "customer.name", "time": "at", "title": "head", "text": "body", "id": "no"},
            "context": {"title": "product.name", "id": "product.no"},
        },
        {"files": "*searches*.parquet", "action": "search", "columns": {"user": "who", "time": "at", "text": "query", "id": "no", "session": "sitting"}},
    ],
}  # fmt: skip
_FIRST_SECOND = 1_600_000_000
_ROWS_AT_ONCE = 50_000


def write_dump(folder: Path, records: int, bad: int = 0) -> None:
    """Half of the records notes, of which the bad ones lack a cell, a quarter searches, a quarter reviews of products; a product is a record, too."""
    searches, reviews = records // 4, records // 4
    notes = records - searches - reviews
    _write_notes(folder / "notes.csv", notes, bad)
    _write_searches(folder / "searches.parquet", searches)
    write_lines(folder / "reviews.jsonl.zst", map(json.dumps, _reviews(reviews)))


def write_texts(folder: Path, texts: Sequence[str]) -> None:
    """A note and a review of each text, and of those that UTF-8 can hold, a search."""
    write_lines(folder / "other-reviews.jsonl.zst", (json.dumps(_review(number, number) | {"body": text}) for number, text in enumerate(texts)))
    plain = [text for text in texts if text == text.encode("utf-8", "replace").decode()]
    with (folder / "other-notes.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(_note(0))
        rows.writerows((f"x{number}", account(number), "2021-05-01", "top", text) for number, text in enumerate(plain))
    columns = {"who": account(0), "at": "2021-05-01", "sitting": "1"}
    pq.write_table(
        pa.Table.from_pylist([columns | {"no": f"y{number}", "query": text} for number, text in enumerate(plain)]), folder / "other-searches.parquet"
    )


def _write_notes(path: Path, count: int, bad: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(_note(0))
        for number in range(count):
            row = _note(number + 1)
            rows.writerow(row[:-1] if is_bad(number, count, bad) else row)


def _note(number: int) -> tuple[str, ...]:
    """The header, if the number is 0."""
    if not number:
        return ("no", "who", "at", "shelf", "words")
    return (f"n{number}", account(number), f"2021-05-{number % 28 + 1:02d}T12:00:{number % 60:02d}Z", "top", f"{words(number, 8)},\nin two lines")


def _write_searches(path: Path, count: int) -> None:
    schema = pa.schema({"no": pa.string(), "who": pa.string(), "at": pa.timestamp("ms"), "query": pa.string(), "sitting": pa.string()})
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, max(count, 1), _ROWS_AT_ONCE):
            numbers = range(start, min(start + _ROWS_AT_ONCE, count))
            rows = {
                "no": [f"s{number}" for number in numbers], "who": [account(number // 5) for number in numbers],
                "at": [(_FIRST_SECOND + number) * 1000 for number in numbers], "query": [words(number, 3) for number in numbers],
                "sitting": [str(number // 5) for number in numbers],
            }  # fmt: skip
            writer.write_table(pa.table(rows, schema=schema))


def _reviews(records: int) -> Iterator[dict[str, Any]]:
    """Reviews that give so many records together with their products, of which a new one comes with every eighth review."""
    left, number = records, 0
    while left:
        product = number // 8 if left > 1 or number % 8 else number // 8 - 1
        yield _review(number, product)
        left -= 2 if number % 8 == 0 and product == number // 8 else 1
        number += 1


def _review(number: int, product: int) -> dict[str, Any]:
    return {
        "no": f"r{number}", "customer": {"name": account(number)}, "at": _FIRST_SECOND + number, "head": words(number, 4), "body": words(number),
        "stars": number % 5, "product": {"no": f"p{product}", "name": words(product, 3)},
    }  # fmt: skip
