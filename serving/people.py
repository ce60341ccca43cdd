"""What a person's own labels are: looked up in the lake."""

import pyarrow.dataset as ds

from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import PERSON_LABELS
from lake.labels import LEVELS


def known_items(lake: LakeConfig, person_id: str) -> set[str]:
    """`item_id`s of the labels of a person's own units, as `trainer examples` joined them last; none where it has not run."""
    if arrow_tables.find_table(lake, PERSON_LABELS) is None:
        return set()
    columns = [f"{level}_item_id" for level in LEVELS]
    labels = arrow_tables.read(lake, PERSON_LABELS, columns, ds.field("person_id") == person_id)
    return {item_id for column in columns for item_id in labels[column].to_pylist()}
