"""Rows that Spark tasks write themselves as files of a Delta table, and what each task tells of them; the driver commits all files at once.

Rows so written never pass through Spark again. A task that runs twice (a worker died, a slow task was started elsewhere too) leaves files under
other names; only those that a report names become part of the table.
"""

import pickle
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import RDD, TaskContext
from pyspark.sql import DataFrame, SparkSession

from etl.tasks.changes import Partition, partition_of
from lake.config import LakeConfig
from lake.table_files import TableFiles, WrittenFile, edited_file
from lake.tables import TableSpec

TASKS_PER_CORE = 4
Piece = TypeVar("Piece")


@dataclass
class Made:
    """A part of what a task makes: rows of a table, what was counted, and ids of rows that these come in place of, by partition.

    `sampled_ids` are hashes of ids of rows that all tasks are compared by.
    """

    spec: TableSpec
    rows: pa.Table
    counts: Counter[str] = field(default_factory=Counter)
    replaced: dict[Partition, set[str]] = field(default_factory=dict)
    sampled_ids: np.ndarray | None = None


@dataclass
class TaskReport:
    """What a task, or all tasks together, wrote and counted, and what is replaced: files and replaced ids by the name of their table."""

    files: dict[str, list[WrittenFile]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    replaced: dict[str, dict[Partition, set[str]]] = field(default_factory=dict)
    sampled_ids: list[np.ndarray] = field(default_factory=list)

    def add(self, other: "TaskReport") -> None:
        """Take in another report."""
        for name, files in other.files.items():
            self.files.setdefault(name, []).extend(files)
        self.counts.update(other.counts)
        for name, by_partition in other.replaced.items():
            for partition, ids in by_partition.items():
                self.replaced.setdefault(name, {}).setdefault(partition, set()).update(ids)
        self.sampled_ids += other.sampled_ids


Maker = Callable[[Iterable[pa.RecordBatch]], Iterator[Made]]


def use_system_memory() -> None:
    """Have Arrow take this process's memory from the system's allocator: its own gives memory back between batches, and asks for it again."""
    pa.set_memory_pool(pa.system_memory_pool())


def rows_of_tasks(
    spark: SparkSession, tasks: Sequence[Piece], make: Callable[[Piece], Iterator[pa.RecordBatch]], schema: str, places: Sequence[int]
) -> DataFrame:  # fmt: skip
    """The rows that `make` gives for each task's input, with their `place`; those of one place in one partition.

    `places` say where the rows of each `bucket` (a column of `schema`) go (`etl.tasks.blocks.places_of_buckets`).
    """
    place_of_bucket = pa.array(places, pa.int32())

    def rows(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        use_system_memory()
        for number in (number for batch in numbers for number in batch["id"].to_pylist()):
            for batch in make(tasks[number]):
                yield batch.append_column("place", place_of_bucket.take(batch["bucket"]))

    return spark.range(len(tasks), numPartitions=len(tasks)).mapInArrow(rows, f"{schema}, place int").repartitionById(max(places) + 1, "place")


def write_files(rows: DataFrame, places: Sequence[int], make: Maker, lake: LakeConfig) -> TaskReport:
    """Run `make` over the rows of each bucket that has some, write what it makes, and return the reports as one. Nothing is committed.

    `rows` and `places` are those of `rows_of_tasks`.
    """
    run, lake = uuid.uuid4().hex, lake.for_other_folders()
    buckets_of_places = Counter(places)

    def write(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        use_system_memory()
        tables: dict[str, TableFiles] = {}
        report = TaskReport()
        try:
            for made in (made for of_bucket in by_bucket(batches, buckets_of_places) for made in make(of_bucket)):
                if made.spec.name not in tables:
                    tables[made.spec.name] = TableFiles(lake, made.spec, _name(run), name_is_unique=True)
                tables[made.spec.name].write(made.rows)
                sampled_ids = [] if made.sampled_ids is None else [made.sampled_ids]
                report.add(TaskReport(counts=made.counts, replaced={made.spec.name: made.replaced}, sampled_ids=sampled_ids))
            report.files = {name: table.finish() for name, table in tables.items()}
        except BaseException:
            for table in tables.values():
                table.discard()
            raise
        yield pa.RecordBatch.from_pydict({"report": [pickle.dumps(report)]})

    total = TaskReport()
    for row in rows.mapInArrow(write, "report binary").collect():
        total.add(pickle.loads(row.report))
    return total


def by_bucket(batches: Iterable[pa.RecordBatch], buckets_of_places: Mapping[int, int]) -> Iterator[Iterable[pa.RecordBatch]]:
    """The batches of one place (columns `bucket` and `place`) by bucket: as they come where it has one bucket, which may be big; small ones are held."""
    filled = (batch for batch in batches if batch.num_rows)
    first = next(filled, None)
    if first is None:
        return
    batches = chain([first], filled)
    if buckets_of_places[first["place"][0].as_py()] == 1:
        yield batches
        return
    held: dict[int, list[pa.RecordBatch]] = {}
    for batch in batches:
        for bucket in batch["bucket"].unique().to_pylist():
            held.setdefault(bucket, []).append(batch.filter(pc.equal(batch["bucket"], bucket)))
    while held:
        yield held.pop(min(held))


@dataclass(frozen=True)
class TableFile:
    """A file of a table, committed or not: its path as in the log, its partition, and its size in bytes."""

    path: str
    partition: Partition
    size: int


@dataclass
class Rewritten:
    """Files that hold what others (`removed`, paths as in the log) held, save what was to go or to change."""

    files: list[WrittenFile] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)

    def add(self, other: "Rewritten") -> None:
        """Take in others."""
        self.files.extend(other.files)
        self.removed.update(other.removed)


Edit = Callable[[Partition, pa.RecordBatch], pa.RecordBatch]


def without_keys(
    spark: SparkSession, lake: LakeConfig, spec: TableSpec, keys: Mapping[Partition, Collection[str]], files: Iterable[Mapping[str, Any]]
) -> Rewritten:  # fmt: skip
    """Write anew those of the table's files (`arrow_tables.live_files`) that hold rows with these keys, without them. Nothing is committed.

    Keys are values of the spec's first key column, by partition.
    """
    leaving = spark.sparkContext.broadcast({partition: pa.array(sorted(values), pa.string()) for partition, values in keys.items()})
    concerned = [table_file(file, spec) for file in files if partition_of(file, spec) in keys]

    def thin(partition: Partition, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.filter(pc.invert(pc.is_in(batch[spec.key[0]], leaving.value[partition])))

    return edited_files(spark, lake, spec, concerned, thin, spec.key[:1])


def edited_files(spark: SparkSession, lake: LakeConfig, spec: TableSpec, files: Sequence[TableFile], edit: Edit, needs: Sequence[str]) -> Rewritten:
    """Write anew those of a table's files whose rows `edit` changes. Nothing is committed.

    It is given the partition and a batch of rows, without the partition's columns: those columns that it `needs` first, to see whether it changes any.
    """
    if not files:
        return Rewritten()
    run, lake = uuid.uuid4().hex, lake.for_other_folders()

    def rewrite(numbered: tuple[int, TableFile]) -> tuple[str, list[WrittenFile]] | None:
        number, file = numbered
        written = edited_file(lake, spec, file.path, file.partition, lambda batch: edit(file.partition, batch), needs, f"{_name(run)}-{number}")
        return None if written is None else (file.path, written)

    rewritten = [result for result in in_tasks(spark, list(enumerate(files))).map(rewrite).collect() if result]
    return Rewritten([file for _, written in rewritten for file in written], {path for path, _ in rewritten})


def in_tasks(spark: SparkSession, work: Sequence[Piece]) -> RDD[Piece]:
    """Pieces of work shared out to tasks: several to each core, but not a task to each of many small ones, which would cost more than its work."""
    return spark.sparkContext.parallelize(work, min(len(work), TASKS_PER_CORE * spark.sparkContext.defaultParallelism))


def table_file(file: Mapping[str, Any], spec: TableSpec) -> TableFile:
    """A file of the log (`arrow_tables.live_files`)."""
    return TableFile(file["path"], partition_of(file, spec), file["size_bytes"])


def _name(run: str) -> str:
    """What files of this attempt of this task are called: no other attempt writes over them."""
    context = TaskContext.get()
    if context is None:
        raise RuntimeError("only a Spark task writes files here")
    return f"{run}-{context.taskAttemptId()}"
