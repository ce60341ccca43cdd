"""`kindred serving embed`: vectors of people and items under the registered encoder."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset as ds

from conf.arguments import JobArguments
from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import Encoder, encoder_version, load_encoder, registered_folder
from lake.job_runs import Inputs, RunRecord, inputs_now, job_run, last_run_of
from lake.labels import ITEMS, LEVELS
from lake.units import SEQUENCES
from lake.vectors import ITEM_VECTORS, USER_VECTORS
from serving import arguments as serving_arguments
from serving.config import ServingConfig
from serving.vector_tables import Row, VectorTable
from serving.vectors import Person, describe_person, persons

JOB = "serving embed"

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(serving_arguments.embed(argv))


def run_job(arguments: JobArguments) -> None:
    """Bring both tables of vectors up to date."""
    embed(arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig))


def embed(lake: LakeConfig, config: ServingConfig) -> None:
    """Write the vectors of all people and items. Does nothing, and loads no model, where the last run had the same inputs.

    Settings are none of them: those of serving change how fast vectors are made, not the vectors.
    """
    folder = registered_folder(lake)
    inputs = inputs_now(lake, reads=(SEQUENCES, ITEMS), encoder_version=encoder_version(folder))
    if last_run_of(lake, JOB, inputs, writes=(USER_VECTORS, ITEM_VECTORS)):
        logger.info("%s: nothing changed since the last run (encoder %s)", JOB, inputs.encoder_version)
        return
    with job_run(lake, JOB, {"lake": lake, "serving": config, "inputs": inputs}) as record:
        encoder = load_encoder(folder, config.device)
        record.versions_read.update(inputs.versions)
        embed_users(lake, config, encoder, inputs, record)
        embed_items(lake, config, encoder, inputs, record)
        for spec in (USER_VECTORS, ITEM_VECTORS):
            record.wrote(spec, arrow_tables.table_version(lake, spec))


def embed_users(lake: LakeConfig, config: ServingConfig, encoder: Encoder, inputs: Inputs, record: RunRecord) -> None:
    """Bring `user_vectors` up to date: each person's newest history that fits the encoder."""

    def encode(_: Sequence[Row], texts: Sequence[str]) -> np.ndarray:
        return encoder.encode_texts(texts, "query", config.user_batch_size)

    table = VectorTable(lake, USER_VECTORS, encoder.version, encode, ("history_hash",), config.rows_per_commit)
    for person in _people(lake, inputs.version(SEQUENCES)):
        text, encoded_units = encoder.history_text(person.history)
        table.put(describe_person(person, text, encoded_units), text)
    table.finish()
    record.rows.update({f"users {what}": count for what, count in table.counts.items()})


def embed_items(lake: LakeConfig, config: ServingConfig, encoder: Encoder, inputs: Inputs, record: RunRecord) -> None:
    """Bring `item_vectors` up to date."""

    def encode(rows: Sequence[Row], texts: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(rows), encoder.dimension), np.float32)
        for level in (*LEVELS, None):
            places = [place for place, row in enumerate(rows) if row["level"] == level]
            if places:
                vectors[places] = encoder.encode_items([texts[place] for place in places], level, config.item_batch_size)
        return vectors

    table = VectorTable(lake, ITEM_VECTORS, encoder.version, encode, ("text", "level"), config.rows_per_commit)
    columns = ("item_id", "source", "level", "text", "label_count")
    for batch in arrow_tables.read_batches(lake, ITEMS, columns, version=inputs.version(ITEMS)):
        for row in batch.to_pylist():
            table.put(row, row["text"])
    table.finish()
    record.rows.update({f"items {what}": count for what, count in table.counts.items()})


def _people(lake: LakeConfig, version: int) -> Iterator[Person]:
    """All people of `sequences`, one bucket in memory at a time."""
    buckets = {bucket for batch in arrow_tables.read_batches(lake, SEQUENCES, ["bucket"], version=version) for bucket in pc.unique(batch["bucket"]).to_pylist()}
    columns = ("person_id", "chunk", "units", "user_ids", "last_at")
    for bucket in sorted(buckets):
        yield from persons(arrow_tables.read(lake, SEQUENCES, columns, ds.field("bucket") == bucket, version))


if __name__ == "__main__":
    main()
