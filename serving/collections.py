"""The collections in Milvus as contracts: names, fields, vector size, metric, and what a row of each says. Pure."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from lake.labels import Level
from lake.tables import TableSpec
from lake.vectors import ITEM_VECTORS, USER_VECTORS

VECTOR, LIKELY = "vector", "likely"
"""Fields of vectors: an encoder's; and an item's with one number more, so that its inner product with a person's vector and a 1 says how likely the person does it next."""
METRICS = {VECTOR: "COSINE", LIKELY: "IP"}
CONTRACT_VERSION = "2"  # a change of fields or of what they mean is a new one: the next load then builds fresh collections
Kind = Literal["string", "integer", "strings"]
PopularityWeights = Mapping[Level, float]
"""What the logarithm of an item's count weighs beside a cosine, by level."""


@dataclass(frozen=True)
class ScalarField:
    """A scalar field. `max_bytes` holds for a string or each of an array; longer ones are cut, save ids."""

    name: str
    kind: Kind
    max_bytes: int = 0
    max_entries: int = 0


@dataclass(frozen=True)
class CollectionSpec:
    """One collection: its alias, the table that it is loaded from, its fields, the key first, and its vectors, which come besides."""

    alias: Literal["users", "items"]
    table: TableSpec
    fields: tuple[ScalarField, ...]
    vectors: tuple[str, ...] = (VECTOR,)

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
    vectors=(VECTOR, LIKELY),
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
LAKE_DIGITS = 8
_NAME = re.compile(rf"(users|items)_(?:([0-9a-f]{{{LAKE_DIGITS}}})_)?([0-9a-f]{{8,64}})_(\d{{20}})x([0-9a-f]{{{FINGERPRINT_DIGITS}}})")
_TIME = "%Y%m%d%H%M%S%f"


@dataclass(frozen=True)
class LoadName:
    """The parts of a collection's name. Both collections of a load differ in `alias` alone, so that the users' tells the items'.

    `lake` tells the lakes apart that share a server; None in a name that an older program made.
    """

    alias: str
    lake: str | None
    encoder_version: str
    started_at: datetime
    made_from: str

    def is_made_from(self, fingerprint: str) -> bool:
        """Whether the load was made from what this is the fingerprint of."""
        return self.made_from == fingerprint[:FINGERPRINT_DIGITS]

    def of(self, collection: CollectionSpec) -> str:
        """Name of one of the load's collections: `users_<lake>_<encoder_version>_<time>x<fingerprint>`."""
        lake = "" if self.lake is None else f"{self.lake}_"
        return f"{collection.alias}_{lake}{self.encoder_version}_{self.started_at.strftime(_TIME)}x{self.made_from}"


def lake_digits(lake: str) -> str:
    """What in a collection's name tells its lake; `lake` is anything that tells it for as long as it is there."""
    return hashlib.sha256(lake.encode()).hexdigest()[:LAKE_DIGITS]


def load_name(lake: str, encoder_version: str, started_at: datetime, fingerprint: str) -> LoadName:
    """The name of a load, as the users' collection has it. `lake` as in `lake_digits`."""
    return LoadName(USERS.alias, lake_digits(lake), encoder_version, started_at, fingerprint[:FINGERPRINT_DIGITS])


def parse_name(name: str) -> LoadName | None:
    """The parts of a name that a load made; None for anybody else's collection."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    alias, lake, encoder_version, started_at, made_from = match.groups()
    try:
        return LoadName(alias, lake, encoder_version, datetime.strptime(started_at, _TIME).replace(tzinfo=UTC), made_from)
    except ValueError:  # twenty digits that are no time
        return None


def as_entity(collection: CollectionSpec, row: Mapping[str, Any], weights: PopularityWeights | None = None) -> dict[str, Any]:
    """A row of the table as the collection holds it. `weights`: what popularity weighs, by level; nothing at one that is not there."""
    vectors = {VECTOR: row[VECTOR]}
    if LIKELY in collection.vectors:
        vectors[LIKELY] = likely_vector(row[VECTOR], row["label_count"], (weights or {}).get(row["level"], 0.0))
    return vectors | {field.name: _value(field, row[field.name]) for field in collection.fields}


def likely_vector(vector: Sequence[float], count: int | None, weight: float) -> list[float]:
    """An item's vector with `weight` times the logarithm of how often the item was done behind it.

    Where a loss leaves popularity out, a cosine over its temperature says how much likelier a person does the item than others do, so that with the temperature as weight the
    sum ranks by the chance itself; which weight does best for people to choose by, the encoder's card says (benchmarks/RESULTS.md).
    """
    return [*vector, weight * math.log1p(count or 0)]


def likely_query(vector: Sequence[float]) -> list[float]:
    """A person's vector as items are asked by it for what is likely."""
    return [*vector, 1.0]


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
