"""Filter expressions of Milvus with our own quoting. pymilvus pastes ids into expressions unescaped; nothing here does. Pure."""

import json
from collections.abc import Iterable

from conf.errors import VectorStoreError


def quoted(value: str) -> str:
    """A string as a literal of a filter. Raises VectorStoreError on control characters, which no id, level or community holds."""
    if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in value):
        raise VectorStoreError(f"cannot look for {value[:80]!r}: it holds a control character")
    return json.dumps(value, ensure_ascii=False)


def equals(field: str, value: str) -> str:
    """Rows whose field has the value."""
    return f"{field} == {quoted(value)}"


def differs(field: str, value: str) -> str:
    """Rows whose field has another value."""
    return f"{field} != {quoted(value)}"


def one_of(field: str, values: Iterable[str]) -> str:
    """Rows whose field has one of the values."""
    return f"{field} in [{', '.join(quoted(value) for value in values)}]"


def contains_one_of(field: str, values: Iterable[str]) -> str:
    """Rows whose array holds one of the values."""
    return f"array_contains_any({field}, [{', '.join(quoted(value) for value in values)}])"


def contains(field: str, value: str) -> str:
    """Rows whose array holds the value."""
    return f"array_contains({field}, {quoted(value)})"


def contains_any(field: str, values: Iterable[str]) -> str:
    """Rows whose array holds one of the values; all where there are none."""
    return " or ".join(contains(field, value) for value in values)


def at_least(field: str, number: int) -> str:
    """Rows whose field is as great or greater."""
    return f"{field} >= {number}"


def all_of(*conditions: str) -> str:
    """Rows that all conditions let through; an empty one lets all."""
    return " and ".join(f"({condition})" for condition in conditions if condition)
