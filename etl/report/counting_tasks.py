"""Files of large tables -> few rows of counts: tasks of Spark read and count them, each what it has, and others add up what has the same keys."""

import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from etl.report.counting import Aggregates, CountedFile, Sums, counts_of_files
from etl.tasks.blocks import BLOCKS, block_of_row, blocks_of_rows, files_by_task, row_of_block, rows_of_block
from etl.tasks.files import TASKS_PER_CORE, rows_of_tasks
from lake import spark_tables
from lake.config import LakeConfig


def few_by_tasks(lake: LakeConfig, files: Sequence[CountedFile], aggregates: Aggregates) -> dict[str, list[pa.Table]]:
    """`few` of each aggregate's counts, by its name: tasks read the files and send what they count, by a hash of its key, to tasks that add it up."""
    with spark_tables.spark_session("report", lake, jvm_idles=True) as spark:
        return _few(spark, lake.for_other_folders(), files, aggregates)


def _few(spark: SparkSession, lake: LakeConfig, files: Sequence[CountedFile], aggregates: Aggregates) -> dict[str, list[pa.Table]]:
    cores = spark.sparkContext.defaultParallelism
    tasks = files_by_task(files, [file.size for file in files], cores)
    buckets = _buckets(aggregates, cores * TASKS_PER_CORE)

    def counted(of_task: Sequence[CountedFile]) -> Iterator[pa.RecordBatch]:
        for name, counts in counts_of_files(lake, of_task, aggregates).items():
            if counts.num_rows:
                yield from map(row_of_block, blocks_of_rows(counts, _buckets_of_rows(counts, aggregates[name].spread_by, buckets[name])))

    def added_up(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        name_of = {bucket: name for name, numbers in buckets.items() for bucket in numbers}
        sums: dict[str, Sums] = {}
        for block in (block_of_row(row) for batch in blocks for row in batch.to_pylist()):
            name = name_of[block.bucket]
            sums.setdefault(name, Sums(aggregates[name])).add(rows_of_block(block))
        for name, of_name in sums.items():
            yield pa.RecordBatch.from_pydict({"few": [pickle.dumps((name, aggregates[name].few(of_name.total())))]})

    # What no task has counted is there too, as the few rows of nothing.
    few = {name: [aggregates[name].few(counts)] for name, counts in counts_of_files(lake, [], aggregates).items()}
    by_bucket = rows_of_tasks(spark, tasks, counted, BLOCKS, range(sum(map(len, buckets.values()))))
    for row in by_bucket.mapInArrow(added_up, "few binary").collect():
        name, rows = pickle.loads(row.few)
        few[name].append(rows)
    return few


def _buckets(aggregates: Aggregates, of_spread: int) -> dict[str, range]:
    """The numbers of the tasks that add up an aggregate's counts, by its name: so many where its counts are spread, else one."""
    buckets, start = {}, 0
    for name, aggregate in aggregates.items():
        buckets[name] = range(start, start + (of_spread if aggregate.spread_by else 1))
        start = buckets[name].stop
    return buckets


def _buckets_of_rows(counts: pa.Table, spread_by: str | None, buckets: range) -> np.ndarray:
    """The task that adds up each row of counts, (N,)."""
    if spread_by is None:
        return np.full(counts.num_rows, buckets.start)
    hashes = np.array([zlib.crc32((key or "").encode()) for key in counts[spread_by].to_pylist()], dtype=np.int64)
    return buckets.start + hashes % len(buckets)
