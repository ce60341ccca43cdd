"""Who a query is about, and what the person's own labels are: looked up in the lake."""

import pyarrow.compute as pc
import pyarrow.dataset as ds

from conf.errors import ConfigError
from lake import arrow_tables, pseudonyms
from lake.config import LakeConfig
from lake.labels import LABELS, LEVELS, label_item_id
from lake.units import SEQUENCES


def user_id_of_name(lake: LakeConfig, platform_and_name: str) -> str:
    """The `user_id` of 'PLATFORM:NAME'. Raises ConfigError without the key, or where the lake was made with another one."""
    platform, colon, name = platform_and_name.partition(":")
    if not (platform and colon and name):
        raise ConfigError(f"--name {platform_and_name}: expected PLATFORM:NAME, e.g. reddit:some_name")
    key = pseudonyms.load_key(lake.pseudonym_key_file)
    arrow_tables.check_lake_key(lake, key)
    return pseudonyms.pseudonym(key, platform, name)


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
