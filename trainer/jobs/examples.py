"""Entry point of `kindred trainer examples`."""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from conf.arguments import JobArguments
from conf.errors import ConfigError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES
from lake.job_runs import RunRecord, inputs_now, job_run, last_run_of
from lake.labels import ITEMS, LABELS
from lake.schema import rows_table
from lake.units import SEQUENCES
from trainer import arguments as trainer_arguments
from trainer.config import ExamplesConfig, TrainerConfig
from trainer.examples.cuts import ContentLabel, choose_labels, labelled_people, person_example, time_split
from trainer.fingerprint import EXAMPLES_VERSION

logger = logging.getLogger(__name__)
JOB = "trainer examples"
CHUNKS_A_BATCH = 256
PEOPLE_A_BATCH = 64


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(trainer_arguments.examples(argv))


def run_job(arguments: JobArguments) -> None:
    """Build `examples`."""
    build_examples(arguments.section("lake", LakeConfig), arguments.section("trainer", TrainerConfig).examples)


def build_examples(lake: LakeConfig, config: ExamplesConfig) -> None:
    """Write the examples of everybody with enough labelled units. Raises ContractError, and ConfigError for a label set that is not there."""
    inputs = inputs_now(lake, reads=(SEQUENCES, LABELS, ITEMS), settings=config.model_dump(), code=EXAMPLES_VERSION)
    if last_run_of(lake, JOB, inputs, writes=(EXAMPLES,)):
        logger.info("%s: nothing changed since the last run, nothing to do", JOB)
        return
    with job_run(lake, JOB, {"trainer.examples": config, "inputs": inputs}) as record:
        versions = inputs.versions
        record.versions_read.update(versions)
        labels = _labels(lake, versions, config.label_set, record)
        columns = ("person_id", "bucket", "chunk", "units")
        chunks = arrow_tables.read_batches(lake, SEQUENCES, columns, version=versions["sequences"], batch_rows=CHUNKS_A_BATCH)
        found = labelled_people(chunks, labels)
        record.dropped["people: no labelled unit"] += found.people - sum(map(len, found.by_bucket.values()))
        split_at = time_split(found.times, config.past_share)
        examples = (
            example
            for bucket, person_ids in found.by_bucket.items()
            for example in _bucket_examples(lake, versions["sequences"], bucket, person_ids, labels, split_at, config, record)
        )
        record.wrote(EXAMPLES, arrow_tables.overwrite_stream(lake, EXAMPLES, _tables(examples)))


def _labels(lake: LakeConfig, versions: dict[str, int], label_set: list[str] | None, record: RunRecord) -> dict[str, ContentLabel]:
    """Labels whose items are there. All contents' labels are held in memory: three short strings for each."""
    labels = arrow_tables.read(lake, LABELS, ("unit_hash", "teacher_version", "specific", "broad"), version=versions["labels"])
    known = pc.unique(labels["teacher_version"]).to_pylist()
    if label_set is not None:
        absent = sorted(set(label_set) - set(known))
        if absent:
            raise ConfigError(f"trainer.examples.label_set: no labels of teacher version {absent[0]!r}; `labels` has {sorted(known)}")
        labels = labels.filter(pc.is_in(labels["teacher_version"], value_set=pa.array(label_set)))
    chosen = choose_labels(labels)
    items = set(arrow_tables.read(lake, ITEMS, ("item_id",), version=versions["items"])["item_id"].to_pylist())
    usable = {content: label for content, label in chosen.items() if label.specific_item_id in items and label.broad_item_id in items}
    if len(usable) < len(chosen):
        record.dropped["labels: not among items"] = len(chosen) - len(usable)
        logger.warning("%d of %d labels are not among the items; run 'kindred teacher items' first", len(chosen) - len(usable), len(chosen))
    return usable


def _bucket_examples(
    lake: LakeConfig, version: int, bucket: int, person_ids: list[str], labels: dict[str, ContentLabel], split_at: int, config: ExamplesConfig, record: RunRecord
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Examples of one bucket's labelled people; the bucket's rows of these people are held in memory as Arrow, one person as Python."""
    where = (ds.field("bucket") == bucket) & ds.field("person_id").isin(person_ids)
    chunks = arrow_tables.read(lake, SEQUENCES, ("person_id", "chunk", "units"), where=where, version=version)
    rows_by_person: dict[str, list[int]] = {}
    for row in pc.sort_indices(chunks, sort_keys=[("person_id", "ascending"), ("chunk", "ascending")]).to_pylist():
        rows_by_person.setdefault(chunks["person_id"][row].as_py(), []).append(row)
    for person_id, rows in rows_by_person.items():
        history, older_threads = newest_units([chunks["units"][row] for row in rows], config.max_history_units)
        example = person_example(person_id, history, older_threads, labels, split_at, config)
        if isinstance(example, str):
            record.dropped[f"people: {example}"] += 1
            continue
        record.rows["people"] += 1
        record.rows["cuts"] += len(example["cuts"])
        record.rows[f"{example['split']} people"] += 1
        yield example


def newest_units(chunks: Sequence[pa.ListScalar], max_units: int) -> tuple[list[dict[str, Any]], set[str]]:
    """The newest units of a person's chunks (in time), oldest first, and the threads of all that is older."""
    newest: deque[dict[str, Any]] = deque()
    older_threads: set[str | None] = set()
    for chunk in reversed(chunks):
        if len(newest) < max_units:
            newest.extendleft(reversed(chunk.as_py()))
        else:
            older_threads.update(chunk.values.field("thread_id").to_pylist())
    while len(newest) > max_units:
        older_threads.add(newest.popleft()["thread_id"])
    return list(newest), {thread_id for thread_id in older_threads if thread_id is not None}


def _tables(examples: Iterator[dict[str, Any]]) -> Iterator[pa.Table]:
    batch: list[dict[str, Any]] = []
    for example in examples:
        batch.append(example)
        if len(batch) == PEOPLE_A_BATCH:
            yield rows_table(EXAMPLES, batch)
            batch = []
    if batch:
        yield rows_table(EXAMPLES, batch)


if __name__ == "__main__":
    main()
