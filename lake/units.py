"""Tables of what people did: `units` with their context, `sequences` of one person's units, and `identities`."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from lake.labels import normalised
from lake.tables import Row, SubjectKind, TableSpec

Role = Literal["root", "parent", "earlier", "object"]
RootState = Literal["present", "missing", "deleted", "none"]
ChainState = Literal["complete", "truncated", "missing", "deleted", "cycle", "none"]


class ContextEntry(Row):
    """One thing that surrounded a unit. `unit_id` and `speaker_id` are never rendered; erasure needs them."""

    role: Role = Field(description="root (what opened the thread) or object (the thing acted on), parent (a link of the chain), earlier (in the session).")
    unit_id: str | None = Field(description="The act that this is, where it is one.")
    speaker: str = Field(description="'self', 'other-1', ... stable within a unit; 'unknown' for a deleted account.")
    speaker_id: str | None = Field(description="`user_id` of the speaker.")
    title: str | None = Field(description="What a root or an object is called, without its body, cut; null where it has no title, and of all others.")
    text: str = Field(description="Title and body of a root or an object, words of the others; cut.")
    created_at: datetime | None = Field(description="UTC; 1990-01-01 is that of an object whose source tells no time.")


class Unit(Row):
    """One act of one user on one platform, with what surrounded it."""

    unit_id: str = Field(description="'<platform>:<native id>', e.g. 'reddit:t1_c0ffee'. Never generated.")
    user_id: str = Field(description="Keyed pseudonym of '<platform>:<lower-cased name>', hex.")
    action: str = Field(description="comment, post, search, watch, review, ...")
    community: str | None = Field(description="Subreddit, channel, site.")
    created_at: datetime = Field(description="UTC.")
    title: str | None = Field(description="Title of a post; None for a comment.")
    text: str = Field(description="The user's own words; empty only where there is a title.")
    context: list[ContextEntry] = Field(description="From outermost to nearest.")
    root_state: RootState = Field(description="Whether what opened the thread is in `context`; 'none' where the unit opens it.")
    chain_state: ChainState = Field(description="Whether the chain of parents is whole; 'none' where there is no parent but the root.")
    thread_id: str | None = Field(description="`unit_id` of what opened the thread.")
    parent_unit_id: str | None = Field(description="`unit_id` of what was answered.")
    session_id: str | None = Field(description="Session on the platform.")
    url: str | None = Field(description="Link of a link post.")
    language: str | None = Field(description="Language tag, where known.")
    attributes: dict[str, str] = Field(description="Further facts as strings: score, over_18, ...")
    source_text: str | None = Field(description="Raw-ish form, where a platform allows it.")
    unit_hash: str = Field(
        description="SHA-256, hex, of the JSON array of action, community, title, text and context texts, without white space: what a label depends on."
    )
    duplicate_group: str | None = Field(
        description="`unit_hash` of the oldest unit of its partition that says (nearly) the same, where this is not the oldest: it stands for both, "
        "so that a unit's label is that of coalesce(duplicate_group, unit_hash)."
    )
    platform: str = Field(description="Name of the parser that made it, e.g. 'reddit'.")
    thread_group: str = Field(description="What is looked up together, a pure function of the thread's id; the partition.")


class UnitSignature(Row):
    """What tells whether a unit says nearly the same as others; only of units with enough words to mean the same in any context."""

    unit_id: str = Field(description="The unit.")
    unit_hash: str = Field(description="As in `units`.")
    created_at: datetime = Field(description="UTC.")
    signature: bytes = Field(description="SIGNATURE_BYTES bytes; the share that two have in common tells how many pairs of words two units have in common.")
    platform: str = Field(description="As in `units`; part of the partition.")
    thread_group: str = Field(description="As in `units`; part of the partition.")


class Identity(Row):
    """One account and the person it belongs to."""

    user_id: str = Field(description="Keyed pseudonym of the account.")
    person_id: str = Field(description="The person, by convention the first of their accounts' ids.")


class HistoryUnit(Row):
    """A unit inside a history: its ids, and what the rendering needs. Bytes are capped per unit."""

    unit_id: str = Field(description="The unit.")
    unit_hash: str = Field(description="As in `units`.")
    duplicate_group: str | None = Field(description="As in `units`.")
    created_at: datetime = Field(description="UTC.")
    platform: str = Field(description="Name of the parser that made it.")
    thread_id: str | None = Field(description="What a future in a thread new to the person is told by.")
    action: str = Field(description="comment, post, search, watch, review, ...")
    community: str | None = Field(description="Subreddit, channel, site.")
    title: str | None = Field(description="Title of a post, cut; null for a comment.")
    text: str = Field(description="The person's own words, cut.")
    context: list[ContextEntry] = Field(description="What opened the thread and the nearest parents, from outermost to nearest, cut.")
    starts_session: bool = Field(description="Whether more time than etl.session_minutes lies between it and the person's unit before.")
    source_text: str | None = Field(description="The platform's own form, cut; null unless etl.history_source_text_chars asks for it.")


class SequenceChunk(Row):
    """One chunk of one person's units, oldest first. Self-contained: whoever streams it looks nothing up."""

    person_id: str = Field(description="The `user_id`, unless `identities` joins accounts.")
    chunk: int = Field(ge=0, description="0, 1, ... in time.")
    units: list[HistoryUnit] = Field(description="Oldest first; ties in time go by `unit_id`.")
    user_ids: list[str] = Field(description="Accounts whose units stand in this chunk, sorted.")
    first_at: datetime = Field(description="Time of the first unit, UTC.")
    last_at: datetime = Field(description="Time of the last unit, UTC.")
    bucket: int = Field(ge=0, description="Hash of the person; the partition.")


