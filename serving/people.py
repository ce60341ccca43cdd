"""What a person's own labels are: looked up in the lake."""

import pyarrow as pa
import pyarrow.dataset as ds

from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import PERSON_LABELS
from lake.labels import LEVELS
from lake.schema import rows_table

ITEM_COLUMNS = tuple(f"{level}_item_id" for level in LEVELS)


def known_items(lake: LakeConfig, person_id: str) -> set[str]:
    """`item_id`s of the labels of a person's own units, as `trainer examples` joined them last; none where it has not run."""
    labels = _labels(lake, person_id, ITEM_COLUMNS)
    return {item_id for column in ITEM_COLUMNS for item_id in labels[column].to_pylist()}


def labelled_units(lake: LakeConfig, person_id: str) -> pa.Table:
    """A person's own units with their labels (columns unit_id, created_at, specific, broad and their item ids); none where `trainer examples` has not run."""
    return _labels(lake, person_id, ("unit_id", "created_at", *LEVELS, *ITEM_COLUMNS))


def _labels(lake: LakeConfig, person_id: str, columns: tuple[str, ...]) -> pa.Table:
    if arrow_tables.find_table(lake, PERSON_LABELS) is None:
        return rows_table(PERSON_LABELS, []).select(list(columns))
    return arrow_tables.read(lake, PERSON_LABELS, columns, ds.field("person_id") == person_id)
