"""The units and histories for which items are judged, drawn from `examples` (edge).

People to train on, in the order of a hash of their ids, give some labelled units and some cuts each, these in the order of hashes too: the same ones each time, and more of them first those that fewer had.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds

from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES
from lake.judgements import history_query_id
from lake.labels import LEVELS, Level
from teacher.config import JudgeConfig
from teacher.judgements.prompts import Of

PEOPLE_AT_ONCE = 256
ENCODED_UNITS = 512
"""Newest units of a history that its vector may be made of."""


class Query(NamedTuple):
    """What items are judged for: a unit, or the `history` up to and with its last unit, oldest first; `labels` of its units by `unit_id`; and by level the item (id and words) that is `given`: the label of the
    unit, or of what the person did next."""

    query_id: str
    person_id: str
    of: Of
    history: Sequence[Mapping[str, Any]]
    labels: Mapping[str, Mapping[str, Any]]
    given: Mapping[Level, tuple[str, str]]


def drawn_queries(lake: LakeConfig, config: JudgeConfig, version: int) -> list[Query]:
    """As many units and histories as the settings say, or as there are."""
    left: dict[Of, int] = {"unit": config.units, "history": config.histories}
    found: list[Query] = []
    for example in _people(lake, version):
        if not any(left.values()):
            break
        of_kinds: dict[Of, Iterator[Query]] = {"unit": _units(example), "history": _histories(example)}
        for of, queries in of_kinds.items():
            taken = list(islice(queries, min(left[of], config.per_person)))
            left[of] -= len(taken)
            found += taken
    return found


def _people(lake: LakeConfig, version: int) -> Iterator[Mapping[str, Any]]:
    """Rows of labelled people to train on, in the order of hashes of their ids; those of PEOPLE_AT_ONCE in memory."""
    trained = ds.field("split") == "train"
    rows = arrow_tables.read(lake, EXAMPLES, ("person_id", "label_set"), trained, version).to_pylist()
    people = sorted((row["person_id"] for row in rows if row["label_set"]), key=_hash)
    for start in range(0, len(people), PEOPLE_AT_ONCE):
        some = people[start : start + PEOPLE_AT_ONCE]
        where = trained & ds.field("person_id").isin(pa.array(some, pa.string()))
        of_some = arrow_tables.read(lake, EXAMPLES, ("person_id", "history", "labelled", "cuts"), where, version)
        places = {person_id: place for place, person_id in enumerate(of_some["person_id"].to_pylist())}
        yield from (of_some.slice(places[person_id], 1).to_pylist()[0] for person_id in some)


def _units(example: Mapping[str, Any]) -> Iterator[Query]:
    """Labelled units of a person."""
    units, labels = {unit["unit_id"]: unit for unit in example["history"]}, _labels(example)
    for unit_id in sorted(labels.keys() & units.keys(), key=_hash):
        yield Query(unit_id, example["person_id"], "unit", [units[unit_id]], {unit_id: labels[unit_id]}, _items(labels[unit_id]))


def _histories(example: Mapping[str, Any]) -> Iterator[Query]:
    """Histories of a person up to the cuts that ask for labels."""
    labels = _labels(example)
    ends = {example["history"][cut["history_length"] - 1]["unit_id"]: cut for cut in example["cuts"] if cut["positives"]}
    for unit_id in sorted(ends, key=_hash):
        cut = ends[unit_id]
        next_unit = next((positive["unit_id"] for positive in cut["positives"] if positive["where"] == "after" and positive["unit_id"] in labels), None)
        history = example["history"][max(0, cut["history_length"] - ENCODED_UNITS) : cut["history_length"]]
        yield Query(history_query_id(unit_id), example["person_id"], "history", history, labels, _items(labels[next_unit]) if next_unit else {})


def _labels(example: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {label["unit_id"]: label for label in example["labelled"]}


def _items(label: Mapping[str, Any]) -> dict[Level, tuple[str, str]]:
    return {level: (label[f"{level}_item_id"], label[level]) for level in LEVELS}


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
