"""Units -> the contents to label, and the batches that they are labelled in."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc


class ContentBatch(NamedTuple):
    """Contents that are labelled and committed together. `batch_id` is a hash of them and of the teacher."""

    batch_id: str
    contents: tuple[str, ...]


def contents_of(units: pa.Table) -> pa.Table:
    """Units (unit_id, user_id, unit_hash, duplicate_group) with their `content`: the unit_hash that a label belongs to."""
    content = pc.coalesce(units["duplicate_group"], units["unit_hash"])
    return units.append_column("content", content)


def with_persons(units: pa.Table, identities: Mapping[str, str]) -> pa.Table:
    """The units with `person_id`: the `user_id` unless `identities` joins accounts."""
    user_ids = units["user_id"].combine_chunks().dictionary_encode()
    persons = pa.array([identities.get(user_id, user_id) for user_id in user_ids.dictionary.to_pylist()], pa.string())
    return units.append_column("person_id", persons.take(user_ids.indices))


def whole_people(units: pa.Table, max_units: int, min_units: int) -> pa.Table:
    """Units of whole people, in the order of a hash of `person_id`, until the next one would pass `max_units`; one person at least.

    People with fewer than `min_units` units are passed over.
    """
    counts = units.group_by("person_id").aggregate([("unit_id", "count")])
    people = sorted(
        (hashlib.sha256(person_id.encode()).hexdigest(), person_id, count)
        for person_id, count in zip(counts["person_id"].to_pylist(), counts["unit_id_count"].to_pylist(), strict=True)
        if count >= min_units
    )
    chosen: list[str] = []
    total = 0
    for _, person_id, count in people:
        if chosen and total + count > max_units:
            break
        chosen.append(person_id)
        total += count
    return units.filter(pc.is_in(units["person_id"], pa.array(chosen, pa.string())))


def one_unit_a_content(units: pa.Table) -> dict[str, str]:
    """Content -> the unit that is shown for it: the one whose own hash stands for the group, else the first by `unit_id`."""
    stands_for_itself = pc.equal(units["unit_hash"], units["content"])
    ordered = units.append_column("rank", pc.if_else(stands_for_itself, 0, 1)).sort_by(
        [("content", "ascending"), ("rank", "ascending"), ("unit_id", "ascending")]
    )
    shown: dict[str, str] = {}
    for content, unit_id in zip(ordered["content"].to_pylist(), ordered["unit_id"].to_pylist(), strict=True):
        shown.setdefault(content, unit_id)
    return shown


def cut_batches(contents: Iterable[str], batch_units: int, teacher_version: str) -> list[ContentBatch]:
    """The whole selection cut into batches, in the order of the contents' hashes: the same selection gives the same batches."""
    ordered = sorted(set(contents))
    cuts = (tuple(ordered[start : start + batch_units]) for start in range(0, len(ordered), batch_units))
    return [ContentBatch(hashlib.sha256("\n".join((teacher_version, *cut)).encode()).hexdigest()[:32], cut) for cut in cuts]


def pending_batches(batches: Sequence[ContentBatch], answered: Collection[str]) -> list[ContentBatch]:
    """The batches with work left, each with the contents that nobody `answered` yet.

    A batch is one commit, so that what is labelled together depends on the selection and on what was there when it was first made, never on where a run was killed.
    """
    left = [ContentBatch(batch.batch_id, tuple(content for content in batch.contents if content not in answered)) for batch in batches]
    return [batch for batch in left if batch.contents]
