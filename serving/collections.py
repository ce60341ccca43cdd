"""The collections in Milvus as contracts: names, fields, vector size, metric, and what a row of each says. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from lake.tables import TableSpec
from lake.vectors import ITEM_VECTORS, USER_VECTORS

METRIC = "COSINE"
VECTOR = "vector"
CONTRACT_VERSION = "1"  # a change of fields or of what they mean is a new one: the next load then builds fresh collections
Kind = Literal["string", "integer", "strings"]


@dataclass(frozen=True)
class ScalarField:
    """A scalar field. `max_bytes` holds for a string or each of an array; longer ones are cut, save ids."""

    name: str
    kind: Kind
    max_bytes: int = 0
    max_entries: int = 0


@dataclass(frozen=True)
class CollectionSpec:
    """One collection: its alias, the table that it is loaded from, and its fields, the key first. The vector comes besides."""

    alias: Literal["users", "items"]
    table: TableSpec
    fields: tuple[ScalarField, ...]

    @property
    def key(self) -> str:
        """Name of the primary key."""
        return self.fields[0].name


USERS = CollectionSpec(
    alias="users",
    table=USER_VECTORS,
    fields=(
        ScalarField("person_id", "string", 128),
        ScalarField("encoder_version", "string", 64),
        ScalarField("user_ids", "strings", 128, 4096),
        ScalarField("unit_count", "integer"),
        ScalarField("last_at", "integer"),  # seconds since 1970, UTC
        ScalarField("platforms", "strings", 64, 64),
        ScalarField("communities", "strings", 256, 20),
    ),
)
ITEMS = CollectionSpec(
    alias="items",
    table=ITEM_VECTORS,
    fields=(
        ScalarField("item_id", "string", 128),
        ScalarField("encoder_version", "string", 64),
        ScalarField("source", "string", 256),
        ScalarField("level", "string", 16),  # '' for an app's own item
        ScalarField("text", "string", 4096),
        ScalarField("label_count", "integer"),  # 0 for an app's own item
    ),
)
COLLECTIONS = (USERS, ITEMS)
IDS = ("person_id", "item_id", "user_ids", "encoder_version")

FINGERPRINT_DIGITS = 12
_NAME = re.compile(rf"(users|items)_([0-9a-f]{{8,64}})_(\d{{20}}x[0-9a-f]{{{FINGERPRINT_DIGITS}}})")


@dataclass(frozen=True)
class LoadName:
    """The parts of a collection's name."""

    alias: str
    encoder_version: str
    load: str

    def is_made_from(self, fingerprint: str) -> bool:
        """Whether the load was made from what this is the fingerprint of."""
        return self.load.split("x")[1] == fingerprint[:FINGERPRINT_DIGITS]


def collection_name(collection: CollectionSpec, encoder_version: str, load: str) -> str:
    """`users_<encoder_version>_<load>`."""
    return f"{collection.alias}_{encoder_version}_{load}"


def parse_name(name: str) -> LoadName | None:
    """The parts of a name that a load made; None for anybody else's collection."""
    match = _NAME.fullmatch(name)
    return LoadName(*match.groups()) if match else None


def load_id(started_at: datetime, fingerprint: str) -> str:
    """Id of a load: later ones sort behind earlier ones, and the end says what it was made from."""
    return f"{started_at:%Y%m%d%H%M%S%f}x{fingerprint[:FINGERPRINT_DIGITS]}"


def as_entity(collection: CollectionSpec, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table as the collection holds it."""
    return {VECTOR: row[VECTOR]} | {field.name: _value(field, row[field.name]) for field in collection.fields}


def _value(field: ScalarField, value: Any) -> Any:
    if field.kind == "integer":
        return int(value.timestamp()) if isinstance(value, datetime) else int(value or 0)
    if field.name in IDS:
        return value
    if field.kind == "strings":
        return [cut_bytes(entry, field.max_bytes) for entry in value[: field.max_entries]]
    return cut_bytes(value or "", field.max_bytes)


def cut_bytes(text: str, max_bytes: int) -> str:
    """Text of at most so many bytes of UTF-8, never half a character."""
    encoded = text.encode("utf-8", "replace")
    return text if len(encoded) <= max_bytes else encoded[:max_bytes].decode("utf-8", "ignore")
