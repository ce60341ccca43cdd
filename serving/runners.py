"""Where the buckets of a table of vectors are worked on: in this process, or each in a task of Spark (edge).

Tasks follow https://spark.apache.org/docs/latest/configuration.html#custom-resource-scheduling-and-configuration-overview where they are given GPUs.
"""

import uuid
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from conf.errors import EncoderError, KindredError
from lake import registry
from lake.config import LakeConfig
from lake.encoder import Encoder, encoder_version, load_encoder, registered_folder
from lake.tables import TableSpec
from serving.config import EmbedConfig
from serving.embedding import Sources, bucket_change
from serving.vector_tables import BucketChange

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Changes = Callable[[TableSpec, Mapping[int, int]], Generator[BucketChange, None, None]]
"""A table, its buckets and the bytes of files that each is read from -> what becomes of each, in any order. Who stops before the end closes it, and what is still at work ends."""


@dataclass(frozen=True)
class EncoderAtWork:
    """Which encoder works and how, as plain values: a process anywhere loads it by them."""

    lake: LakeConfig
    version: str
    folder: Path
    """Where it is on the machine that starts the work."""
    registered: str | None
    """Its number in the registry; None where that does not say."""
    device: str | None
    config: EmbedConfig

    def load(self, device: str | None = None) -> Encoder:
        """The encoder, for texts in bulk, on a device or the one of the settings. Raises EncoderError where it is not at hand."""
        encoder = load_encoder(self._folder_here(), device or self.device)
        bf16 = self.config.precision == "bf16" or (self.config.precision == "auto" and encoder.model.device.type == "cuda")
        return Encoder(encoder.model, encoder.card, encoder.version, self.config.tokens_at_once, bf16)

    def _folder_here(self) -> Path:
        """Its folder on this machine: fetched from the registry where it is not the one on which the work was started."""
        if self.folder.is_dir() and encoder_version(self.folder) == self.version:
            return self.folder
        folder = registered_folder(self.lake, self.registered)
        if encoder_version(folder) != self.version:
            raise EncoderError(f"the registry has encoder {encoder_version(folder)} where {self.version} was expected; run 'kindred serving embed' again")
        return folder


def encoder_at_work(lake: LakeConfig, folder: Path, device: str | None, config: EmbedConfig) -> EncoderAtWork:
    """The encoder of a folder that came from the registry."""
    version = encoder_version(folder)
    return EncoderAtWork(lake.for_other_folders(), version, folder, registry.find_version(lake, registry.ENCODER_VERSION, version), device, config)


def changes_in_this_process(sources: Sources, encoder: Encoder) -> Changes:
    """What becomes of each bucket of a table, one after the other."""
    return lambda spec, sizes: (bucket_change(sources, spec, bucket, size, encoder) for bucket, size in sizes.items())


def changes_in_tasks(spark: "SparkSession", sources: Sources, at_work: EncoderAtWork) -> Changes:
    """What becomes of each bucket of a table, by a job of one task for each, as many at once as Spark has room for; the largest first.

    A task writes files and commits nothing: one that dies, or runs twice, leaves files that belong to no table, and what the driver gets of it is one change.
    """
    of_tasks = replace(sources, lake=at_work.lake)

    def changes(spec: TableSpec, sizes: Mapping[int, int]) -> Generator[BucketChange, None, None]:
        tag, context = uuid.uuid4().hex, spark.sparkContext
        at_once = ThreadPoolExecutor(
            max(1, min(len(sizes), 2 * context.defaultParallelism))
        )  # more than there is room for wait in Spark, which then never waits for us

        def change(bucket: int) -> BucketChange | KindredError:
            context.addJobTag(tag)
            task = change_in_task
            (found,) = context.parallelize([bucket], 1).map(lambda bucket: task(of_tasks, spec, bucket, sizes[bucket], at_work)).collect()
            return found

        try:
            for done in as_completed([at_once.submit(change, bucket) for bucket in sorted(sizes, key=lambda bucket: -sizes[bucket])]):
                found = done.result()
                if isinstance(found, KindredError):
                    raise found
                yield found
        finally:
            at_once.shutdown(wait=False, cancel_futures=True)
            context.cancelJobsWithTag(tag)

    return changes


def change_in_task(sources: Sources, spec: TableSpec, bucket: int, size: int, at_work: EncoderAtWork) -> BucketChange | KindredError:
    """What becomes of a bucket, in a task of Spark; an error of ours is told and not raised: another attempt would end with it, too."""
    try:
        return bucket_change(sources, spec, bucket, size, _encoder_of_process(at_work))
    except KindredError as error:
        return error


_LOADED: dict[tuple[str, str | None], Encoder] = {}
"""The encoder of a process of Spark's, which works on one bucket after the other, by version and device."""


def _encoder_of_process(at_work: EncoderAtWork) -> Encoder:
    known_as = (at_work.version, _device_of_task(at_work.device))
    if known_as not in _LOADED:
        _LOADED.clear()
        _LOADED[known_as] = at_work.load(known_as[1])
    return _LOADED[known_as]


def _device_of_task(device: str | None) -> str | None:
    """The GPU that Spark has given to this task, unless the settings name another device; without one theirs."""
    from pyspark import TaskContext

    context = TaskContext.get()
    gpus = context.resources().get("gpu") if context is not None and device in (None, "cuda") else None
    return f"cuda:{gpus.addresses[0]}" if gpus is not None else device
