"""`kindred serving load`: the vectors of the registered encoder into Milvus."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from conf.arguments import JobArguments
from conf.errors import ContractError, VectorStoreError
from conf.logs import NOTICE, Pace
from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import EncoderCard, encoder_version, read_card, registered_folder
from lake.job_runs import Inputs, RunRecord, hold_what_was_left, inputs_now, job_run, last_done_run
from lake.labels import LEVELS
from lake.vectors import ITEM_VECTORS, USER_VECTORS
from serving import arguments as serving_arguments
from serving.collections import (
    COLLECTIONS,
    CONTRACT_VERSION,
    ITEMS,
    VECTOR,
    CollectionSpec,
    LoadName,
    PopularityWeights,
    as_entity,
    lake_digits,
    load_name,
)
from serving.config import ServingConfig
from serving.filters import equals
from serving.imports import import_files, remove_leftovers
from serving.jobs import embed
from serving.loads import LOAD_JOB, drop_unused, lake_id, serve, served_here
from serving.milvus import VectorStore, open_store
from serving.recall import BEST, ExactNearest, Row

JOB = LOAD_JOB
UNIT_COUNT_SHARES = (0.5, 0.95)
"""Of the users, below whose unit_count the filters lie that a fresh load is tried with."""

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(serving_arguments.load(argv))


def run_job(arguments: JobArguments) -> None:
    """Load both collections, or do nothing where they hold these vectors already."""
    load(arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig))


def load(lake: LakeConfig, config: ServingConfig) -> None:
    """Fresh collections behind both aliases; nothing where what is served was made of these very vectors.

    Raises ContractError where 'serving embed' was not run to its end for the registered encoder, VectorStoreError on a failed check.
    """
    folder = registered_folder(lake)
    version, weights = encoder_version(folder), popularity_weights(read_card(folder))
    with open_store(lake, config, make=True) as store:
        inputs = inputs_now(
            lake,
            (USER_VECTORS, ITEM_VECTORS),
            settings={"index_type": store.index_type, "popularity_weights": weights},
            encoder_version=version,
            code=CONTRACT_VERSION,
        )
        store.check_takes(COLLECTIONS)
        new = load_name(lake_id(lake), version, datetime.now(UTC), inputs.fingerprint)
        served = served_here(store, new)
        if served is not None and is_loaded(store, lake, inputs, served):
            logger.info("%s: Milvus holds these vectors already (encoder %s)", JOB, version)
            serve(store, served, config.keep_hours)
            return
        check_embedded(lake, inputs)
        with job_run(lake, JOB, {"lake": lake, "serving": config, "inputs": inputs}) as record:
            record.versions_read.update(inputs.versions)
            drop_unused(store, served, new, config.keep_hours)
            remove_leftovers(lake, _import_folder(store, config), lake_digits(lake_id(lake)))
            for collection in COLLECTIONS:
                fill(store, lake, config, inputs, collection, new.of(collection), weights, record)
            serve(store, new, config.keep_hours)


def popularity_weights(card: EncoderCard) -> PopularityWeights:
    """What the logarithm of an item's count weighs beside an encoder's cosine, by level; 0 where the encoder tells nothing of it."""
    return {level: card.popularity_weight(level) or 0.0 for level in LEVELS}


def check_embedded(lake: LakeConfig, inputs: Inputs) -> None:
    """Raise ContractError where the tables do not hold what a finished 'serving embed' of this encoder left: a part of the people would be served as all."""
    for collection in COLLECTIONS:
        if not _row_count(lake, inputs, collection):
            raise ContractError(f"{collection.table.name}: no vectors of the registered encoder {inputs.encoder_version}; run 'kindred serving embed'")
    run = last_done_run(lake, embed.JOB)
    embedded = None if run is None or run.inputs is None else run.inputs.encoder_version
    if run is None or embedded != inputs.encoder_version or not hold_what_was_left(lake, run, (USER_VECTORS, ITEM_VECTORS)):
        raise ContractError(
            f"{USER_VECTORS.name}, {ITEM_VECTORS.name}: not what a finished 'kindred serving embed' of the registered encoder {inputs.encoder_version} left there: "
            "the last one was cut off, or somebody has written since; run it again"
        )


def is_loaded(store: VectorStore, lake: LakeConfig, inputs: Inputs, served: LoadName) -> bool:
    """Whether what is served was made from these inputs, with as many rows as the tables have."""
    names = store.names()
    return served.is_made_from(inputs.fingerprint) and all(
        served.of(collection) in names and store.count(served.of(collection)) == _row_count(lake, inputs, collection) for collection in COLLECTIONS
    )


def fill(
    store: VectorStore, lake: LakeConfig, config: ServingConfig, inputs: Inputs, collection: CollectionSpec, name: str, weights: PopularityWeights,
    record: RunRecord,
) -> None:  # fmt: skip
    """A new collection with all vectors of the encoder, checked; `weights` are what popularity weighs beside them. Raises VectorStoreError on a failed check."""
    rows = _row_count(lake, inputs, collection)
    sample = _sample(lake, inputs, collection, rows, config.recall_sample)
    checks = [ExactNearest(sample, *each) for each in _filters(lake, inputs, collection)] if len(sample) else []
    done, pace = 0, Pace()
    with _taking_rows(store, lake, config, collection, name, rows) as take:
        for batch in _vector_rows(lake, inputs, collection, config.insert_rows):
            if not done:
                store.create(collection, name, len(batch[0][VECTOR]))
            take([as_entity(collection, row, weights) for row in batch])
            vectors = np.array([row[VECTOR] for row in batch], np.float32)
            for check in checks:
                check.add(batch, vectors)
            done += len(batch)
            if pace.is_due():
                logger.log(NOTICE, "%s: %d of %d rows", name, done, rows)
    store.seal(name, config.build_minutes)
    check_collection(store, collection, name, rows, sample, checks, config.min_recall)
    record.rows[collection.alias] = rows


@contextmanager
def _taking_rows(
    store: VectorStore, lake: LakeConfig, config: ServingConfig, collection: CollectionSpec, name: str, rows: int
) -> Iterator[Callable[[list[dict[str, Any]]], None]]:  # fmt: skip
    """What takes the rows of a new collection; at the end all of them are in it: sent, or written where the server imports them from."""
    folder = _import_folder(store, config)
    if folder is None:
        yield partial(store.insert, name)
        return
    with import_files(lake, folder, collection, name) as files:
        yield files.write
        files.close()
        store.bulk_import(name, files.names, rows, config.build_minutes)


def _import_folder(store: VectorStore, config: ServingConfig) -> str | None:
    """Where a server imports from; None where rows are sent."""
    return None if store.is_lite else config.import_folder


def check_collection(
    store: VectorStore, collection: CollectionSpec, name: str, rows: int, sample: np.ndarray, checks: Sequence[ExactNearest], min_recall: float
) -> None:  # fmt: skip
    """Raise VectorStoreError where rows are missing, or the index finds too few of the rows that are nearest to a sample of vectors (Q, D)."""
    found = store.count(name)
    if found != rows:
        raise VectorStoreError(f"{name}: {found} rows after the load, expected {rows}; the old collection stays in use, run 'kindred serving load' again")
    for check in checks:
        hits = store.search(name, sample.tolist(), BEST, check.where, [collection.key], just_filled=True)
        recall = check.recall([[hit["score"] for hit in of_vector] for of_vector in hits])
        asked = f"with {check.where}" if check.where else "of all"
        logger.info("%s: %.3f of the %d nearest found, %s (%d rows)", name, recall, BEST, asked, check.rows)
        if recall < min_recall:
            raise VectorStoreError(
                f"{name}: {recall:.0%} of the {BEST} nearest rows found, {asked}, expected {min_recall:.0%}; the old collection stays in use; raise serving.search_ef"
            )


def _sample(lake: LakeConfig, inputs: Inputs, collection: CollectionSpec, rows: int, size: int) -> np.ndarray:
    """Vectors (Q, D) evenly out of the table."""
    wanted, place = np.unique(np.arange(size) * rows // max(1, size)), 0
    sample: list[list[float]] = []
    for batch in arrow_tables.read_batches(lake, collection.table, [VECTOR], _of(inputs), inputs.version(collection.table)):
        chosen = wanted[(place <= wanted) & (wanted < place + batch.num_rows)] - place
        sample += batch[VECTOR].take(pa.array(chosen)).to_pylist()
        place += batch.num_rows
    return np.array(sample, np.float32)


def _filters(lake: LakeConfig, inputs: Inputs, collection: CollectionSpec) -> Iterator[tuple[str, Callable[[Row], bool]]]:
    """Filters that a fresh collection is tried with, as Milvus reads them and as a row is asked: none, and such as apps use."""
    yield "", lambda row: True
    if collection is ITEMS:
        for level in LEVELS:
            yield equals("level", level), partial(_has_level, level)
        return
    counts = arrow_tables.read(lake, collection.table, ["unit_count"], _of(inputs), inputs.version(collection.table))["unit_count"].to_numpy()
    for least in sorted({int(count) for count in np.quantile(counts, UNIT_COUNT_SHARES)}):
        yield f"unit_count >= {least}", partial(_has_units, least)


def _has_level(level: str, row: Row) -> bool:
    return bool(row["level"] == level)


def _has_units(least: int, row: Row) -> bool:
    return bool(row["unit_count"] >= least)


def _row_count(lake: LakeConfig, inputs: Inputs, collection: CollectionSpec) -> int:
    return arrow_tables.count_rows(lake, collection.table, _of(inputs), inputs.version(collection.table))


def _vector_rows(lake: LakeConfig, inputs: Inputs, collection: CollectionSpec, batch_rows: int) -> Iterator[list[dict[str, Any]]]:
    """Rows of the table, so many at once: a file may have few, and Milvus takes many at once more easily."""
    columns = [VECTOR, *(field.name for field in collection.fields)]
    waiting: list[dict[str, Any]] = []
    for batch in arrow_tables.read_batches(lake, collection.table, columns, _of(inputs), inputs.version(collection.table), batch_rows):
        waiting += batch.to_pylist()
        if len(waiting) >= batch_rows:
            yield waiting[:batch_rows]
            waiting = waiting[batch_rows:]
    if waiting:
        yield waiting


def _of(inputs: Inputs) -> ds.Expression:
    return ds.field("encoder_version") == inputs.encoder_version


if __name__ == "__main__":
    main()
