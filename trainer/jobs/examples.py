"""Entry point of `kindred trainer examples`."""

import logging
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from conf.arguments import JobArguments
from conf.errors import ConfigError
from lake import arrow_tables
from lake.chunk_parts import CHUNKS_A_BATCH, bytes_of_buckets, chunks_in_parts
from lake.config import LakeConfig
from lake.examples import EXAMPLES, PERSON_LABELS, topics_of
from lake.job_runs import RunRecord, inputs_now, job_run, last_run_of
from lake.judgements import JUDGEMENTS
from lake.labels import ITEMS, LABELS, LABELS_SOURCE, NORMALISING_VERSION, is_label
from lake.presence import has_table
from lake.table_files import TableFiles
from lake.units import SEQUENCES
from trainer import arguments as trainer_arguments
from trainer.config import ExamplesConfig, TrainerConfig
from trainer.examples.catalogue import NO_CATALOGUE, Catalogue, catalogue_of
from trainer.examples.cuts import Numbers
from trainer.examples.held_out_topics import NO_WORDS, TopicTitles, unknown_names
from trainer.examples.judgements import Judged, judged_by_query
from trainer.examples.people import TimeSplit, examples_of, people_of, people_of_place, title_keys, titles_by_role
from trainer.examples.person_labels import Times, label_index, labelled_units
from trainer.fingerprint import EXAMPLES_VERSION, examples_settings
from trainer.topics import topic_labels

logger = logging.getLogger(__name__)
JOB = "trainer examples"
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
    reads = (SEQUENCES, *(spec for spec in (LABELS, JUDGEMENTS) if has_table(lake, spec)), *((ITEMS,) if has_catalogue(lake) else ()))
    settings = examples_settings(config)
    inputs = inputs_now(lake, reads=reads, settings=settings, code=f"{EXAMPLES_VERSION} {NORMALISING_VERSION}")
    if last_run_of(lake, JOB, inputs, writes=(PERSON_LABELS, EXAMPLES)):
        logger.info("%s: nothing changed since the last run, nothing to do", JOB)
        return
    with job_run(lake, JOB, {"trainer.examples": config, "inputs": inputs}) as record:
        versions = inputs.versions
        record.versions_read.update(versions)
        of_labelled, of_all = Times(), Times()
        titles = titles_of_topics(lake, versions, config, record)
        labelled = arrow_tables.overwrite_stream(lake, PERSON_LABELS, _labelled(lake, versions, config, of_labelled, of_all, titles))
        record.wrote(PERSON_LABELS, labelled)
        split = time_split(of_labelled if of_labelled.counts and not config.held_out_acts else of_all, config)
        catalogue = read_catalogue(lake, versions.get("items"), config)
        of_topics = NO_WORDS if titles is None else titles.words()
        record.rows.update({} if titles is None else {"labelled units of held-out topics": titles.units})
        record.wrote(EXAMPLES, write_examples(lake, versions, labelled, split, config, record, catalogue, of_topics))


def titles_of_topics(lake: LakeConfig, versions: Mapping[str, int], config: ExamplesConfig, record: RunRecord) -> TopicTitles | None:
    """The labels of the topics that are held out, with no title yet; None where none are. Raises ConfigError for topics that no label has."""
    topics = topics_of(config.held_out_topics)
    if topics is None:
        return None
    labels = topic_labels(_label_batches(lake, versions, config, ("teacher_version", "specific", "broad")), topics)
    unknown = unknown_names(topics, labels)
    if unknown or not labels.broad:
        asked = f"no label has the broad {unknown[0]!r}" if unknown else f"none of {labels.broad_in_all} broad labels falls into a share of {topics}"
        raise ConfigError(f"trainer.examples.held_out_topics: {asked}; label units first, raise the share, or name broad labels as `labels` has them")
    logger.info(
        "%d of %d broad labels are held out, and %d specific ones beside them", len(labels.broad), labels.broad_in_all, len(labels.keys) - len(labels.broad)
    )
    record.rows.update({"broad labels held out": len(labels.broad), "broad labels": labels.broad_in_all})
    return TopicTitles(labels)


def time_split(times: Times, config: ExamplesConfig) -> TimeSplit:
    """When the future begins by these times, and the acts to choose an encoder by where acts are held out."""
    return TimeSplit(times.quantile(config.past_share), times.quantile(max(0.0, config.past_share - config.validation_share)))


def has_catalogue(lake: LakeConfig) -> bool:
    """Whether `items` has any of an app: of labels' items examples need nothing, and a new label alone makes none anew."""
    return has_table(lake, ITEMS) and arrow_tables.count_rows(lake, ITEMS, _OF_APPS) > 0


def read_catalogue(lake: LakeConfig, version: int | None, config: ExamplesConfig) -> Catalogue:
    """The items of apps in a version of `items`; none without one."""
    if version is None:
        return NO_CATALOGUE
    columns = ("item_id", "source", "external_id", "text")
    return catalogue_of(arrow_tables.read_batches(lake, ITEMS, columns, _OF_APPS, version), config.catalogue_ids)


