"""Tables of the archive as parsed: `acts`, `rejects`, and `ingested_files`, the record of each input file."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from lake.tables import Row, TableSpec

# An act's attribute, "true" where the archive marks that it was deleted after it was fetched: no other copy of it may bring its words back.
DELETED_LATER = "deleted_later"
# An act's attribute, the account itself: there only where `lake.keep_names` asks for it.
USER_NAME = "user_name"
# An act's attribute, "true" where it has no words of its own and takes the title of the object that opened its thread. Its unit does not have it.
WORDS_OF_OBJECT = "words_of_object"
UNKNOWN_TIME = datetime(1990, 1, 1, tzinfo=UTC)
"""`created_at` of an object whose source tells no time: older than whatever people did with it. No person is shown it: `known_time`."""


def profile_place(user_id: str) -> str:
    """What a place is called that is the profile of an account."""
    return f"u_{user_id}"


def known_time(at: datetime | None) -> datetime | None:
    """A time as people are shown it: None where the source told none."""
    return None if at == UNKNOWN_TIME else at


class Act(Row):
    """One parsed act of an archive, platform-neutral, before its context."""

    platform: str = Field(description="Name of the parser that made it, e.g. 'reddit'.")
    unit_id: str = Field(description="'<platform>:<native id>', e.g. 'reddit:t1_c0ffee'. Never generated.")
    user_id: str | None = Field(description="Keyed pseudonym of '<platform>:<lower-cased name>', hex; null where the account is deleted.")
    action: str = Field(description="comment, post, search, watch, review, ...")
    community: str | None = Field(description="Subreddit, channel, site; a person's profile is pseudonymised.")
    created_at: datetime = Field(description="UTC; 1990-01-01 is that of an object whose source tells no time.")
    title: str | None = Field(description="Title of a post; null for a comment.")
    text: str | None = Field(description="The user's own words, HTML-unescaped once, NUL removed; null where deleted or absent.")
    state: Literal["kept", "deleted", "removed"] = Field(description="What became of the act on its platform.")
    thread_id: str | None = Field(description="`unit_id` of what opened the thread.")
    parent_unit_id: str | None = Field(description="`unit_id` of what was answered; null where the act opens a thread.")
    session_id: str | None = Field(description="Session on the platform; null where it has none.")
    thread_group: str = Field(description="What is looked up together: a pure function of the thread's id; the partition.")
    url: str | None = Field(description="Link of a link post.")
    language: str | None = Field(description="Language tag, where the platform or a detector gives one.")
    attributes: dict[str, str] = Field(description="Further facts as strings: score, over_18, ...")
    source_text: str | None = Field(description="Raw-ish form, where a platform allows it.")
    retrieved_at: datetime | None = Field(description="When the archive fetched it, UTC.")
    source_file: str = Field(description="Path of the input file below the dump root.")
    line: int = Field(ge=1, description="Line in that file, from 1; where a format has no lines, the number of the record.")


class Reject(Row):
    """One input line that was set aside. The only table with raw text; it expires."""

    platform: str = Field(description="Parser that refused it.")
    source_file: str = Field(description="Path of the input file below the dump root.")
    line: int = Field(ge=1, description="Line in that file, from 1; where a format has no lines, the number of the record.")
    reason: str = Field(description="Short, countable: 'not json', 'no id', 'created_utc: not a time', ...")
    raw: str = Field(description="The line as it stood, capped; invalid bytes replaced.")
    user_id: str | None = Field(description="Pseudonym, where the account could be read.")
    rejected_at: datetime = Field(description="UTC; what expiry goes by.")


class IngestedFile(Row):
    """One input file that is wholly in the lake."""

    source_file: str = Field(description="Path of the input file below the dump root.")
    platform: str = Field(description="Parser that read it.")
    kind: str = Field(description="What it holds in the platform's words, e.g. 'comments'.")
    sha256: str = Field(description="Digest of the file's bytes, hex.")
    bytes: int = Field(description="Size of the file.")
    json_bytes: int = Field(description="Size of the decoded stream.")
    lines: int = Field(description="Numbered lines, or records where a format has no lines: rows + rejects. What is left out on purpose has no number.")
    rows: int = Field(description="Acts written.")
    rejects: int = Field(description="Lines set aside.")
    rejects_by_reason: dict[str, int] = Field(description="Count of each reason.")
    casts_by_kind: dict[str, int] = Field(description="Count of each drift that was coerced, e.g. 'created_utc: string'.")
    first_created_at: datetime | None = Field(description="Oldest act whose source told its time, UTC.")
    last_created_at: datetime | None = Field(description="Newest act whose source told its time, UTC.")
    seconds: float = Field(description="Wall time of the file's task.")
    parser_version: str = Field(description="Version of the parser that read it and, where its platform has options, a digest of them.")
    key_id: str = Field(description="Id of the pseudonym key that made its user ids.")
    ingested_at: datetime = Field(description="UTC.")
    left_out_by_kind: dict[str, int] | None = Field(
        description="Count of each kind of what stands in the file and is no act by itself: headings, votes, tag wikis; and of lines of people and acts that were "
        "forgotten ('erased'). Null where an older Kindred read the file, which counted it among the casts."
    )


ACTS = TableSpec(
    name="acts", row=Act, key=("source_file", "line"), partition_by=("platform", "thread_group"), write_mode="append", written_by=("etl ingest",),
    stats_columns=("unit_id", "action", "community", "created_at", "state", "thread_id", "parent_unit_id", "retrieved_at", "source_file", "line"),
    repeating_columns=(
        "user_id", "action", "community", "title", "state", "thread_id", "session_id", "url", "language", "source_file",
        "attributes.key_value.key", "attributes.key_value.value",
    ),
    subjects={"user_id": "person", "unit_id": "act", "source_file": "path", "community": "place"},
)  # fmt: skip
REJECTS = TableSpec(
    name="rejects", row=Reject, key=("source_file", "line"), write_mode="append", written_by=("etl ingest",),
    stats_columns=("source_file", "line", "reason", "rejected_at"), repeating_columns=("platform", "source_file", "reason"),
    subjects={"user_id": "person", "source_file": "path", "raw": "raw"},
)  # fmt: skip
INGESTED_FILES = TableSpec(
    name="ingested_files", row=IngestedFile, key=("source_file",), write_mode="append", written_by=("etl ingest",), later_columns=("left_out_by_kind",),
    subjects={"source_file": "path"},
)  # fmt: skip
