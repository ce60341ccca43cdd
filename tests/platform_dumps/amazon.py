"""Files of Amazon Reviews 2023: a category's reviews and its products, with all fields of the data set's card."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.dump_rows import account, is_bad, words, write_lines

OPTIONS: dict[str, Any] = {}
_FIRST_MILLISECOND = 1_588_000_000_000
_OF_PRODUCT = 10
"""A product and nine reviews of it."""


def write_dump(folder: Path, records: int, bad: int = 0) -> None:
    """A category in which one record in ten is a product; bad ones break off."""
    products = (_line(_product(number), number, records, bad) for number in range(0, records, _OF_PRODUCT))
    write_lines(folder / "meta_All_Beauty.jsonl", products)
    reviews = (_line(_review(number), number, records, bad) for number in range(records) if number % _OF_PRODUCT)
    write_lines(folder / "All_Beauty.jsonl.zst", reviews)


def write_texts(folder: Path, texts: Sequence[str]) -> None:
    """A review of each text, of a product that has it as its description."""
    products = (json.dumps(_product(number * _OF_PRODUCT) | {"description": [text]}) for number, text in enumerate(texts))
    reviews = (json.dumps(_review(number * _OF_PRODUCT + 1) | {"title": text, "text": text}) for number, text in enumerate(texts))
    write_lines(folder / "meta_Gift_Cards.jsonl", products)
    write_lines(folder / "Gift_Cards.jsonl.zst", reviews)


def _line(row: dict[str, Any], number: int, records: int, bad: int) -> str:
    line = json.dumps(row)
    return line[:-1] if is_bad(number, records, bad) else line


def _asin(number: int) -> str:
    return f"B{number // _OF_PRODUCT:09d}"


def _review(number: int) -> dict[str, Any]:
    return {
        "rating": float(number % 5 + 1), "title": words(number, 4), "text": words(number), "images": [], "asin": _asin(number), "parent_asin": _asin(number),
        "user_id": account(number), "timestamp": _FIRST_MILLISECOND + number, "helpful_vote": number % 7, "verified_purchase": number % 2 == 0,
    }  # fmt: skip


def _product(number: int) -> dict[str, Any]:
    return {
        "main_category": "All Beauty", "title": words(number, 5), "average_rating": 4.5, "rating_number": number % 100, "features": [words(number, 6)],
        "description": [words(number, 20)], "price": 9.99, "images": [{"large": "https://example.org/a.jpg"}], "videos": [], "store": "Teapot",
        "categories": ["Beauty"], "details": {"Brand": "Teapot"}, "parent_asin": _asin(number), "bought_together": None,
    }  # fmt: skip
