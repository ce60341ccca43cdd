"""What a person's own labels are: looked up in the lake."""

import pyarrow.compute as pc
import pyarrow.dataset as ds

from lake import arrow_tables
from lake.config import LakeConfig
from lake.labels import LABELS, LEVELS, label_item_id
from lake.units import SEQUENCES


def known_items(lake: LakeConfig, person_id: str) -> set[str]:
    """`item_id`s of the labels of a person's own units, all teachers together; none where a table is absent."""
    if arrow_tables.find_table(lake, SEQUENCES) is None or arrow_tables.find_table(lake, LABELS) is None:
        return set()
    contents = _contents(lake, person_id)
    labels = arrow_tables.read(lake, LABELS, list(LEVELS), ds.field("unit_hash").isin(sorted(contents)))
    return {label_item_id(level, text) for level in LEVELS for text in labels[level].to_pylist()}


def _contents(lake: LakeConfig, person_id: str) -> set[str]:
    """What labels are found by: `coalesce(duplicate_group, unit_hash)` of each unit of the person."""
    hashes: set[str] = set()
    for batch in arrow_tables.read_batches(lake, SEQUENCES, ["units"], ds.field("person_id") == person_id):
        units = batch["units"].flatten()
        hashes.update(pc.coalesce(pc.struct_field(units, "duplicate_group"), pc.struct_field(units, "unit_hash")).to_pylist())
    return hashes
