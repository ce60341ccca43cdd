"""Signatures of units -> `duplicate_group`: which older unit stands for one that says nearly the same.

Units are compared within a partition, so that a partition can be made alone and a new month costs no more than the partitions that it touches.
Every unit points at the oldest that it is found to be like, and its group is where that leads in the end. Candidates are found by bands
(Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4) and then compared by their whole signatures. Of all that share a band only the
oldest is a candidate: ten thousand copies are ten thousand comparisons.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import Broadcast
from pyspark.sql import SparkSession

from etl.tasks.changes import Partition
from etl.tasks.files import Edit, Rewritten, TableFile, edited_files, in_tasks
from lake.config import LakeConfig
from lake.schema import arrow_schema
from lake.table_files import open_parquet
from lake.units import SIGNATURE_BYTES, UNIT_SIGNATURES, UNITS

BYTES_AT_ONCE = 20 * 2**30
"""Signatures in files of so many bytes are looked through before the groups found are written: until then these wait in the driver's memory."""
GROUP_COLUMNS = ("unit_id", "duplicate_group")

_COMPARED = ["unit_id", "unit_hash", "created_at", "signature"]
_COMPARED_AT_ONCE = 65_536
_FACTOR = np.uint32(0x9E3779B1)
_EQUAL_BY_CHANCE = 1 / 256


def set_groups(
    spark: SparkSession, lake: LakeConfig, similarity: float, signatures: Sequence[TableFile], units: Sequence[TableFile]
) -> tuple[Rewritten, int]:  # fmt: skip
    """Write anew those files of units in which a `duplicate_group` is not what the signatures of its partition say; and how many units have one.

    Both must be all files of their partitions. Nothing is committed.
    """
    edited, count = Rewritten(), 0
    for partitions in portions({file.partition for file in units}, signatures, BYTES_AT_ONCE):
        found = _found_groups(spark, lake, similarity, partitions)
        groups = spark.sparkContext.broadcast(found)
        edited.add(edited_files(spark, lake, UNITS, [file for file in units if file.partition in partitions], _grouping(groups), GROUP_COLUMNS))
        groups.destroy()
        count += sum(groups_of_partition.num_rows for groups_of_partition in found.values())
    return edited, count


def portions(partitions: Iterable[Partition], files: Iterable[TableFile], at_most: int) -> Iterator[dict[Partition, list[str]]]:
    """Paths of the files of each partition, in portions of so many bytes; a partition that has more is a portion alone."""
    of_partition: dict[Partition, list[TableFile]] = {partition: [] for partition in sorted(partitions)}
    for file in files:
        of_partition[file.partition].append(file)
    portion: dict[Partition, list[str]] = {}
    room = at_most
    for partition, its_files in of_partition.items():
        size = sum(file.size for file in its_files)
        if portion and size > room:
            yield portion
            portion, room = {}, at_most
        portion[partition] = [file.path for file in its_files]
        room -= size
    if portion:
        yield portion


def _found_groups(spark: SparkSession, lake: LakeConfig, similarity: float, paths: Mapping[Partition, list[str]]) -> dict[Partition, pa.RecordBatch]:
    lake = lake.for_other_folders()
    found = in_tasks(spark, list(paths.items())).mapValues(lambda of_partition: groups_of_files(lake, of_partition, similarity))
    return dict(found.collect())


def _grouping(groups: Broadcast[dict[Partition, pa.RecordBatch]]) -> Edit:
    return lambda partition, units: with_groups(units, groups.value[partition])


def groups_of_files(lake: LakeConfig, paths: Sequence[str], similarity: float) -> pa.RecordBatch:
    """`unit_id` and `duplicate_group` of each unit that an older one of these files of `unit_signatures` stands for."""
    oldest_first = _candidates(lake, paths).sort_by([("created_at", "ascending"), ("unit_id", "ascending")])
    stands_for = oldest_alike(_fixed(oldest_first["signature"].combine_chunks()), similarity)
    members = np.flatnonzero(stands_for != np.arange(len(stands_for)))
    groups = {"unit_id": oldest_first["unit_id"].take(pa.array(members)), "duplicate_group": oldest_first["unit_hash"].take(pa.array(stands_for[members]))}
    return pa.RecordBatch.from_pydict({name: column.combine_chunks() for name, column in groups.items()})


