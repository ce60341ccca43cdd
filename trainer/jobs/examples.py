"""Entry point of `kindred trainer examples`."""

import logging
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from conf.arguments import JobArguments
from conf.errors import ConfigError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES, PERSON_LABELS
from lake.job_runs import RunRecord, inputs_now, job_run, last_run_of
from lake.labels import ITEMS, LABELS, LABELS_SOURCE
from lake.presence import has_table
from lake.table_files import TableFiles
from lake.units import SEQUENCES
from trainer import arguments as trainer_arguments
from trainer.config import ExamplesConfig, TrainerConfig
from trainer.examples.catalogue import NO_CATALOGUE, Catalogue, catalogue_of
from trainer.examples.people import examples_of, people_of, people_of_place, ranges_of_ids
from trainer.examples.person_labels import Times, label_index, labelled_units
from trainer.fingerprint import EXAMPLES_VERSION

logger = logging.getLogger(__name__)
JOB = "trainer examples"
CHUNKS_A_BATCH = 256
MEMORY_OF_BYTES = 6
"""Bytes in memory of a byte of a file of `sequences`, about."""
_OF_APPS = ds.field("source") != LABELS_SOURCE
ROW_GROUP_MB = 16
"""Histories that stand together in a file, and are read together when they are trained on."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(trainer_arguments.examples(argv))


def run_job(arguments: JobArguments) -> None:
    """Build `person_labels` and `examples`."""
    build_examples(arguments.section("lake", LakeConfig), arguments.section("trainer", TrainerConfig).examples)


def build_examples(lake: LakeConfig, config: ExamplesConfig) -> None:
    """Write who labelled what, and an example of everybody with enough units. Raises ContractError, and ConfigError for a label set that is not there."""
    reads = (SEQUENCES, *((LABELS,) if has_table(lake, LABELS) else ()), *((ITEMS,) if has_catalogue(lake) else ()))
    settings = config.model_dump(exclude={"memory_mb", "labels_at_once"})
    inputs = inputs_now(lake, reads=reads, settings=settings, code=EXAMPLES_VERSION)
    if last_run_of(lake, JOB, inputs, writes=(PERSON_LABELS, EXAMPLES)):
        logger.info("%s: nothing changed since the last run, nothing to do", JOB)
        return
    with job_run(lake, JOB, {"trainer.examples": config, "inputs": inputs}) as record:
        versions = inputs.versions
        record.versions_read.update(versions)
        of_labelled, of_all = Times(), Times()
        record.wrote(PERSON_LABELS, arrow_tables.overwrite_stream(lake, PERSON_LABELS, _labelled(lake, versions, config, of_labelled, of_all)))
        split_at = (of_labelled if of_labelled.counts else of_all).quantile(config.past_share)
        record.wrote(EXAMPLES, write_examples(lake, versions["sequences"], split_at, config, record, read_catalogue(lake, versions.get("items"), config)))


def has_catalogue(lake: LakeConfig) -> bool:
    """Whether `items` has any of an app: of labels' items examples need nothing, and a new label alone makes none anew."""
    return has_table(lake, ITEMS) and arrow_tables.count_rows(lake, ITEMS, _OF_APPS) > 0


def read_catalogue(lake: LakeConfig, version: int | None, config: ExamplesConfig) -> Catalogue:
    """The items of apps in a version of `items`; none without one."""
    if version is None:
        return NO_CATALOGUE
    columns = ("item_id", "source", "external_id", "text")
    return catalogue_of(arrow_tables.read_batches(lake, ITEMS, columns, _OF_APPS, version), config.catalogue_ids)


