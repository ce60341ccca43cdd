"""Tasks -> what became of each file, as files are finished: several are read at once, and one that is much bigger than others in slices.

Spark is loaded where there is something to do for it.
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from etl.config import EtlConfig
from etl.ingest.decoders import GB, MemoryBudget, decoder_bytes, free_bytes
from etl.ingest.parsed_files import FileResult, FileTask, check_file, joined, parse_file, parse_slice, sliced
from lake.config import LakeConfig

if TYPE_CHECKING:
    from pyspark import SparkContext

# To see that nothing changed, the driver itself reads about as much as it could while a Spark session starts.
DIGESTED_BY_DRIVER_BYTES = 4 * 2**30


def file_results(lake: LakeConfig, config: EtlConfig, tasks: Sequence[FileTask]) -> Iterator[FileResult]:
    """Results as files are finished; Spark is started only where there is something to do for it."""
    seems_known = {task.file.path: task.file.size for task in tasks if task.file.size == task.known_bytes}
    is_quick = sum(seems_known.values()) <= DIGESTED_BY_DRIVER_BYTES
    is_soon_told = {task.file.path for task in tasks if task.file.fault or (is_quick and task.file.path in seems_known)}
    checked = [check_file(task) if task.file.path in is_soon_told else FileResult(task) for task in tasks]
    yield from (result for result in checked if result.is_settled)
    rest = [result.task for result in checked if not result.is_settled]
    if rest:
        from lake.spark_tables import spark_session

        with spark_session("ingest", lake, jvm_idles=True) as spark:
            yield from _results_of_spark(spark.sparkContext, config, rest)


def slice_count(file_bytes: int, all_bytes: int, split_file_bytes: int | None, cores: int) -> int:
    """In how many slices a file is read: one for each core whose share of all bytes it holds, in one unless it is big.

    Every slice decodes the whole file, so that a file is split only where cores would be idle otherwise.
    """
    if split_file_bytes is None or file_bytes <= split_file_bytes:
        return 1
    return math.ceil(file_bytes * cores / all_bytes)


def _results_of_spark(context: "SparkContext", config: EtlConfig, tasks: Sequence[FileTask]) -> Iterator[FileResult]:
    """Results as files are finished. Each file is a Spark job of its own, so that it is committed without waiting for the others."""
    memory, cores = _decoder_memory(context, config.decoder_memory_gb), context.defaultParallelism
    all_bytes = sum(task.file.size for task in tasks)

    def parse(task: FileTask) -> FileResult:
        needed = decoder_bytes(task.file)
        affordable = max(1, memory.total / needed)
        count = int(min(affordable, slice_count(task.file.size, all_bytes, config.split_file_bytes, cores)))
        with memory.held(count * needed):
            return _parse(context, task, count)

    with ThreadPoolExecutor(cores) as pool:
        jobs = [pool.submit(parse, task) for task in tasks]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            for job in jobs:
                job.cancel()


def _parse(context: "SparkContext", task: FileTask, count: int) -> FileResult:
    # Not `first()`: it leaves a worker before its task is at an end, which ends the worker, and the next file's would import everything again.
    if count == 1:
        (result,) = context.parallelize([task], 1).map(parse_file).collect()
        return result
    (checked,) = context.parallelize([task], 1).map(check_file).collect()
    if checked.is_settled:
        return checked
    slices = sliced(checked.task, count)
    return joined(checked.task, context.parallelize(slices, count).map(parse_slice).collect())


def _decoder_memory(context: "SparkContext", gigabytes: float | None) -> MemoryBudget:
    """The memory that all tasks share; without a setting there is a limit on one machine alone."""
    if gigabytes is not None:
        return MemoryBudget(gigabytes * GB)
    return MemoryBudget(free_bytes() if str(context.master).startswith("local") else math.inf)
