"""A bucket of `user_vectors` or `item_vectors` under one encoder: what is written already, what becomes of it, and the one commit that replaces it."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from conf.errors import ContractError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.schema import arrow_schema
from lake.table_files import TableFiles, WrittenFile, edited_file
from lake.tables import TableSpec
from serving.vectors import what_to_do

Row = dict[str, Any]
Encode = Callable[[Sequence[Row], Sequence[str]], np.ndarray]
"""Rows and their texts -> vectors (N, D)."""
NOT_DESCRIBED = ("vector", "encoder_version", "bucket")
"""Columns that a row has besides what is said of it."""


@dataclass(frozen=True)
class BucketChange:
    """What becomes of a bucket: files that nobody sees before `commit`, in the place of others (paths), and what was counted. `seen` is all that the bucket held."""

    bucket: int
    seen: frozenset[str]
    added: list[WrittenFile]
    removed: frozenset[str]
    counts: Counter[str]


def commit(lake: LakeConfig, spec: TableSpec, change: BucketChange) -> None:
    """Make a change the bucket's state, in one commit; nothing where nothing changed. Raises ContractError where another has written the bucket meanwhile."""
    if change.added or change.removed:
        arrow_tables.replace_partitions(lake, spec, {"bucket": str(change.bucket)}, change.seen, change.added, change.removed)


@dataclass
class _Part:
    """Rows of some keys as the table has them, and which of them were put. `kept` are those put so far, while nothing has changed."""

    where: ds.Expression
    old: pa.Table
    places: dict[str, int]
    put: set[str] = field(default_factory=set)
    passed_over: set[str] = field(default_factory=set)
    kept: list[int] = field(default_factory=list)


