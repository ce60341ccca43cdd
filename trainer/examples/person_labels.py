"""Sequences and labels -> `person_labels`: which units of whom are labelled, and how. One pass over histories, labels held as arrays.

Where there are more labels than may be held at once, they are taken in parts by a hash of their content, and each part is a pass.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lake.examples import PERSON_LABELS
from lake.labels import LEVELS, label_item_id
from lake.schema import arrow_schema
from trainer.examples.cuts import NONE

HOUR = 3_600_000_000
"""Microseconds."""


@dataclass(frozen=True)
class LabelIndex:
    """Labels of distinct contents, one each: `hashes` (N,) of the contents, ascending, and `rows` in the same order."""

    hashes: NDArray[np.uint64]
    rows: pa.Table

    def find(self, contents: pa.Array) -> NDArray[np.int64]:
        """Row of each content's label, shape (units,); -1 where there is none."""
        if not len(self.hashes):
            return np.full(len(contents), NONE)
        hashes = content_hashes(contents)
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        maybe = np.flatnonzero(self.hashes[at] == hashes)
        same = pc.equal(self.rows["unit_hash"].take(pa.array(at[maybe])), contents.take(pa.array(maybe))).to_numpy(zero_copy_only=False)
        found = np.full(len(contents), NONE)
        found[maybe[same]] = at[maybe[same]]
        return found


@dataclass
class Times:
    """When units were, counted by the hour: enough to say where a share of them ends, whatever their number."""

    counts: dict[int, int] = field(default_factory=dict)

    def add(self, microseconds: NDArray[np.int64]) -> None:
        """Count these times (UTC)."""
        hours, counts = np.unique(microseconds // HOUR, return_counts=True)
        for hour, count in zip(hours.tolist(), counts.tolist(), strict=True):
            self.counts[hour] = self.counts.get(hour, 0) + count

    def quantile(self, share: float) -> int:
        """The end of the first hour up to which that share of all units lies, UTC microseconds; 0 without units."""
        hours = sorted(self.counts)
        if not hours:
            return 0
        cumulated = np.cumsum([self.counts[hour] for hour in hours])
        return (hours[int(np.searchsorted(cumulated, share * cumulated[-1]))] + 1) * HOUR


def content_hashes(contents: pa.Array) -> NDArray[np.uint64]:
    """A 64-bit hash of each content, the same in every process."""
    return np.asarray(pd.util.hash_array(contents.to_numpy(zero_copy_only=False).astype(object), categorize=False), np.uint64)


def label_index(batches: Iterable[pa.RecordBatch], ranks: Mapping[str, int], part: int, parts: int) -> LabelIndex:
    """The labels of one of `parts` parts of all contents. Of several teacher versions the one of the least rank counts; one without rank never does.

    Batches have `unit_hash`, `teacher_version`, `specific` and `broad`.
    """
    kept = [_of_part(batch, ranks, part, parts) for batch in batches]
    labels = pa.Table.from_batches([batch for batch in kept if batch.num_rows], schema=_LABELS).sort_by([("unit_hash", "ascending"), ("rank", "ascending")])
    hashes = labels["unit_hash"]
    is_first = np.ones(len(labels), bool)
    is_first[1:] = pc.not_equal(hashes[1:], hashes[:-1]).to_numpy() if len(labels) else True
    labels = labels.filter(pa.array(is_first)).combine_chunks()
    order = np.argsort(of_contents := content_hashes(whole(labels["unit_hash"])), kind="stable")
    return LabelIndex(of_contents[order], labels.take(pa.array(order)))


def labelled_units(
    chunks: Iterable[pa.RecordBatch], labels: LabelIndex, of_labelled: Times, of_all: Times | None = None
) -> Iterator[tuple[pa.StructArray, pa.Table]]:  # fmt: skip
    """Units and their rows of `person_labels`, out of `person_id`, `bucket` and `units` of sequences, in any order; their times are counted, those of all units too if asked."""
    for batch in chunks:
        units, chunk_of_unit = pc.list_flatten(batch["units"]), pc.list_parent_indices(batch["units"])
        times = pc.struct_field(units, "created_at")
        if of_all is not None:
            of_all.add(times.cast(pa.int64()).to_numpy())
        contents = pc.coalesce(pc.struct_field(units, "duplicate_group"), pc.struct_field(units, "unit_hash")).cast(pa.string())
        of_units = labels.find(contents)
        labelled = np.flatnonzero(of_units != NONE)
        if len(labelled):
            of_labelled.add(times.take(pa.array(labelled)).cast(pa.int64()).to_numpy())
            found = units.take(pa.array(labelled))
            yield found, _rows(batch.take(chunk_of_unit.take(pa.array(labelled))), found, labels.rows.take(pa.array(of_units[labelled])))


_LABELS = pa.schema({"unit_hash": pa.string(), "teacher_version": pa.string(), "specific": pa.string(), "broad": pa.string(), "rank": pa.int64()})


def _of_part(batch: pa.RecordBatch, ranks: Mapping[str, int], part: int, parts: int) -> pa.RecordBatch:
    versions = batch["teacher_version"].dictionary_encode()
    rank = np.array([ranks.get(version, NONE) for version in versions.dictionary.to_pylist()], np.int64)[versions.indices.to_numpy()]
    wanted = rank != NONE
    if parts > 1:
        wanted &= content_hashes(batch["unit_hash"]) % np.uint64(parts) == part
    return batch.append_column("rank", pa.array(rank)).select(_LABELS.names).cast(_LABELS).filter(pa.array(wanted))


def _rows(chunks: pa.RecordBatch, units: pa.StructArray, labels: pa.Table) -> pa.Table:
    item_id = cache(label_item_id)
    made = {
        "person_id": chunks["person_id"], "bucket": chunks["bucket"], "unit_id": pc.struct_field(units, "unit_id"), "created_at": pc.struct_field(units, "created_at"),
        "teacher_version": labels["teacher_version"],
    }  # fmt: skip
    for level in LEVELS:
        made |= {level: labels[level], f"{level}_item_id": pa.array([item_id(level, text) for text in labels[level].to_pylist()], pa.string())}
    return pa.table({name: made[name] for name in arrow_schema(PERSON_LABELS).names})


def whole(column: pa.ChunkedArray) -> Any:
    """A column as one array."""
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
