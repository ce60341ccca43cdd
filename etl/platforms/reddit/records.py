"""The rows of Reddit's dumps as written in any year: only the fields that an act needs, each with all the types it was ever given."""

from types import NoneType
from typing import Any, ClassVar, get_args, get_type_hints

import msgspec

Number = int | float | str | None
NativeId = str | int | None


class Meta(msgspec.Struct, gc=False):
    """What the archive adds to a row (`_meta`, from 2023-11)."""

    was_deleted_later: bool | None = None
    removal_type: str | None = None


class Comment(msgspec.Struct, gc=False):
    """One line of RC_*."""

    kind: ClassVar[str] = "comments"

    id: NativeId = None
    author: str | None = None
    created_utc: Number = None
    body: str | None = None
    link_id: NativeId = None
    parent_id: NativeId = None
    subreddit: str | None = None
    subreddit_type: str | None = None
    score: Number = None
    controversiality: Number = None
    edited: bool | int | float | str | None = None
    distinguished: str | None = None
    stickied: bool | None = None
    is_submitter: bool | None = None
    retrieved_on: Number = None
    retrieved_utc: Number = None
    meta: Meta | None = msgspec.field(name="_meta", default=None)


class Submission(msgspec.Struct, gc=False):
    """One line of RS_*."""

    kind: ClassVar[str] = "submissions"

    id: NativeId = None
    author: str | None = None
    created_utc: Number = None
    title: str | None = None
    selftext: str | None = None
    url: str | None = None
    is_self: bool | None = None
    subreddit: str | None = None
    subreddit_type: str | None = None
    score: Number = None
    num_comments: Number = None
    over_18: bool | None = None
    edited: bool | int | float | str | None = None
    distinguished: str | None = None
    stickied: bool | None = None
    promoted: bool | None = None  # until about 2018; then:
    is_created_from_ads_ui: bool | None = None
    removed_by_category: str | None = None
    retrieved_on: Number = None
    retrieved_utc: Number = None
    meta: Meta | None = msgspec.field(name="_meta", default=None)


Record = Comment | Submission
RECORDS: dict[str, type[Comment] | type[Submission]] = {"comments": Comment, "submissions": Submission}

_JSON_TYPES = {bool: "boolean", int: "integer", float: "float", str: "string", list: "array", dict: "object"}


def json_type(value: Any) -> str:
    """Name of a value's type in JSON's words, for counts of casts."""
    return _JSON_TYPES[type(value)]


def kind_of_row(row: Any) -> str | None:
    """'comments' or 'submissions', told by the fields of a row; None where it is neither."""
    if not isinstance(row, dict) or "id" not in row:
        return None
    if "body" in row or "link_id" in row:
        return "comments"
    return "submissions" if "title" in row or "selftext" in row else None


def lenient_record(record: type[Comment] | type[Submission], row: dict[str, Any], casts: dict[str, int]) -> Record:
    """The record of a row whose types no era had: each odd value is cast or left out, and counted in `casts`."""
    return record(**_lenient_values(record, row, casts))


def _lenient_values(struct: type[msgspec.Struct], row: dict[str, Any], casts: dict[str, int]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    hints = get_type_hints(struct)
    for field in msgspec.structs.fields(struct):
        value, allowed = row.get(field.encode_name), get_args(hints[field.name])
        if value is None:
            continue
        if Meta in allowed and isinstance(value, dict):
            values[field.name] = Meta(**_lenient_values(Meta, value, casts))
        elif type(value) in allowed:
            values[field.name] = value
        else:
            kind = f"{field.encode_name}: {json_type(value)}"
            casts[kind] = casts.get(kind, 0) + 1
            values[field.name] = _cast(value, allowed)
    return values


def _cast(value: Any, allowed: tuple[type, ...]) -> Any:
    """The value as an allowed type where that loses nothing; else None."""
    assert NoneType in allowed
    if bool in allowed and value in (0, 1, "true", "false"):
        return value in (1, "true")
    if allowed == (str, NoneType) and isinstance(value, bool | int | float):
        return str(value)
    return None
