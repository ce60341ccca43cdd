"""Histories and items of a bucket -> what becomes of its vectors; the same whether one process works on all buckets or tasks of Spark on one each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from lake import arrow_tables
from lake.chunk_parts import bytes_of_buckets, chunks_in_parts
from lake.config import LakeConfig
from lake.encoder import Encoder
from lake.examples import PERSON_LABELS
from lake.job_runs import Inputs
from lake.labels import ITEMS, LEVELS
from lake.schema import arrow_schema
from lake.tables import TableSpec
from lake.units import SEQUENCES
from lake.vectors import ITEM_VECTORS, USER_VECTORS, item_bucket
from serving.vector_tables import BucketChange, Row, VectorBucket
from serving.vectors import Labels, Person, describe_person, labels_by_person, persons

ROWS_AT_ONCE = 4096
"""People or items whose texts are held and encoded together: enough for texts of one length to come together."""
ITEMS_OF_PART = 65_536
NO_LABEL = "no label"
"""What is counted of people of whom an encoder reads nothing."""
CHUNK_COLUMNS = ("person_id", "chunk", "units", "user_ids", "last_at")
ITEM_COLUMNS = ("item_id", "source", "level", "text", "label_count")


@dataclass(frozen=True)
class Sources:
    """What vectors are made of: the lake at the versions of the inputs, and how much of a bucket is held at once."""

    lake: LakeConfig
    inputs: Inputs
    part_bytes: int
    item_buckets: int

    def buckets(self, spec: TableSpec) -> dict[int, int]:
        """The buckets that a table of vectors is to have, and how many bytes of files each is read from; 0 where nobody knows."""
        return bytes_of_buckets(self.lake, self.inputs.version(SEQUENCES)) if spec == USER_VECTORS else dict.fromkeys(range(self.item_buckets), 0)


def bucket_change(sources: Sources, spec: TableSpec, bucket: int, size: int, encoder: Encoder) -> BucketChange:
    """What becomes of a bucket of people or items, read from so many bytes. Raises ContractError where an item comes twice."""
    return people_change(sources, bucket, size, encoder) if spec == USER_VECTORS else items_change(sources, bucket, encoder)


def people_change(sources: Sources, bucket: int, size: int, encoder: Encoder) -> BucketChange:
    """What becomes of a bucket of `user_vectors`: each person's newest history that fits the encoder. Who has nothing that it reads has no vector, and is counted."""

    def encode(_: Sequence[Row], texts: Sequence[str]) -> np.ndarray:
        return encoder.encode_texts(texts, "query")

    query_format = encoder.card.query_format
    with VectorBucket(sources.lake, USER_VECTORS, encoder.version, bucket, encode, ("history_hash",)) as vectors:
        for where, chunks in chunks_in_parts(sources.lake, sources.inputs.version(SEQUENCES), bucket, size, sources.part_bytes, CHUNK_COLUMNS):
            vectors.begin(where)
            for people in _some(persons(chunks, _labels(sources, where))):
                found = [(person, *encoder.history_text(person.history)) for person in people]
                read = [(describe_person(person, text, units, query_format), text) for person, text, units in found if units]
                vectors.put([row for row, _ in read], [text for _, text in read])
                vectors.pass_over(person.person_id for person, _, units in found if not units)
                vectors.counts[NO_LABEL] += len(found) - len(read)
        return vectors.finish()


def items_change(sources: Sources, bucket: int, encoder: Encoder) -> BucketChange:
    """What becomes of a bucket of `item_vectors`. Raises ContractError where an item comes twice."""

    def encode(rows: Sequence[Row], texts: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(rows), encoder.dimension), np.float32)
        for level in (*LEVELS, None):
            places = [place for place, row in enumerate(rows) if row["level"] == level]
            if places:
                vectors[places] = encoder.encode_items([texts[place] for place in places], level)
        return vectors

    items = _items(sources, bucket)
    bounds = [None, *(items["item_id"][row].as_py() for row in range(ITEMS_OF_PART, len(items), ITEMS_OF_PART)), None]
    with VectorBucket(sources.lake, ITEM_VECTORS, encoder.version, bucket, encode, ("text", "level")) as vectors:
        for part, (first, after) in enumerate(pairwise(bounds)):
            vectors.begin(_between("item_id", first, after))
            rows = items.slice(part * ITEMS_OF_PART, ITEMS_OF_PART)
            for batch in rows.to_batches(max_chunksize=ROWS_AT_ONCE):
                vectors.put(batch.to_pylist(), batch["text"].to_pylist())
        return vectors.finish()


def _some(people: Iterator[Person]) -> Iterator[list[Person]]:
    """People, ROWS_AT_ONCE together."""
    while some := list(islice(people, ROWS_AT_ONCE)):
        yield some


def _labels(sources: Sources, where: ds.Expression) -> Mapping[str, Labels]:
    """The labels of people, where those are among the inputs."""
    if PERSON_LABELS.name not in sources.inputs.tables:
        return {}
    columns = ("person_id", "unit_id", "specific", "broad")
    return labels_by_person(arrow_tables.read(sources.lake, PERSON_LABELS, columns, where, sources.inputs.version(PERSON_LABELS)))


def _items(sources: Sources, bucket: int) -> pa.Table:
    """The items of a bucket, by `item_id`: `items` is read through for each, which is little beside encoding them."""
    schema = pa.schema([arrow_schema(ITEMS).field(column) for column in ITEM_COLUMNS])
    return pa.Table.from_batches(list(_items_of_bucket(sources, bucket)), schema).sort_by("item_id").combine_chunks()


def _items_of_bucket(sources: Sources, bucket: int) -> Iterator[pa.RecordBatch]:
    for batch in arrow_tables.read_batches(sources.lake, ITEMS, ITEM_COLUMNS, version=sources.inputs.version(ITEMS)):
        in_bucket = [item_bucket(item_id, sources.item_buckets) == bucket for item_id in batch["item_id"].to_pylist()]
        yield batch.filter(pa.array(in_bucket, pa.bool_()))


def _between(column: str, first: str | None, after: str | None) -> ds.Expression:
    """The values from the first on and before another; None is no bound."""
    where = ds.scalar(True) if first is None else ds.field(column) >= first
    return where if after is None else where & (ds.field(column) < after)
