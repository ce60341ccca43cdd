"""Sequences and labels -> examples: one person's history, cut at several times, with the items before and after each cut.

Pure: rows in, rows out. Rows are mappings of the fields of `lake.examples.Example`, since histories pass through untouched.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.examples import HeldOut, Period
from lake.labels import label_item_id
from trainer.config import ExamplesConfig

UnitRow = Mapping[str, Any]
ExampleRow = dict[str, Any]


@dataclass(frozen=True)
class ContentLabel:
    """The items of one content at both levels, and the teacher version that said so."""

    specific_item_id: str
    broad_item_id: str
    teacher_version: str


@dataclass(frozen=True)
class LabelledPeople:
    """Who has labelled units: their `person_id`s by bucket, how many people there are at all, and when each labelled unit was."""

    by_bucket: dict[int, list[str]]
    people: int
    times: np.ndarray


def choose_labels(labels: pa.Table) -> dict[str, ContentLabel]:
    """Content hash -> its label. Of several teacher versions the one with most labels wins, ties go to the first by name."""
    columns = [labels[name].to_pylist() for name in ("unit_hash", "teacher_version", "specific", "broad")]
    label_counts = Counter(columns[1])
    item_id = cache(label_item_id)
    chosen: dict[str, ContentLabel] = {}
    for unit_hash, version, specific, broad in sorted(zip(*columns, strict=True), key=lambda row: (-label_counts[row[1]], row[1])):
        if unit_hash not in chosen:
            chosen[unit_hash] = ContentLabel(item_id("specific", specific), item_id("broad", broad), version)
    return chosen


def labelled_people(chunks: Iterable[pa.RecordBatch], labelled_contents: Collection[str]) -> LabelledPeople:
    """People with a labelled unit, out of `person_id`, `bucket`, `chunk` and `units` of sequences in any order. Times are UTC microseconds."""
    wanted = pa.array(list(labelled_contents), pa.string())
    by_bucket: dict[int, set[str]] = {}
    times: list[np.ndarray] = []
    people = 0
    for batch in chunks:
        people += pc.sum(pc.equal(batch["chunk"], 0)).as_py() or 0
        units, row_of_unit = pc.list_flatten(batch["units"]), pc.list_parent_indices(batch["units"])
        contents = pc.coalesce(pc.struct_field(units, "duplicate_group"), pc.struct_field(units, "unit_hash")).cast(pa.string())
        is_labelled = pc.is_in(contents, value_set=wanted)
        times.append(pc.struct_field(units, "created_at").filter(is_labelled).cast(pa.int64()).to_numpy(zero_copy_only=False))
        rows = pc.unique(row_of_unit.filter(is_labelled))
        for person_id, bucket in zip(batch["person_id"].take(rows).to_pylist(), batch["bucket"].take(rows).to_pylist(), strict=True):
            by_bucket.setdefault(bucket, set()).add(person_id)
    return LabelledPeople({bucket: sorted(ids) for bucket, ids in sorted(by_bucket.items())}, people, np.concatenate(times) if times else np.zeros(0, np.int64))


def time_split(times: np.ndarray, past_share: float) -> int:
    """When the future period begins, UTC microseconds: the `past_share` quantile of the labelled units' times. Nothing is past without units."""
    return int(np.quantile(times, past_share, method="lower")) if len(times) else 0


def held_out(config: ExamplesConfig) -> HeldOut:
    """Which people are not trained on."""
    return HeldOut(validation_share=config.validation_share, test_share=config.test_share)


def person_example(
    person_id: str, history: Sequence[UnitRow], older_threads: Collection[str], labels: Mapping[str, ContentLabel], split_at: int, config: ExamplesConfig
) -> ExampleRow | str:  # fmt: skip
    """The person's example, or why there is none. `history` is oldest first; `older_threads` are those of units before it."""
    found = [labels.get(unit["duplicate_group"] or unit["unit_hash"]) for unit in history]
    labelled = [(position, label) for position, label in enumerate(found) if label is not None]
    if len(history) <= config.min_past_units:
        return "too few units"
    if len(labelled) < config.min_future_labels:
        return "too few labelled units"
    lengths = cut_lengths([unit["created_at"] for unit in history], [position for position, _ in labelled], config)
    if not lengths:
        return "no cut with enough units before and labels after"
    return {
        "person_id": person_id,
        "history": history,
        "labelled": [
            {"unit_id": history[position]["unit_id"], "specific_item_id": label.specific_item_id, "broad_item_id": label.broad_item_id}
            for position, label in labelled
        ],
        "cuts": [_cut(history, length, older_threads, labelled, split_at, config.future_units) for length in lengths],
        "split": held_out(config).split_of(person_id),
        "label_set": sorted({label.teacher_version for _, label in labelled}),
    }


def cut_lengths(times: Sequence[datetime], labelled: Sequence[int], config: ExamplesConfig) -> list[int]:
    """How many units lie before each cut, ascending: at most `cuts_per_person` cuts.

    A cut stands right before a labelled unit that has enough units before it and, itself included, enough labelled ones from it on; never
    between units of the same time, so that the future is strictly later than the past. Of the n such places the middles of
    `cuts_per_person` equal parts are taken: quantiles of the labelled units.
    """
    places = [
        position
        for number, position in enumerate(labelled)
        if position >= config.min_past_units and len(labelled) - number >= config.min_future_labels and times[position - 1] < times[position]
    ]
    cuts = min(config.cuts_per_person, len(places))
    return [places[(2 * cut + 1) * len(places) // (2 * cuts)] for cut in range(cuts)]


def _cut(
    history: Sequence[UnitRow], length: int, older_threads: Collection[str], labelled: Sequence[tuple[int, ContentLabel]], split_at: int, future_units: int | None
) -> dict[str, Any]:  # fmt: skip
    inside = [(position, label) for position, label in labelled if position < length]
    after = [(position, label) for position, label in labelled if position >= length][:future_units]
    known_threads = {unit["thread_id"] for unit in history[:length]} | set(older_threads)
    positives = [_positive(history[position], label, level, "inside", False) for position, label in inside for level in ("specific", "broad")]
    for position, label in after:
        thread_id = history[position]["thread_id"]
        is_new = thread_id is not None and thread_id not in known_threads
        positives += [_positive(history[position], label, level, "after", is_new) for level in ("specific", "broad")]
    period: Period = "past" if _microseconds(history[after[-1][0]]["created_at"]) < split_at else "future"
    return {"cut_at": history[length - 1]["created_at"], "history_length": length, "positives": positives, "hard_negatives": [], "period": period}


def _positive(unit: UnitRow, label: ContentLabel, level: str, where: str, new_thread: bool) -> dict[str, Any]:
    item_id = label.specific_item_id if level == "specific" else label.broad_item_id
    return {"item_id": item_id, "level": level, "unit_id": unit["unit_id"], "where": where, "new_thread": new_thread}


def _microseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000 + at.microsecond