def _labelled(lake: LakeConfig, versions: dict[str, int], config: ExamplesConfig, of_labelled: Times, of_all: Times) -> Iterator[pa.Table]:
    """Rows of `person_labels`; each part of the labels is a pass over all histories."""
    ranks = label_ranks(lake, versions["labels"], config.label_set) if "labels" in versions else {}
    parts = max(1, -(-sum(ranks.values()) // config.labels_at_once))
    order = {version: rank for rank, version in enumerate(sorted(ranks, key=lambda version: (-ranks[version], version)))}
    for part in range(parts):
        columns = ("unit_hash", "teacher_version", "specific", "broad")
        labels = label_index(arrow_tables.read_batches(lake, LABELS, columns, version=versions["labels"]) if ranks else (), order, part, parts)
        chunks = arrow_tables.read_batches(lake, SEQUENCES, ("person_id", "bucket", "units"), version=versions["sequences"], batch_rows=CHUNKS_A_BATCH)
        yield from labelled_units(chunks, labels, of_labelled, None if part else of_all)


def label_ranks(lake: LakeConfig, version: int, label_set: list[str] | None) -> dict[str, int]:
    """How many labels each teacher version that counts has given. Raises ConfigError for one of the label set that is not there."""
    counts: Counter[str] = Counter()
    for batch in arrow_tables.read_batches(lake, LABELS, ("teacher_version",), version=version):
        counts.update({each["values"]: each["counts"] for each in pc.value_counts(batch["teacher_version"]).to_pylist()})
    absent = sorted(set(label_set or ()) - set(counts))
    if absent:
        raise ConfigError(f"trainer.examples.label_set: no labels of teacher version {absent[0]!r}; `labels` has {sorted(counts)}")
    return {name: counts[name] for name in (counts if label_set is None else label_set)}


def write_examples(lake: LakeConfig, version: int, split_at: int, config: ExamplesConfig, record: RunRecord, catalogue: Catalogue) -> int:
    """Replace `examples`, bucket by bucket, in one commit; the version that it gets. `split_at`: when the future period begins, UTC microseconds."""
    buckets: Counter[int] = Counter()
    for file in arrow_tables.live_files(arrow_tables.open_table(lake, SEQUENCES, version)):
        buckets[int(file["partition.bucket"])] += file["size_bytes"]
    arrow_tables.made_anew(lake, EXAMPLES)
    files = TableFiles(lake.model_copy(update={"write_buffer_mb": ROW_GROUP_MB}), EXAMPLES, uuid.uuid4().hex, name_is_unique=True)
    for bucket in sorted(buckets):
        parts = 1 + buckets[bucket] * MEMORY_OF_BYTES // (config.memory_mb * 2**20)
        for start, end in ranges_of_ids(arrow_tables.read(lake, SEQUENCES, ("person_id",), ds.field("bucket") == bucket, version)["person_id"], parts):
            where = _people(bucket, start, end)
            chunks = arrow_tables.read(lake, SEQUENCES, ("person_id", "chunk", "units"), where, version)
            people = people_of(chunks, arrow_tables.read(lake, PERSON_LABELS, where=where), catalogue)
            for rows in row_groups(examples_of(people, split_at, config, record.rows, record.dropped)):
                files.write(rows)
    for community in config.held_out_communities:
        if not record.rows[people_of_place(community)]:
            files.discard()
            raise ConfigError(f"trainer.examples.held_out_communities: nobody with an example ever acted in {community!r}; names are as in `sequences`")
    return arrow_tables.replace_by_files(lake, EXAMPLES, files.finish())


def row_groups(rows: pa.Table) -> Iterator[pa.Table]:
    """The rows in their order, some ROW_GROUP_MB at once: all that a file is given at once becomes one row group, and a window of training holds whole ones."""
    people = max(1, ROW_GROUP_MB * 2**20 * len(rows) // max(1, rows.nbytes))
    yield from (rows.slice(start, people) for start in range(0, len(rows), people))


def _people(bucket: int, start: str | None, end: str | None) -> ds.Expression:
    where = ds.field("bucket") == bucket
    if start is not None:
        where &= ds.field("person_id") >= start
    return where if end is None else where & (ds.field("person_id") < end)


if __name__ == "__main__":
    main()