class VectorBucket:
    """One bucket of a table of vectors under one encoder while it is brought up to date.

    Rows come in the order of their keys, part by part (`begin`), some at once (`put`). What a part needs in memory are the rows that the table has of it; what changed is
    encoded, everything else carried over, and where nothing changed nothing is written. Who is not put is gone, under other encoders too. `finish` tells what is to be
    committed; before that nobody sees anything, and leaving without it leaves no more than files that belong to no table.
    """

    def __init__(self, lake: LakeConfig, spec: TableSpec, encoder_version: str, bucket: int, encode: Encode, encoded_columns: Sequence[str]) -> None:
        table = arrow_tables.open_table(lake, spec)
        self._lake, self._spec, self._encoder_version, self._bucket = lake, spec, encoder_version, bucket
        self._encode, self._encoded_columns, self._key = encode, encoded_columns, spec.key[0]
        self._version, self._live = table.version(), arrow_tables.files_of_partitions(table, {"bucket": str(bucket)})
        self._own = [file["path"] for file in self._live if file["partition.encoder_version"] == encoder_version]
        self._columns = [column for column in spec.columns if column not in ("encoder_version", "bucket")]
        self._part: _Part | None = None
        self._unchanged: list[ds.Expression] = []
        self._there: list[pa.Array] = []
        self._files: TableFiles | None = None
        self._last_key: str | None = None
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._files is not None:
            self._files.discard()

    def begin(self, where: ds.Expression) -> None:
        """Whose rows come next: all keys that the expression lets through, none of which another part has."""
        self._end_part()
        old = arrow_tables.read(self._lake, self._spec, self._columns, self._of_encoder(where), self._version) if self._own else self._no_rows()
        self._part = _Part(where, old, {key: place for place, key in enumerate(old[self._key].to_pylist())})

    def put(self, rows: Sequence[Row], texts: Sequence[str]) -> None:
        """Rows of the part as they should stand, all but NOT_DESCRIBED, by ascending keys, and the texts that vectors are made from. Raises ContractError on a key that comes twice."""
        part = self._open_part()
        keys = [row[self._key] for row in rows]
        self._check_order(keys)
        part.put.update(keys)
        places = [part.places.get(key) for key in keys]
        written = iter(part.old.drop_columns("vector").take(pa.array([place for place in places if place is not None], pa.int64())).to_pylist())
        actions = [what_to_do(None if place is None else next(written), row, self._encoded_columns) for place, row in zip(places, rows, strict=True)]
        self.counts.update({"encode": "encoded", "redescribe": "redescribed", "keep": "unchanged"}[action] for action in actions)
        if self._files is None and {*actions} <= {"keep"}:
            part.kept += [place for place in places if place is not None]
            return
        self._start_writing().write(
            self._with_vectors(rows, texts, [place if action != "encode" else None for place, action in zip(places, actions, strict=True)])
        )

    def pass_over(self, keys: Iterable[str]) -> None:
        """Keys of the part that are there, and of which this encoder reads nothing: their rows under other encoders stay."""
        self._open_part().passed_over.update(keys)

    def finish(self) -> BucketChange:
        """What becomes of the bucket, its files written."""
        self._end_part()
        others, emptied = self._others_without_gone()
        added = [] if self._files is None else self._files.finish()
        removed = frozenset([*emptied, *(self._own if self._files is not None else ())])
        return BucketChange(self._bucket, frozenset(file["path"] for file in self._live), [*added, *others], removed, self.counts)

    def _end_part(self) -> None:
        part = self._part
        if part is None:
            return
        gone = part.places.keys() - part.put
        if gone:
            self.counts["removed"] += len(gone)
            self._start_writing()
        self._there.append(pa.array(sorted(part.put | part.passed_over), pa.string()))
        if self._files is None:
            self._unchanged.append(part.where)
        self._part = None

    def _start_writing(self) -> TableFiles:
        """The bucket's new files, with all rows in them that were kept until now."""
        if self._files is None:
            self._files = TableFiles(self._lake, self._spec, uuid4().hex, name_is_unique=True)
            for where in self._unchanged:
                for batch in arrow_tables.read_batches(self._lake, self._spec, self._columns, self._of_encoder(where), self._version):
                    self._files.write(self._stamped(pa.Table.from_batches([batch])))
            part = self._open_part()
            self._files.write(self._stamped(part.old.take(pa.array(part.kept, pa.int64()))))
        return self._files

    def _with_vectors(self, rows: Sequence[Row], texts: Sequence[str], places: Sequence[int | None]) -> pa.Table:
        """Rows of the table; each with the vector of the old row at its place, or where it has none a new one."""
        fresh = [row for row, place in enumerate(places) if place is None]
        carried = [row for row, place in enumerate(places) if place is not None]
        made = self._encode([rows[row] for row in fresh], [texts[row] for row in fresh]) if fresh else None
        old = self._old_vectors([place for place in places if place is not None]) if carried else None
        size = next(found.shape[1] for found in (made, old) if found is not None)
        vectors = np.zeros((len(rows), size), np.float32)
        if made is not None:
            vectors[fresh] = made
        if old is not None:
            vectors[carried] = old
        lists = pa.ListArray.from_arrays(pa.array(np.arange(len(rows) + 1) * size, pa.int32()), pa.array(vectors.ravel()))
        described = pa.Table.from_pylist(list(rows), schema=pa.schema([field for field in arrow_schema(self._spec) if field.name not in NOT_DESCRIBED]))
        return self._stamped(described.append_column("vector", lists))

    def _old_vectors(self, places: Sequence[int]) -> np.ndarray:
        """Vectors (N, D) of old rows of the part, N at least 1."""
        found = self._open_part().old["vector"].take(pa.array(places, pa.int64())).combine_chunks()
        return found.flatten().to_numpy().reshape(len(places), -1)

    def _others_without_gone(self) -> tuple[list[WrittenFile], list[str]]:
        """Files of other encoders in this bucket without those who are gone, written, and the paths of those that they take the place of."""
        there = pa.concat_arrays([pa.array([], pa.string()), *self._there])
        written: list[WrittenFile] = []
        removed: list[str] = []
        for file in self._live:
            path, partition = file["path"], (file["partition.encoder_version"], str(self._bucket))
            found = (
                None
                if path in self._own
                else edited_file(self._lake, self._spec, path, partition, lambda rows: _only(rows, self._key, there), [self._key], uuid4().hex)
            )
            if found is not None:
                written, removed = [*written, *found], [*removed, path]
        return written, removed

    def _stamped(self, rows: pa.Table) -> pa.Table:
        stamped = rows.append_column("encoder_version", pa.repeat(self._encoder_version, len(rows)))
        return stamped.append_column("bucket", pa.repeat(self._bucket, len(rows)))

    def _no_rows(self) -> pa.Table:
        return arrow_schema(self._spec).empty_table().select(self._columns)

    def _of_encoder(self, where: ds.Expression) -> ds.Expression:
        return (ds.field("encoder_version") == self._encoder_version) & (ds.field("bucket") == self._bucket) & where

    def _open_part(self) -> _Part:
        if self._part is None:
            raise RuntimeError("rows are put into a part that is begun")
        return self._part

    def _check_order(self, keys: Sequence[str]) -> None:
        for key in keys:
            if self._last_key is not None and key <= self._last_key:
                raise ContractError(f"{self._spec.name}: {self._key} {key!r} comes twice; its source must have one")
            self._last_key = key


def _only(rows: pa.RecordBatch, key: str, there: pa.Array) -> pa.RecordBatch:
    return rows.filter(pc.is_in(rows[key], value_set=there))


def remove_encoders(lake: LakeConfig, spec: TableSpec, kept: Collection[str]) -> list[str]:
    """Take out the rows of all encoders but those to keep, in one commit that reads none of them; whose they were."""
    live = arrow_tables.live_files(arrow_tables.open_table(lake, spec))
    leaving = {file["path"]: file["partition.encoder_version"] for file in live if file["partition.encoder_version"] not in kept}
    arrow_tables.commit_files(lake, spec, (), removed=leaving.keys())
    return sorted({*leaving.values()})


def remove_buckets(lake: LakeConfig, spec: TableSpec, kept: Collection[int], encoder_version: str) -> int:
    """Take out the rows of all buckets but those to keep, under every encoder, in one commit that reads none of them; how many they were under this one."""
    live = arrow_tables.live_files(arrow_tables.open_table(lake, spec))
    leaving = [file for file in live if int(file["partition.bucket"]) not in kept]
    arrow_tables.commit_files(lake, spec, (), removed={file["path"] for file in leaving})
    return sum(file["num_records"] or 0 for file in leaving if file["partition.encoder_version"] == encoder_version)
