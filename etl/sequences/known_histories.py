"""What earlier runs made of a bucket's people: where a history goes on, and which units must be cut into chunks anew together with new ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from etl.sequences.history_rows import KEPT_COLUMNS, PERSON_ROWS
from lake.config import LakeConfig
from lake.schema import arrow_schema
from lake.table_files import open_parquet
from lake.tables import TableSpec
from lake.units import SEQUENCES, SHORT_SEQUENCES

_HEADS = pa.schema({"person_id": pa.string(), "next_chunk": pa.int64(), "last_at": arrow_schema(SEQUENCES).field("last_at").type})
_CHUNKS_AT_ONCE = 256


class KnownHistories:
    """Histories of one bucket as `files` hold them (paths by the name of their table; none: nobody is known).

    Of people who stand in `sequences`, those of whom a new unit is not later than all that is known are late. All units of theirs, and of people with
    new units in `short_sequences`, are cut anew (`with_known_units`); histories of the others go on (`with_heads`, which must come after).
    """

    def __init__(self, lake: LakeConfig, files: Mapping[str, Sequence[str]]) -> None:
        self._lake, self._files = lake, files
        self._heads = _HEADS.empty_table()

    def with_known_units(self, new: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """New units (PERSON_ROWS), and known ones that are cut anew."""
        first_times = []
        for rows in new:
            if self._files:
                first_times.append(rows.group_by("person_id").aggregate([("created_at", "min")]).rename_columns({"created_at_min": "created_at"}))
            yield rows
        if first_times:
            first_new = pa.concat_tables(first_times).group_by("person_id").aggregate([("created_at", "min")])
            late = self._find_heads(first_new)
            yield from self._units_of(SEQUENCES, late)
            yield from self._units_of(SHORT_SEQUENCES, first_new["person_id"])

    def with_heads(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Units with `next_chunk` and `last_at` of their person's history so far: the number that follows, and its last time; 0 and null without one."""
        for batch in batches:
            person = pc.index_in(batch["person_id"], value_set=self._heads["person_id"])
            next_chunk, last_at = (self._heads[name].take(person).combine_chunks() for name in ("next_chunk", "last_at"))
            yield batch.append_column("next_chunk", next_chunk.fill_null(0)).append_column("last_at", last_at)

    def _find_heads(self, first_new: pa.Table) -> pa.ChunkedArray:
        """Look up where histories of these people go on; those who are late are returned, and have none."""
        found = [_HEADS.empty_table()]
        for path in self._files.get(SEQUENCES.name, ()):
            chunks = open_parquet(self._lake, SEQUENCES, path).read(columns=["person_id", "chunk", "last_at"])
            chunks = chunks.filter(pc.is_in(chunks["person_id"], value_set=first_new["person_id"]))
            next_chunk = pc.add(chunks["chunk"], 1)
            found.append(pa.table([chunks["person_id"], next_chunk, chunks["last_at"]], schema=_HEADS))
        heads = pa.concat_tables(found).group_by("person_id").aggregate([("next_chunk", "max"), ("last_at", "max")])
        heads = heads.rename_columns({"next_chunk_max": "next_chunk", "last_at_max": "last_at"})
        first_times = first_new["created_at_min"].take(pc.index_in(heads["person_id"], value_set=first_new["person_id"]))
        is_late = pc.greater_equal(heads["last_at"], first_times)
        self._heads = heads.filter(pc.invert(is_late))
        return heads.filter(is_late)["person_id"]

    def _units_of(self, spec: TableSpec, people: pa.ChunkedArray) -> Iterator[pa.Table]:
        """Units of these people's chunks in a table."""
        for path in self._files.get(spec.name, ()):
            parquet = open_parquet(self._lake, spec, path)
            for group in range(parquet.num_row_groups):
                if pc.any(pc.is_in(parquet.read_row_group(group, ["person_id"])["person_id"], value_set=people)).as_py():
                    for chunks in parquet.iter_batches(_CHUNKS_AT_ONCE, row_groups=[group], columns=["person_id", "user_ids", "units"]):
                        yield _units_of_chunks(chunks.filter(pc.is_in(chunks["person_id"], value_set=people)), spec)


def _units_of_chunks(chunks: pa.RecordBatch, spec: TableSpec) -> pa.Table:
    units, chunk = chunks["units"].flatten(), pc.list_parent_indices(chunks["units"])
    columns = {name: chunks[name].take(chunk) for name in ("person_id", "user_ids")}
    columns |= {name: units.field(name) for name in KEPT_COLUMNS}
    return pa.table(columns | {"known_in": pa.repeat(pa.scalar(spec.name), len(units))}, schema=PERSON_ROWS)
