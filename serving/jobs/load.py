"""`kindred serving load`: the vectors of the registered encoder into Milvus."""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow.dataset as ds

from conf.arguments import JobArguments
from conf.errors import ContractError, VectorStoreError
from conf.logs import NOTICE, Pace
from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import encoder_version, registered_folder
from lake.job_runs import Inputs, RunRecord, inputs_now, job_run
from lake.vectors import ITEM_VECTORS, USER_VECTORS
from serving import arguments as serving_arguments
from serving.collections import COLLECTIONS, CONTRACT_VERSION, VECTOR, CollectionSpec, as_entity, collection_name, load_id, parse_name
from serving.config import ServingConfig
from serving.milvus import VectorStore, open_store

JOB = "serving load"
SAME_VECTOR = 0.999  # cosine of a vector with itself, with room for an index that rounds

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(serving_arguments.load(argv))


def run_job(arguments: JobArguments) -> None:
    """Load both collections, or do nothing where they hold these vectors already."""
    load(arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig))


def load(lake: LakeConfig, config: ServingConfig) -> None:
    """Fresh collections behind both aliases; nothing where the aliases stand for these very vectors. Raises VectorStoreError."""
    version = encoder_version(registered_folder(lake))
    with open_store(lake, config) as store:
        inputs = inputs_now(lake, (USER_VECTORS, ITEM_VECTORS), settings={"index_type": store.index_type}, encoder_version=version, code=CONTRACT_VERSION)
        drop_unused(store)
        if is_loaded(store, lake, inputs):
            logger.info("%s: Milvus holds these vectors already (encoder %s)", JOB, version)
            return
        with job_run(lake, JOB, {"lake": lake, "serving": config, "inputs": inputs}) as record:
            load_id_now = load_id(datetime.now(UTC), inputs.fingerprint)
            names: dict[str, str] = {collection.alias: collection_name(collection, version, load_id_now) for collection in COLLECTIONS}
            record.versions_read.update(inputs.versions)
            for collection in COLLECTIONS:
                fill(store, lake, config, inputs, collection, names[collection.alias], record)
            move_aliases(store, names)
            drop_unused(store)


def is_loaded(store: VectorStore, lake: LakeConfig, inputs: Inputs) -> bool:
    """Whether both aliases stand for collections made from these inputs, with as many rows as the tables have."""
    for collection in COLLECTIONS:
        target = store.target(collection.alias)
        name = parse_name(target) if target else None
        if target is None or name is None or not name.is_made_from(inputs.fingerprint):
            return False
        if store.count(target) != _row_count(lake, inputs, collection):
            return False
    return True


def fill(store: VectorStore, lake: LakeConfig, config: ServingConfig, inputs: Inputs, collection: CollectionSpec, name: str, record: RunRecord) -> None:
    """A new collection with all vectors of the encoder, checked. Raises ContractError without vectors, VectorStoreError on a failed check."""
    rows = _row_count(lake, inputs, collection)
    if not rows:
        raise ContractError(f"{collection.table.name}: no vectors of the registered encoder {inputs.encoder_version}; run 'kindred serving embed'")
    every = max(1, rows // max(1, config.recall_sample))
    sample: list[dict[str, Any]] = []
    done, pace = 0, Pace()
    for batch in _vector_rows(lake, inputs, collection, config.insert_rows):
        if not done:
            store.create(collection, name, len(batch[0][VECTOR]))
        store.insert(name, [as_entity(collection, row) for row in batch])
        sample += [row for place, row in enumerate(batch, done) if place % every == 0]
        done += len(batch)
        if pace.is_due():
            logger.log(NOTICE, "%s: %d of %d rows", name, done, rows)
    store.seal(name)
    check_collection(store, collection, name, rows, sample[: config.recall_sample], config.min_recall)
    record.rows[collection.alias] = rows


def check_collection(store: VectorStore, collection: CollectionSpec, name: str, rows: int, sample: list[dict[str, Any]], min_recall: float) -> None:
    """Raise VectorStoreError where rows are missing, or a sample of vectors does not find itself."""
    found = store.count(name)
    if found != rows:
        raise VectorStoreError(f"{name}: {found} rows after the load, expected {rows}; the old collection stays in use, run 'kindred serving load' again")
    if not sample:
        return
    hits = store.search(name, [row[VECTOR] for row in sample], limit=10, fields=[collection.key])
    found_itself = [_finds_itself(row[collection.key], row_hits, collection.key) for row, row_hits in zip(sample, hits, strict=True)]
    recall = sum(found_itself) / len(sample)
    if recall < min_recall:
        raise VectorStoreError(f"{name}: {recall:.0%} of {len(sample)} vectors find themselves, expected {min_recall:.0%}; the old collection stays in use")


def move_aliases(store: VectorStore, names: dict[str, str]) -> None:
    """Let apps see the new collections. Between the two moves a query meets old and new of one encoder, or an error where the encoder changed."""
    for alias in ("items", "users"):
        store.point(alias, names[alias])


def drop_unused(store: VectorStore) -> None:
    """Remove every load that no alias stands for: leftovers of a killed run, and what was served before."""
    in_use = {store.target(collection.alias) for collection in COLLECTIONS}
    for name in store.names():
        if parse_name(name) and name not in in_use:
            store.drop(name)
            logger.info("dropped %s, which no alias stands for", name)


def _finds_itself(key: str, hits: list[dict[str, Any]], key_field: str) -> bool:
    """The best hit is the vector itself, or one that cannot be told from it (equal texts have equal vectors)."""
    if not hits or hits[0]["score"] < SAME_VECTOR:
        return False
    return key in {hit[key_field] for hit in hits} or hits[-1]["score"] >= SAME_VECTOR


def _row_count(lake: LakeConfig, inputs: Inputs, collection: CollectionSpec) -> int:
    rows = arrow_tables.read(lake, collection.table, ["encoder_version"], _of(inputs), inputs.version(collection.table))
    return int(rows.num_rows)


def _vector_rows(lake: LakeConfig, inputs: Inputs, collection: CollectionSpec, batch_rows: int) -> Iterator[list[dict[str, Any]]]:
    columns = [VECTOR, *(field.name for field in collection.fields)]
    for batch in arrow_tables.read_batches(lake, collection.table, columns, _of(inputs), inputs.version(collection.table), batch_rows):
        if batch.num_rows:
            yield batch.to_pylist()


def _of(inputs: Inputs) -> ds.Expression:
    return ds.field("encoder_version") == inputs.encoder_version


if __name__ == "__main__":
    main()
