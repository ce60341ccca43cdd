"""`kindred serving embed`: vectors of people and items under the registered encoder."""

import logging
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset as ds

from conf.arguments import JobArguments
from conf.errors import ContractError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import Encoder, EncoderCard, encoder_version, load_encoder, read_card, registered_folder
from lake.examples import PERSON_LABELS
from lake.job_runs import Inputs, RunRecord, done_runs, inputs_now, job_run, last_run_of
from lake.labels import ITEMS, LEVELS
from lake.presence import has_table
from lake.rendering import READS_LABELS
from lake.units import SEQUENCES
from lake.vectors import ITEM_VECTORS, USER_VECTORS
from serving import arguments as serving_arguments
from serving.config import ServingConfig
from serving.vector_tables import Row, VectorTable
from serving.vectors import Person, describe_person, labels_by_person, persons

JOB = "serving embed"
NO_LABEL = "people: no label to read"

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
    reads = (SEQUENCES, ITEMS, PERSON_LABELS) if reads_labels(lake, read_card(folder)) else (SEQUENCES, ITEMS)
    inputs = inputs_now(lake, reads=reads, encoder_version=encoder_version(folder))
    if last_run_of(lake, JOB, inputs, writes=(USER_VECTORS, ITEM_VECTORS)):
        logger.info("%s: nothing changed since the last run (encoder %s)", JOB, inputs.encoder_version)
        return
    with job_run(lake, JOB, {"lake": lake, "serving": config, "inputs": inputs}) as record:
        encoder = load_encoder(folder, config.device)
        record.versions_read.update(inputs.versions)
        kept = encoders_to_keep(lake, config.keep_hours)
        embed_users(lake, config, encoder, inputs, record, kept)
        embed_items(lake, config, encoder, inputs, record, kept)
        for spec in (USER_VECTORS, ITEM_VECTORS):
            record.wrote(spec, arrow_tables.table_version(lake, spec))


def reads_labels(lake: LakeConfig, card: EncoderCard) -> bool:
    """Whether an encoder reads people's labels. Raises ContractError where it does and there are none."""
    if card.query_format not in READS_LABELS:
        return False
    if not has_table(lake, PERSON_LABELS) or not arrow_tables.count_rows(lake, PERSON_LABELS):
        raise ContractError(
            f"person_labels: this encoder reads histories as {card.query_format!r}, and nobody has labels; label units, then run 'kindred trainer examples'"
        )
    return True


def encoders_to_keep(lake: LakeConfig, keep_hours: float) -> set[str]:
    """Versions of the encoders that another took the place of so lately that one may want to go back to them: however long ago they were embedded, until then they were served."""
    replaced_at, kept = datetime.now(UTC), set[str]()
    since = replaced_at - timedelta(hours=keep_hours)
    for run in done_runs(lake, JOB):
        if replaced_at <= since:
            break
        if run.inputs and run.inputs.encoder_version:
            kept.add(run.inputs.encoder_version)
        replaced_at = run.ended_at
    return kept


def embed_users(lake: LakeConfig, config: ServingConfig, encoder: Encoder, inputs: Inputs, record: RunRecord, kept: Collection[str] = ()) -> None:
    """Bring `user_vectors` up to date: each person's newest history that fits the encoder. Who has nothing that it reads has no vector, and is counted."""

    def encode(_: Sequence[Row], texts: Sequence[str]) -> np.ndarray:
        return encoder.encode_texts(texts, "query", config.user_batch_size)

    table = VectorTable(lake, USER_VECTORS, encoder.version, encode, ("history_hash",), config.rows_per_commit)
    unread = 0
    for person in _people(lake, inputs):
        text, encoded_units = encoder.history_text(person.history)
        if encoded_units:
            table.put(describe_person(person, text, encoded_units, encoder.card.query_format), text)
        else:
            table.pass_over(person.person_id)
            unread += 1
    table.finish()
    table.remove_encoders(kept)
    record.rows.update({f"users {what}": count for what, count in table.counts.items()})
    if unread:
        record.dropped[NO_LABEL] += unread
        logger.warning("%d people get no vector: none of their units has a label, and encoder %s reads nothing else", unread, encoder.version)


def embed_items(lake: LakeConfig, config: ServingConfig, encoder: Encoder, inputs: Inputs, record: RunRecord, kept: Collection[str] = ()) -> None:
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
    table.remove_encoders(kept)
    record.rows.update({f"items {what}": count for what, count in table.counts.items()})


def _people(lake: LakeConfig, inputs: Inputs) -> Iterator[Person]:
    """All people of `sequences`, with their labels where those are among the inputs, one bucket in memory at a time."""
    version = inputs.version(SEQUENCES)
    buckets = {bucket for batch in arrow_tables.read_batches(lake, SEQUENCES, ["bucket"], version=version) for bucket in pc.unique(batch["bucket"]).to_pylist()}
    columns = ("person_id", "chunk", "units", "user_ids", "last_at")
    for bucket in sorted(buckets):
        where, labels = ds.field("bucket") == bucket, {}
        if PERSON_LABELS.name in inputs.tables:
            of_units = ("person_id", "unit_id", "specific", "broad")
            labels = labels_by_person(arrow_tables.read(lake, PERSON_LABELS, of_units, where, inputs.version(PERSON_LABELS)))
        yield from persons(arrow_tables.read(lake, SEQUENCES, columns, where, version), labels)


if __name__ == "__main__":
    main()
