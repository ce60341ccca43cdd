"""What a sample is picked from: the units of histories out of `sequences`, without their texts, and the languages of people out of `units` (edge).

In memory stand UNITS_AT_ONCE units of one bucket of `sequences` at a time, about a kilobyte each while they are sorted, and one row group of a file; or the accounts of one partition of
`units`. A bucket with more units is read several times.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lake import arrow_tables
from lake.config import LakeConfig
from lake.table_files import open_parquet
from lake.units import SEQUENCES, UNITS
from teacher.sample.picking import LanguageCounts, Languages, number_of
from teacher.selected_units import identities_of, partitions
from teacher.selection import with_persons

UNITS_AT_ONCE = 1_000_000
_UNIT = "units.list.element."
_FIELDS = {
    "unit_id": pa.string(), "unit_hash": pa.string(), "duplicate_group": pa.string(), "created_at": pa.timestamp("us", "UTC"), "platform": pa.string(),
    "thread_id": pa.string(), "community": pa.string(),
}  # fmt: skip


def histories(lake: LakeConfig, version: int) -> Iterator[pa.Table]:
    """The units of all people, some people at a time, those of one person together: person_id, content, and _FIELDS but for the hashes."""
    files: dict[int, list[str]] = {}
    for file in arrow_tables.live_files(arrow_tables.open_table(lake, SEQUENCES, version)):
        files.setdefault(int(file["partition.bucket"]), []).append(file["path"])
    for _, paths in sorted(files.items()):
        parts = -(-sum(_units_in_file(lake, path) for path in paths) // UNITS_AT_ONCE)
        for part in range(parts):
            yield pa.concat_tables([units for path in paths for units in _units_of_file(lake, path, part, parts)]).combine_chunks()


def languages_of(lake: LakeConfig, version: int) -> Languages:
    """The main language of everybody whose units tell one."""
    counts, identities = LanguageCounts(), identities_of(lake)
    for where in partitions(lake, version):
        told = arrow_tables.read(lake, UNITS, ("user_id", "language"), where & ds.field("language").is_valid(), version)
        counts.add(with_persons(told, identities))
    return counts.main()


def _units_in_file(lake: LakeConfig, path: str) -> int:
    """How many values the column of unit ids has, as the end of the file tells it."""
    metadata = open_parquet(lake, SEQUENCES, path).metadata
    (column,) = (number for number in range(metadata.num_columns) if metadata.schema.column(number).path == f"{_UNIT}unit_id")
    return sum(metadata.row_group(number).column(column).num_values for number in range(metadata.num_row_groups))


def _units_of_file(lake: LakeConfig, path: str, part: int, parts: int) -> Iterator[pa.Table]:
    """The units of every `parts`-th person, by a hash, row group by row group."""
    parquet = open_parquet(lake, SEQUENCES, path)
    for number in range(parquet.num_row_groups):
        chunks = parquet.read_row_group(number, columns=["person_id", *(_UNIT + name for name in _FIELDS)])
        if parts > 1:
            chunks = chunks.filter(pa.array([number_of(person_id) % parts == part for person_id in chunks["person_id"].to_pylist()], pa.bool_()))
        yield _units_of(chunks)


def _units_of(chunks: pa.Table) -> pa.Table:
    """One row a unit of some chunks."""
    lists = chunks["units"].combine_chunks()
    units = lists.flatten()
    columns = {name: pc.struct_field(units, name).cast(arrow_type) for name, arrow_type in _FIELDS.items()}
    content = pc.coalesce(columns.pop("duplicate_group"), columns.pop("unit_hash"))
    person_ids = chunks["person_id"].combine_chunks().cast(pa.string()).take(pc.list_parent_indices(lists))
    return pa.table({"person_id": person_ids, "content": content, **columns})