def share_a_key(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Whether any key of a row is also another row's in the same column: parts of (N, K) -> (N,)."""
    shares = np.zeros(sum(map(len, parts)), dtype=bool)
    for column in range(parts[0].shape[1] if parts else 0):
        keys = np.concatenate([part[:, column] for part in parts])
        ordered = np.sort(keys)
        repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        shares |= pc.is_in(pa.array(keys), pa.array(repeated)).to_numpy(zero_copy_only=False)
    return shares


def oldest_alike(signatures: np.ndarray, similarity: float) -> np.ndarray:
    """Which row stands for each row, itself where it is like no older one: (N, SIGNATURE_BYTES), oldest first -> (N,).

    Rows of equal signatures always have one that stands for all of them.
    """
    rows = np.arange(len(signatures))
    alike = rows.copy()
    for keys in _bands(signatures):
        oldest = _first_of_same(keys)
        candidates = np.flatnonzero(oldest != rows)
        for some in np.split(candidates, range(_COMPARED_AT_ONCE, len(candidates), _COMPARED_AT_ONCE)):
            found = some[_similarity(signatures[some], signatures[oldest[some]]) >= similarity]
            alike[found] = np.minimum(alike[found], oldest[found])
    while (alike[alike] != alike).any():
        alike = alike[alike]
    return alike


def with_groups(units: pa.RecordBatch, groups: pa.RecordBatch) -> pa.RecordBatch:
    """Units with `duplicate_group` as `groups` (`unit_id`, `duplicate_group`) have it; null where they do not."""
    place = units.schema.get_field_index("duplicate_group")
    found = groups["duplicate_group"].take(pc.index_in(units["unit_id"], groups["unit_id"]))
    return units.set_column(place, units.schema.field(place), found)


def _bands(signatures: np.ndarray) -> Iterator[np.ndarray]:
    """Keys (N,) by which rows are candidates: 8 bytes of the signature after the other, and then all of it together.

    At a similarity of 0.9 a pair has 1 chance in 93 to share none, at 0.85 1 in 13.
    """
    parts = signatures.view(np.uint64)
    yield from parts.T
    yield parts @ np.arange(1, 2 * parts.shape[1], 2, dtype=np.uint64)


def _first_of_same(keys: np.ndarray) -> np.ndarray:
    """The first row that has the key of each row, (N,) -> (N,)."""
    _, first, place = np.unique(keys, return_index=True, return_inverse=True)
    return first[place]


def _similarity(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Estimated Jaccard similarity of pairs of signatures (N, SIGNATURE_BYTES) -> (N,)."""
    equal = (some == others).mean(axis=1)
    return (equal - _EQUAL_BY_CHANCE) / (1 - _EQUAL_BY_CHANCE)


def _candidates(lake: LakeConfig, paths: Sequence[str]) -> pa.Table:
    """Rows that may be like another of these files. Of the others, most by far, no more than short keys were held."""
    is_candidate = share_a_key([_short_keys(_fixed(batch["signature"])) for batch in _batches(lake, paths, ["signature"])])
    rows, start = [arrow_schema(UNIT_SIGNATURES).empty_table().select(_COMPARED)], 0
    for batch in _batches(lake, paths, _COMPARED):
        chosen = pa.array(is_candidate[start : start + batch.num_rows])
        rows.append(pa.Table.from_batches([batch.select(_COMPARED).filter(chosen)]).cast(rows[0].schema))
        start += batch.num_rows
    return pa.concat_tables(rows)


def _short_keys(signatures: np.ndarray) -> np.ndarray:
    """Keys of the bands in half of the bytes, (N, SIGNATURE_BYTES) -> (N, 8): equal bands have equal ones, others hardly ever."""
    halves = signatures.view(np.uint32)
    return halves[:, ::2] * _FACTOR ^ halves[:, 1::2]


def _batches(lake: LakeConfig, paths: Sequence[str], columns: list[str]) -> Iterator[pa.RecordBatch]:
    for path in paths:
        yield from open_parquet(lake, UNIT_SIGNATURES, path).iter_batches(columns=columns)


def _fixed(signatures: pa.Array) -> np.ndarray:
    """Signatures as bytes, (N,) -> (N, SIGNATURE_BYTES)."""
    fixed = signatures.cast(pa.binary(SIGNATURE_BYTES))
    return np.frombuffer(fixed.buffers()[1], np.uint8)[fixed.offset * SIGNATURE_BYTES :][: len(fixed) * SIGNATURE_BYTES].reshape(-1, SIGNATURE_BYTES)