UNITS = TableSpec(
    name="units", row=Unit, key=("unit_id",), partition_by=("platform", "thread_group"), write_mode="merge", written_by=("etl units",),
    stats_columns=("unit_id", "action", "community", "created_at", "root_state", "chain_state", "thread_id"),
    repeating_columns=(
        "user_id", "action", "community", "title", "thread_id", "url", "language", "root_state", "chain_state", "session_id", "duplicate_group",
        "context.list.element.role", "context.list.element.speaker", "context.list.element.speaker_id", "context.list.element.title",
        "context.list.element.text", "context.list.element.unit_id", "attributes.key_value.key", "attributes.key_value.value",
    ),
    later_columns=("context.title",),
    subjects={"user_id": "person", "unit_id": "act", "community": "place", "context.speaker_id": "person", "context.unit_id": "act"},
)  # fmt: skip
UNIT_SIGNATURES = TableSpec(
    name="unit_signatures", row=UnitSignature, key=("unit_id",), partition_by=("platform", "thread_group"), write_mode="merge", written_by=("etl units",),
    repeating_columns=(), subjects={"unit_id": "act"},
)  # fmt: skip
SIGNATURE_BYTES = 64
IDENTITIES = TableSpec(
    name="identities", row=Identity, key=("user_id",), write_mode="overwrite", written_by=(), subjects={"user_id": "person", "person_id": "person"},
)  # fmt: skip
_REPEATING_IN_CHUNKS = (
    "units.list.element.platform", "units.list.element.action", "units.list.element.community", "units.list.element.title",
    "units.list.element.thread_id", "units.list.element.duplicate_group", "units.list.element.context.list.element.role",
    "units.list.element.context.list.element.speaker", "units.list.element.context.list.element.speaker_id",
    "units.list.element.context.list.element.unit_id", "units.list.element.context.list.element.title", "units.list.element.context.list.element.text",
)  # fmt: skip
_LATER_IN_CHUNKS = ("units.context.title", "units.source_text")
_SUBJECTS_IN_CHUNKS: dict[str, SubjectKind] = {
    "person_id": "person", "user_ids": "person", "units.unit_id": "act", "units.community": "place", "units.context.speaker_id": "person",
    "units.context.unit_id": "act",
}  # fmt: skip
SEQUENCES = TableSpec(
    name="sequences", row=SequenceChunk, key=("person_id", "chunk"), partition_by=("bucket",), write_mode="merge", written_by=("etl sequences",),
    stats_columns=("person_id", "chunk", "first_at", "last_at"), repeating_columns=_REPEATING_IN_CHUNKS, later_columns=_LATER_IN_CHUNKS,
    subjects=_SUBJECTS_IN_CHUNKS, consists_of="units",
)  # fmt: skip
SHORT_SEQUENCES = TableSpec(
    name="short_sequences", row=SequenceChunk, key=("person_id", "chunk"), partition_by=("bucket",), write_mode="merge", written_by=("etl sequences",),
    stats_columns=("person_id", "first_at", "last_at"), repeating_columns=_REPEATING_IN_CHUNKS, later_columns=_LATER_IN_CHUNKS,
    subjects=_SUBJECTS_IN_CHUNKS, consists_of="units",
)  # fmt: skip
"""People with too few units for a sequence, until they have enough; read by `etl sequences` alone."""


def thread_title(unit: Mapping[str, Any]) -> str | None:
    """What a unit (of `units` or of a history) was about in the archive's own words: the title of the thing acted on, else its own, else its root's; or None.

    The headline of a review says what the person thinks of a thing, not what the thing is. It is a title alone, never a body, and not the words of a parent. One of marks or
    emoji alone says nothing: all such titles would be one.
    """
    titles = [[entry["title"] for entry in unit["context"] if entry["role"] == role] for role in ("object", "root")]
    return next((title for title in (*titles[0], unit["title"], *titles[1]) if title and normalised(title)), None)


def sequence_bucket(person_id: str, buckets: int) -> int:
    """`bucket` of a person in `sequences`: the first 8 hex digits of the SHA-256 of the id, modulo the number of buckets."""
    return int(hashlib.sha256(person_id.encode()).hexdigest()[:8], 16) % buckets
