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

from etl.changes import Partition
from etl.task_files import Edit, TableFile, Thinned, edited_files
from lake.config import LakeConfig
from lake.schema import arrow_schema
from lake.table_files import open_parquet
from lake.units import SIGNATURE_BYTES, UNIT_SIGNATURES, UNITS

BYTES_AT_ONCE = 20 * 2**30
"""Signatures in files of so many bytes are looked through before the groups found are written: until then these wait in the driver's memory."""
GROUP_COLUMNS = ("unit_id", "duplicate_group")

_COMPARED_AT_ONCE = 65_536
_EQUAL_BY_CHANCE = 1 / 256


def set_groups(
    spark: SparkSession, lake: LakeConfig, similarity: float, signatures: Sequence[TableFile], units: Sequence[TableFile]
) -> tuple[Thinned, int]:  # fmt: skip
    """Write anew those files of units in which a `duplicate_group` is not what the signatures of its partition say; and how many units have one.

    Both must be all files of their partitions. Nothing is committed.
    """
    edited, count = Thinned(), 0
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
    tasks = spark.sparkContext.parallelize(list(paths.items()), len(paths))
    return dict(tasks.mapValues(lambda of_partition: groups_of_files(lake, of_partition, similarity)).collect())


def _grouping(groups: Broadcast[dict[Partition, pa.RecordBatch]]) -> Edit:
    return lambda partition, units: with_groups(units, groups.value[partition])


def groups_of_files(lake: LakeConfig, paths: Sequence[str], similarity: float) -> pa.RecordBatch:
    """`unit_id` and `duplicate_group` of each unit that an older one of these files of `unit_signatures` stands for.

    Columns are read one after the other, so that the signatures are most of what is held.
    """
    ages = _read(lake, paths, ["created_at", "unit_id"])
    by_age = pc.sort_indices(ages, sort_keys=[(name, "ascending") for name in ages.column_names]).to_numpy()
    del ages
    stands_for = oldest_alike(_signatures(lake, paths, by_age), similarity)
    members = np.flatnonzero(stands_for != np.arange(len(stands_for)))
    columns = {
        "unit_id": _read(lake, paths, ["unit_id"])["unit_id"].take(pa.array(by_age[members])),
        "duplicate_group": _read(lake, paths, ["unit_hash"])["unit_hash"].take(pa.array(by_age[stands_for[members]])),
    }
    return pa.RecordBatch.from_pydict({name: column.combine_chunks() for name, column in columns.items()})


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
    yield (parts * np.arange(1, 2 * parts.shape[1], 2, dtype=np.uint64)).sum(axis=1, dtype=np.uint64)


def _first_of_same(keys: np.ndarray) -> np.ndarray:
    """The first row that has the key of each row, (N,) -> (N,)."""
    _, first, place = np.unique(keys, return_index=True, return_inverse=True)
    return first[place]


def _similarity(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Estimated Jaccard similarity of pairs of signatures (N, SIGNATURE_BYTES) -> (N,)."""
    equal = (some == others).mean(axis=1)
    return (equal - _EQUAL_BY_CHANCE) / (1 - _EQUAL_BY_CHANCE)


def _read(lake: LakeConfig, paths: Sequence[str], columns: list[str]) -> pa.Table:
    schema = pa.schema([arrow_schema(UNIT_SIGNATURES).field(name) for name in columns])
    return pa.concat_tables([schema.empty_table(), *(open_parquet(lake, UNIT_SIGNATURES, path).read(columns).select(columns).cast(schema) for path in paths)])


def _signatures(lake: LakeConfig, paths: Sequence[str], by_age: np.ndarray) -> np.ndarray:
    """Signatures (N, SIGNATURE_BYTES) of files, oldest first; `by_age` are the numbers of their rows in that order."""
    signatures = np.empty((len(by_age), SIGNATURE_BYTES), dtype=np.uint8)
    places, start = np.argsort(by_age), 0
    for path in paths:
        for batch in open_parquet(lake, UNIT_SIGNATURES, path).iter_batches(columns=["signature"]):
            fixed = batch.column(0).cast(pa.binary(SIGNATURE_BYTES))
            signatures[places[start : start + len(fixed)]] = np.frombuffer(fixed.buffers()[1], np.uint8).reshape(-1, SIGNATURE_BYTES)
            start += len(fixed)
    return signatures
