"""Files of units -> rows of histories: of each unit what a history keeps of it, read and cut by Arrow, so that no unit passes through Spark as a row."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.tasks.texts import cut
from lake.config import LakeConfig
from lake.rendering import OPENING
from lake.schema import arrow_schema
from lake.table_files import open_parquet
from lake.units import UNITS, HistoryUnit

KEPT_COLUMNS = tuple(name for name in HistoryUnit.model_fields if name != "starts_session")
"""Columns of a unit that its history keeps; `etl.sequences.chunks` adds the last one."""
SOURCE_TEXT = "source_text"
_KEPT = [(name, arrow_schema(UNITS).field(name).type) for name in KEPT_COLUMNS]
ACCOUNT_ROWS = pa.schema([("user_id", pa.string()), *_KEPT])
"""Units of accounts, as they are shuffled."""
PERSON_ROWS = pa.schema([("person_id", pa.string()), ("user_ids", pa.list_(pa.string())), *_KEPT, ("known_in", pa.string())])
"""Units of people; `known_in` is the table of chunks in which a unit stands already, null for new ones."""

_ROWS_AT_ONCE = 16_384
_STORED_COLUMNS = [name for name in ACCOUNT_ROWS.names if name not in UNITS.partition_by]


@dataclass(frozen=True)
class HistoryTexts:
    """How much of texts a history keeps: characters of a unit's own title and text, of one text of its context, nearest parents, and characters of the
    platform's own form, which is not even read where none are kept."""

    text_chars: int
    context_chars: int
    parents: int
    source_text_chars: int = 0


@dataclass(frozen=True)
class UnitsFile:
    """One file of `units`: its path as the table's log tells it, and its platform, which does not stand in it."""

    path: str
    platform: str


def rows_of_file(lake: LakeConfig, file: UnitsFile, texts: HistoryTexts) -> Iterator[pa.RecordBatch]:
    """The file's units as rows of ACCOUNT_ROWS, some thousand at once."""
    columns = [name for name in _STORED_COLUMNS if name != SOURCE_TEXT or texts.source_text_chars]
    for batch in open_parquet(lake, UNITS, file.path).iter_batches(_ROWS_AT_ONCE, columns=columns):
        units = batch.append_column("platform", pa.repeat(pa.scalar(file.platform), batch.num_rows))
        if not texts.source_text_chars:
            units = units.append_column(SOURCE_TEXT, pa.nulls(batch.num_rows, pa.string()))
        yield cut_texts(units.select(ACCOUNT_ROWS.names).cast(ACCOUNT_ROWS), texts)


def cut_texts(units: pa.RecordBatch, texts: HistoryTexts) -> pa.RecordBatch:
    """Units with their own words cut, and of their contexts the root and the nearest parents, cut too."""
    made = {name: cut(units[name], texts.text_chars) for name in ("title", "text")}
    made[SOURCE_TEXT] = cut(units[SOURCE_TEXT], texts.source_text_chars) if texts.source_text_chars else pa.nulls(units.num_rows, pa.string())
    made["context"] = _cut_context(_nearest(units["context"], texts.parents), texts.context_chars)
    for name, column in made.items():
        units = units.set_column(units.schema.get_field_index(name), name, column)
    return units


def person_rows(rows: pa.Table, identities: pa.Table) -> pa.Table:
    """New units of accounts (ACCOUNT_ROWS) as units of people (PERSON_ROWS)."""
    rows = rows.combine_chunks()
    accounts = pa.concat_arrays(rows["user_id"].chunks)
    made = {
        "person_id": person_ids(accounts, identities),
        "user_ids": pa.ListArray.from_arrays(pa.array(np.arange(len(accounts) + 1, dtype=np.int32)), accounts),
        "known_in": pa.nulls(len(accounts), pa.string()),
    }
    return pa.table([made[name] if name in made else rows[name] for name in PERSON_ROWS.names], schema=PERSON_ROWS)


def person_ids(user_ids: pa.Array, identities: pa.Table) -> pa.Array:
    """The person of each account: whom `identities` (one row an account) say, else the account itself."""
    if not identities.num_rows:
        return user_ids
    joined = identities["person_id"].combine_chunks().take(pc.index_in(user_ids, value_set=identities["user_id"]))
    return pc.coalesce(joined, user_ids)


def one_person_each(identities: pa.Table) -> pa.Table:
    """`identities` with one row for each account, that of the least person."""
    return identities.group_by("user_id").aggregate([("person_id", "min")]).rename_columns({"person_id_min": "person_id"})


def _nearest(context: pa.ListArray, parents: int) -> pa.ListArray:
    """`lake.rendering.nearest_context` of each unit; a root or object, where there is one, comes first."""
    entries, lengths = context.flatten(), pc.list_value_length(context).fill_null(0).to_numpy(zero_copy_only=False)
    unit = np.repeat(np.arange(len(context)), lengths)
    place = np.arange(len(entries)) - (np.cumsum(lengths) - lengths)[unit]
    is_root = (place == 0) & pc.is_in(entries.field("role"), pa.array([*OPENING])).to_numpy(zero_copy_only=False)
    is_kept = is_root | (place >= lengths[unit] - parents)
    return context if is_kept.all() else _lists(entries.filter(pa.array(is_kept)), np.bincount(unit[is_kept], minlength=len(context)), context.type)


def _cut_context(context: pa.ListArray, max_chars: int) -> pa.ListArray:
    """Contexts with the title and the text of each entry cut."""
    entries, lengths = context.flatten(), pc.list_value_length(context).fill_null(0).to_numpy(zero_copy_only=False)
    fields = list(entries.type)
    parts = [cut(part, max_chars) if item.name in ("title", "text") else part for item, part in zip(fields, entries.flatten(), strict=True)]
    return _lists(pa.StructArray.from_arrays(parts, fields=fields), lengths, context.type)


def _lists(entries: pa.StructArray, lengths: np.ndarray, list_type: pa.DataType) -> pa.ListArray:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), entries, type=list_type)
