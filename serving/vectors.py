"""Chunks of histories -> what is encoded, and what is written beside each vector. Pure."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from lake.rendering import QueryFormat, has_line, with_label

MAX_COMMUNITIES = 20
Unit = Mapping[str, Any]
Labels = Mapping[str, Mapping[str, Any]]
"""`specific` and `broad` of a person's labelled units, by `unit_id`."""
NO_LABELS: Labels = {}


class History(Sequence):
    """One person's units, oldest first, made into Python only when asked for: `reversed` opens the newest chunks alone."""

    def __init__(self, chunks: Sequence[pa.ListScalar], labels: Labels = NO_LABELS) -> None:
        """Chunks are lists of unit structs, oldest first; units with labels have them in them."""
        self._chunks, self._labels = [chunk.values for chunk in chunks], labels

    def __len__(self) -> int:
        return sum(len(chunk) for chunk in self._chunks)

    def __reversed__(self) -> Iterator[Unit]:
        for chunk in reversed(self._chunks):
            yield from self._labelled(reversed(chunk.to_pylist()))

    def __getitem__(self, position: Any) -> Any:
        return list(self._labelled(unit for chunk in self._chunks for unit in chunk.to_pylist()))[position]

    def _labelled(self, units: Iterable[Unit]) -> Iterator[Unit]:
        return (with_label(unit, self._labels) for unit in units) if self._labels else iter(units)

    def newest(self, count: int, query_format: QueryFormat = "units") -> list[Unit]:
        """The newest units that have a line in a format, newest first."""
        return list(islice((unit for unit in reversed(self) if has_line(unit, query_format)), count))

    def communities(self) -> list[str]:
        """The most frequent communities of the whole history, at most 20, most frequent first; ties by name."""
        counted = Counter(name for chunk in self._chunks for name in pc.struct_field(chunk, "community").to_pylist() if name)
        return [name for name, _ in sorted(counted.items(), key=lambda entry: (-entry[1], entry[0]))[:MAX_COMMUNITIES]]


@dataclass(frozen=True)
class Person:
    """One person of `sequences`, the chunks joined."""

    person_id: str
    history: History
    user_ids: list[str]
    last_at: datetime


def labels_by_person(labels: pa.Table) -> dict[str, Labels]:
    """Rows of `person_labels` (columns person_id, unit_id, specific, broad) by person."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in labels.to_pylist():
        found.setdefault(row["person_id"], {})[row["unit_id"]] = row
    return dict(found)


def persons(chunks: pa.Table, labels: Mapping[str, Labels] = NO_LABELS) -> Iterator[Person]:
    """The people of a bucket's chunks (columns person_id, chunk, units, user_ids, last_at), by `person_id`, with the labels that theirs are.

    The units stay where they are: only keys are sorted, so that a bucket needs no more memory than its rows.
    """
    order = pc.sort_indices(chunks.select(["person_id", "chunk"]), sort_keys=[("person_id", "ascending"), ("chunk", "ascending")]).to_pylist()
    owners = chunks["person_id"].to_pylist()
    for person_id, group in groupby(order, key=owners.__getitem__):
        rows = list(group)
        accounts = {account for row in rows for account in chunks["user_ids"][row].as_py()}
        history = History([chunks["units"][row] for row in rows], labels.get(person_id, NO_LABELS))
        yield Person(person_id, history, sorted(accounts), max(chunks["last_at"][row].as_py() for row in rows))


def describe_person(person: Person, text: str, encoded_units: int, query_format: QueryFormat = "units") -> dict[str, Any]:
    """What a row of `user_vectors` says of a person, the vector and its version aside."""
    platforms = {unit["platform"] for unit in person.history.newest(encoded_units, query_format)}
    return {
        "person_id": person.person_id,
        "platforms": sorted(platforms),
        "communities": person.history.communities(),
        "unit_count": len(person.history),
        "encoded_units": encoded_units,
        "user_ids": person.user_ids,
        "last_at": person.last_at,
        "history_hash": hashlib.sha256(text.encode()).hexdigest(),
    }


def what_to_do(written: Mapping[str, Any] | None, wanted: Mapping[str, Any], encoded: Sequence[str]) -> Literal["keep", "redescribe", "encode"]:
    """What becomes of a row: its vector is made where there is none or a column that it was made from (`encoded`) differs."""
    if written is None or any(written[column] != wanted[column] for column in encoded):
        return "encode"
    return "keep" if all(written[column] == value for column, value in wanted.items()) else "redescribe"
