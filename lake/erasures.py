"""Table `erasures`: what must be forgotten, as digests that say nothing to who has not the pseudonym key."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from lake.tables import Row, TableSpec

ErasedKind = Literal["person", "act", "place", "path"]


class Erasure(Row):
    """Something that was forgotten."""

    subject: str = Field(description="Digest of kind and id under the pseudonym key (keyed BLAKE2b), 32 hex digits.")
    kind: ErasedKind = Field(
        description="person: an account or a person's id; act: a unit_id; place: a person's profile among communities; path: as accounts are called in paths."
    )
    erased_at: datetime = Field(description="When it was asked for first, UTC.")


ERASURES = TableSpec(
    name="erasures", row=Erasure, key=("subject",), write_mode="append", written_by=("erase",), repeating_columns=("kind",),
)  # fmt: skip
