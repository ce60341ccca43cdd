"""Tables of vectors: the truth from which Milvus can be rebuilt at any time."""

from datetime import datetime

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


class ItemVector(Row):
    """The encoder's vector of one item."""

    item_id: str = Field(description="As in `items`.")
    encoder_version: str = Field(description="Hash of the content of the encoder that made it: vectors of two encoders cannot be compared.")
    vector: list[float] = Field(description="Unit length; D values.", json_schema_extra={"arrow_value_type": "float"})
    source: str = Field(description="As in `items`.")
    level: Level | None = Field(description="As in `items`.")
    text: str = Field(description="The words that were encoded.")
    label_count: int | None = Field(description="As in `items`.")


USER_VECTORS = TableSpec(
    name="user_vectors", row=UserVector, key=("person_id", "encoder_version"), write_mode="merge", written_by=("serving embed",),
    subjects={"person_id": "person", "user_ids": "person", "communities": "place"},
)  # fmt: skip
ITEM_VECTORS = TableSpec(
    name="item_vectors", row=ItemVector, key=("item_id", "encoder_version"), write_mode="merge", written_by=("serving embed",), subjects={"item_id": "item"},
)  # fmt: skip
