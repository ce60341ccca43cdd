"""Units -> the contents to label, and the batches that they are labelled in. Pure."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc


class ContentBatch(NamedTuple):
    """Contents that are labelled and committed together, each with the unit that is shown for it. `batch_id` is a hash of them and of the teacher."""

    batch_id: str
    units: dict[str, Mapping[str, Any]]


def contents_of(units: pa.Table) -> pa.Table:
    """Units (unit_id, user_id, unit_hash, duplicate_group) with their `content`: the unit_hash that a label belongs to."""
    content = pc.coalesce(units["duplicate_group"], units["unit_hash"])
    return units.append_column("content", content)


def with_persons(units: pa.Table, identities: Mapping[str, str]) -> pa.Table:
    """The units with `person_id`: the `user_id` unless `identities` joins accounts."""
    user_ids = units["user_id"].combine_chunks().dictionary_encode()
    persons = pa.array([identities.get(user_id, user_id) for user_id in user_ids.dictionary.to_pylist()], pa.string())
    return units.append_column("person_id", persons.take(user_ids.indices))


def units_of_people(units: pa.Table) -> pa.Table:
    """How many units each person has: `person_id` and `units`."""
    counts = units.group_by("person_id", use_threads=False).aggregate([("unit_id", "count")])
    return pa.table({"person_id": counts["person_id"], "units": counts["unit_id_count"]})


def whole_people(counts: pa.Table, max_units: int, min_units: int) -> pa.Array:
    """Whole people (`person_id`, `units`; in several rows, where their units lie apart), in the order of a hash of `person_id`, until the next one's units would pass
    `max_units`; one person at least. People with fewer than `min_units` units are passed over."""
    counts = counts.group_by("person_id").aggregate([("units", "sum")])
    people = sorted(
        (hashlib.sha256(person_id.encode()).hexdigest(), person_id, count)
        for person_id, count in zip(counts["person_id"].to_pylist(), counts["units_sum"].to_pylist(), strict=True)
        if count >= min_units
    )
    chosen: list[str] = []
    total = 0
    for _, person_id, count in people:
        if chosen and total + count > max_units:
            break
        chosen.append(person_id)
        total += count
    return pa.array(chosen, pa.string())


def one_unit_a_content(units: pa.Table) -> pa.Table:
    """Of each `content` the unit that is shown for it, with both columns: the one whose own hash stands for the group, else the first by `unit_id`."""
    stands_for_itself = pc.equal(units["unit_hash"], units["content"])
    ordered = units.append_column("rank", pc.if_else(stands_for_itself, 0, 1)).sort_by(
        [("content", "ascending"), ("rank", "ascending"), ("unit_id", "ascending")]
    )
    shown = ordered.group_by("content", use_threads=False).aggregate([("unit_id", "first")])
    return pa.table({"content": shown["content"], "unit_id": shown["unit_id_first"]})


def content_batches(units: Iterable[tuple[str, Mapping[str, Any]]], batch_units: int, teacher_version: str) -> Iterator[ContentBatch]:
    """A stream of contents, each with the unit that is shown for it, cut into batches as it comes.

    A batch is one commit and the stream leaves out what is answered, so that a run that goes on from a kill begins where a batch began: it makes the batches of an undisturbed one.
    """
    stream = iter(units)
    while batch := dict(islice(stream, batch_units)):
        yield ContentBatch(hashlib.sha256("\n".join((teacher_version, *batch)).encode()).hexdigest()[:32], batch)
