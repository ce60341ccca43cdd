"""Tables of vectors: the truth from which Milvus can be rebuilt at any time."""

from datetime import datetime
from zlib import crc32

from pydantic import Field

from lake.labels import Level
from lake.tables import Row, TableSpec


class UserVector(Row):
    """The encoder's vector of one person, from the newest history that fits its token budget."""

    person_id: str = Field(description="As in `sequences`.")
    encoder_version: str = Field(description="Hash of the content of the encoder that made it: vectors of two encoders cannot be compared.")
    vector: list[float] = Field(description="Unit length; D values.", json_schema_extra={"arrow_value_type": "float"})
    platforms: list[str] = Field(description="Platforms of the encoded units, sorted.")
    communities: list[str] = Field(description="Most frequent communities of the history, at most 20.")
    unit_count: int = Field(description="Units of the whole history.")
    encoded_units: int = Field(description="Newest units that the vector was made from.")
    user_ids: list[str] = Field(description="Accounts of the person, sorted.")
    last_at: datetime = Field(description="Time of the newest unit, UTC.")
    history_hash: str = Field(description="Hash of the encoded text: an unchanged history is not embedded again.")
    bucket: int = Field(ge=0, description="As in `sequences`; with the encoder's version the partition.")


class ItemVector(Row):
    """The encoder's vector of one item."""

    item_id: str = Field(description="As in `items`.")
    encoder_version: str = Field(description="Hash of the content of the encoder that made it: vectors of two encoders cannot be compared.")
    vector: list[float] = Field(description="Unit length; D values.", json_schema_extra={"arrow_value_type": "float"})
    source: str = Field(description="As in `items`.")
    level: Level | None = Field(description="As in `items`.")
    text: str = Field(description="The words that were encoded.")
    label_count: int | None = Field(description="As in `items`.")
    bucket: int = Field(ge=0, description="Hash of the item (`item_bucket`); with the encoder's version the partition.")


USER_VECTORS = TableSpec(
    name="user_vectors", row=UserVector, key=("person_id", "encoder_version"), partition_by=("encoder_version", "bucket"), write_mode="merge",
    written_by=("serving embed",), stats_columns=("person_id",), repeating_columns=("platforms.list.element", "communities.list.element"),
    subjects={"person_id": "person", "user_ids": "person", "communities": "place"},
)  # fmt: skip
ITEM_VECTORS = TableSpec(
    name="item_vectors", row=ItemVector, key=("item_id", "encoder_version"), partition_by=("encoder_version", "bucket"), write_mode="merge",
    written_by=("serving embed",), stats_columns=("item_id",), repeating_columns=("source", "level"), subjects={"item_id": "item"},
)  # fmt: skip


def item_bucket(item_id: str, buckets: int) -> int:
    """`bucket` of an item in `item_vectors`: the CRC-32 of the id, modulo the number of buckets. `items` has none: an item is looked up by its bucket nowhere else."""
    return crc32(item_id.encode()) % buckets