def _labelled(
    lake: LakeConfig, versions: dict[str, int], config: ExamplesConfig, of_labelled: Times, of_all: Times, of_topics: TopicTitles | None
) -> Iterator[pa.Table]:  # fmt: skip
    """Rows of `person_labels`; each part of the labels is a pass over all histories."""
    ranks = label_ranks(lake, versions["labels"], config.label_set) if "labels" in versions else {}
    parts = max(1, -(-sum(ranks.values()) // config.labels_at_once))
    order = {version: rank for rank, version in enumerate(sorted(ranks, key=lambda version: (-ranks[version], version)))}
    for part in range(parts):
        columns = ("unit_hash", "teacher_version", "specific", "broad")
        labels = label_index(arrow_tables.read_batches(lake, LABELS, columns, is_label(), versions["labels"]) if ranks else (), order, part, parts)
        chunks = arrow_tables.read_batches(lake, SEQUENCES, ("person_id", "bucket", "units"), version=versions["sequences"], batch_rows=CHUNKS_A_BATCH)
        for units, rows in labelled_units(chunks, labels, of_labelled, None if part else of_all):
            if of_topics is not None:
                of_topics.see(rows, title_keys(pc.coalesce(*titles_by_role(units))))
            yield rows


def _label_batches(lake: LakeConfig, versions: Mapping[str, int], config: ExamplesConfig, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Labels of the teacher versions that count; none where there is no such table."""
    if LABELS.name in versions:
        counted = pa.array(label_ranks(lake, versions[LABELS.name], config.label_set), pa.string())
        for batch in arrow_tables.read_batches(lake, LABELS, columns, is_label(), versions[LABELS.name]):
            yield batch.filter(pc.is_in(batch["teacher_version"], value_set=counted))


def label_ranks(lake: LakeConfig, version: int, label_set: list[str] | None) -> dict[str, int]:
    """How many labels each teacher version that counts has given. Raises ConfigError for one of the label set that is not there."""
    counts: Counter[str] = Counter()
    for batch in arrow_tables.read_batches(lake, LABELS, ("teacher_version",), is_label(), version):
        counts.update({each["values"]: each["counts"] for each in pc.value_counts(batch["teacher_version"]).to_pylist()})
    absent = sorted(set(label_set or ()) - set(counts))
    if absent:
        raise ConfigError(f"trainer.examples.label_set: no labels of teacher version {absent[0]!r}; `labels` has {sorted(counts)}")
    return {name: counts[name] for name in (counts if label_set is None else label_set)}


def write_examples(
    lake: LakeConfig, versions: Mapping[str, int], labelled: int, split: TimeSplit, config: ExamplesConfig, record: RunRecord, catalogue: Catalogue,
    of_topics: Numbers = NO_WORDS,
) -> int:  # fmt: skip
    """Replace `examples`, bucket by bucket, in one commit; the version that it gets.

    `versions` (table -> Delta version) and `labelled`, that of `person_labels`, are what is read: what another run writes meanwhile counts nothing. `of_topics` are the answer_keys of what is
    held out with some topics.
    """
    version = versions["sequences"]
    files = TableFiles(lake.model_copy(update={"write_buffer_mb": ROW_GROUP_MB}), EXAMPLES, uuid.uuid4().hex, name_is_unique=True)
    for bucket, size in bytes_of_buckets(lake, version).items():
        for where, chunks in chunks_in_parts(lake, version, bucket, size, config.memory_mb * 2**20):
            people = people_of(chunks, arrow_tables.read(lake, PERSON_LABELS, where=where, version=labelled), catalogue)
            judged = read_judgements(lake, people.person_ids, versions.get("judgements"))
            for rows in row_groups(examples_of(people, split, config, record.rows, record.dropped, judged, of_topics)):
                files.write(rows)
    for community in config.held_out_communities:
        if not record.rows[people_of_place(community)]:
            files.discard()
            raise ConfigError(f"trainer.examples.held_out_communities: nobody with an example ever acted in {community!r}; names are as in `sequences`")
    if config.held_out_acts and not record.rows["people with test acts held out"]:
        files.discard()
        raise ConfigError(
            f"trainer.examples.held_out_acts {config.held_out_acts!r}: nobody acts on an item of a catalogue there, with {config.min_past_units} units before; import the items with "
            "'kindred teacher import-items', or lower past_share"
        )
    written = files.finish()
    arrow_tables.made_anew(lake, EXAMPLES)  # not before: it takes an older program's rows away
    return arrow_tables.replace_by_files(lake, EXAMPLES, written)


def read_judgements(lake: LakeConfig, person_ids: Sequence[str], version: int | None) -> Judged:
    """What was judged for these people's units and histories; nothing where there is no such table."""
    if version is None:
        return {}
    columns = ("query_id", "item_id", "level", "text", "grade")
    return judged_by_query(arrow_tables.read(lake, JUDGEMENTS, columns, ds.field("person_id").isin(list(person_ids)), version).to_pylist())


def row_groups(rows: pa.Table) -> Iterator[pa.Table]:
    """The rows in their order, some ROW_GROUP_MB at once: all that a file is given at once becomes one row group, and a window of training holds whole ones."""
    people = max(1, ROW_GROUP_MB * 2**20 * len(rows) // max(1, rows.nbytes))
    yield from (rows.slice(start, people) for start in range(0, len(rows), people))


if __name__ == "__main__":
    main()
