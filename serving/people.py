"""What a person did, and how it is labelled: looked up in the lake."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import PERSON_LABELS
from lake.labels import LEVELS
from lake.rendering import with_label
from lake.schema import rows_table
from lake.units import SEQUENCES, thread_title
from serving.hits import Act

ITEM_COLUMNS = tuple(f"{level}_item_id" for level in LEVELS)
CHUNKS_AT_ONCE = 4
Unit = Mapping[str, Any]


def first_times(lake: LakeConfig, person_id: str) -> dict[str, datetime]:
    """`item_id` of each label of a person's own units -> when it was first theirs, as `trainer examples` joined them last; nothing where it has not run."""
    labels = _labels(lake, person_id, ("created_at", *ITEM_COLUMNS))
    found: dict[str, datetime] = {}
    for column in ITEM_COLUMNS:
        for item_id, at in zip(labels[column].to_pylist(), labels["created_at"].to_pylist(), strict=True):
            found[item_id] = min(at, found.get(item_id, at))
    return found


def labelled_units(lake: LakeConfig, person_id: str) -> pa.Table:
    """A person's own units with their labels (columns unit_id, created_at, specific, broad and their item ids); none where `trainer examples` has not run."""
    return _labels(lake, person_id, ("unit_id", "created_at", *LEVELS, *ITEM_COLUMNS))


def newest_units(lake: LakeConfig, person_id: str, until: datetime | None = None) -> Iterator[Unit]:
    """A person's units, newest first, none after a moment; with `label` where there is one. Chunks are opened as they are asked for, so that a long history costs no more than what is taken of it."""
    of_person, version = ds.field("person_id") == person_id, arrow_tables.table_version(lake, SEQUENCES)
    of_time = of_person if until is None else of_person & (ds.field("first_at") <= until)
    chunks = sorted(arrow_tables.read(lake, SEQUENCES, ("chunk",), of_time, version)["chunk"].to_pylist(), reverse=True)
    labels = {row["unit_id"]: row for row in labelled_units(lake, person_id).to_pylist()} if chunks else {}
    for start in range(0, len(chunks), CHUNKS_AT_ONCE):
        wanted = of_person & ds.field("chunk").isin(chunks[start : start + CHUNKS_AT_ONCE])
        opened = arrow_tables.read(lake, SEQUENCES, ("chunk", "units"), wanted, version).sort_by([("chunk", "descending")])
        for row in range(len(opened)):
            newest_first = reversed(opened["units"][row].as_py())
            yield from (with_label(unit, labels) for unit in newest_first if until is None or unit["created_at"] <= until)


def newest_acts(lake: LakeConfig, person_id: str, offset: int, limit: int) -> list[Act]:
    """A page of what a person did, newest first."""
    return [_act(unit) for unit in islice(newest_units(lake, person_id), offset, offset + limit)]


def _act(unit: Unit) -> Act:
    label = unit.get("label") or dict.fromkeys(LEVELS)
    told = {name: unit[name] for name in ("unit_id", "created_at", "platform", "community", "action")}
    return Act(**told, title=thread_title(unit), specific=label["specific"], broad=label["broad"])


def _labels(lake: LakeConfig, person_id: str, columns: tuple[str, ...]) -> pa.Table:
    if arrow_tables.find_table(lake, PERSON_LABELS) is None:
        return rows_table(PERSON_LABELS, []).select(list(columns))
    return arrow_tables.read(lake, PERSON_LABELS, columns, ds.field("person_id") == person_id)
