"""Records -> columns of acts, and the reasons why a record gives no act. Column by column: work per row in Python is what costs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.platforms import ParseSettings
from etl.platforms.reddit.ids import COMMENT, SUBMISSION, are_ids, as_ids, count_id_casts, full_ids, parent_ids, thread_groups
from etl.platforms.reddit.records import RECORDS, Record, Submission
from etl.platforms.reddit.values import edits, flags, string_map, times, whole_numbers
from etl.platforms.reddit.words import cleaned, marks_of, taken_away, without_profiles
from lake.acts import DELETED_LATER
from lake.pseudonyms import pseudonym

PLATFORM_NAME = "reddit"
Fields = dict[str, list[Any]]
"""Field of the dump -> its values, one a record."""
PSEUDONYMS_KEPT = 2**18
"""Of accounts met last, in each worker: some 60 MB."""
RECORDS_AT_ONCE = 200


@dataclass(frozen=True)
class ActColumns:
    """Columns of acts (all but `source_file` and `line`) of N records, and why a record gives no act. Shape: every column and `reasons` (N,)."""

    columns: dict[str, Any]
    reasons: np.ndarray


def act_columns(records: Sequence[Record], kind: str, settings: ParseSettings, casts: Counter[str]) -> ActColumns:
    """The columns of a block's records, in their order; reasons are None where a record gives an act. Casts are added to `casts`."""
    fields = _fields(records, RECORDS[kind])
    return _submission_columns(fields, settings, casts) if kind == Submission.kind else _comment_columns(fields, settings, casts)


@lru_cache(PSEUDONYMS_KEPT)
def user_id(name: str | None, key: bytes) -> str | None:
    """The pseudonym of an account; None where the account is deleted ('[deleted]') or not told."""
    return None if not name or name.startswith("[") else pseudonym(key, PLATFORM_NAME, name)


def community(name: str | None, kind: str | None, key: bytes) -> str | None:
    """A subreddit; one that is a person's profile (`u_NAME`, or of kind 'user') with the person's pseudonym in the place of the name."""
    if not name:
        return None
    has_prefix = name[:2].lower() in ("u_", "u/")
    return f"u_{pseudonym(key, PLATFORM_NAME, name[2:] if has_prefix else name)}" if has_prefix or kind == "user" else name


def _fields(records: Sequence[Record], record: type[msgspec.Struct]) -> Fields:
    """Values by field, a few records at a time: thousands of tuples at once would be walked over by the garbage collector, and leave the cache."""
    fields: Fields = {name: [] for name in record.__struct_fields__}
    for start in range(0, len(records), RECORDS_AT_ONCE):
        some = map(msgspec.structs.astuple, records[start : start + RECORDS_AT_ONCE])
        for values, more in zip(fields.values(), zip(*some, strict=True), strict=True):
            values.extend(more)
    return fields


def _comment_columns(fields: Fields, settings: ParseSettings, casts: Counter[str]) -> ActColumns:
    ids = {name: as_ids(fields[name]) for name in ("id", "link_id", "parent_id")}
    for name, values in ids.items():
        count_id_casts(values, name, name != "id", casts)
    links = full_ids(ids["link_id"], SUBMISSION)
    parents = parent_ids(ids["parent_id"], links)
    threads = pc.coalesce(links, pc.if_else(pc.starts_with(parents, SUBMISSION), parents, None))
    texts = pa.array(cleaned(fields["body"], "body", casts), pa.string())
    states = _states(marks_of(texts), _later_states(fields), settings)
    numbers = whole_numbers(fields["controversiality"], "controversiality", casts)
    attributes = _attributes(fields, casts) | {
        "controversiality": pc.if_else(pc.equal(numbers, "0"), None, numbers),
        "is_submitter": flags(fields["is_submitter"]),
    }
    columns = _shared_columns(fields, attributes, settings, casts) | _id_columns(full_ids(ids["id"], COMMENT), threads, parents)
    rows = len(texts)
    columns |= {
        "action": pa.repeat("comment", rows), "title": pa.nulls(rows, pa.string()), "text": _kept(texts, states), "state": states,
        "url": pa.nulls(rows, pa.string()),
    }  # fmt: skip
    return ActColumns(columns, _reasons(fields, columns, ("body", "link_id", "parent_id"), "not a comment"))


def _submission_columns(fields: Fields, settings: ParseSettings, casts: Counter[str]) -> ActColumns:
    native = as_ids(fields["id"])
    count_id_casts(native, "id", False, casts)
    ids = full_ids(native, SUBMISSION)
    titles, texts = (pa.array(cleaned(fields[name], name, casts), pa.string()) for name in ("title", "selftext"))
    title_marks, later = marks_of(titles), _later_states(fields)
    marks = np.where(texts.is_valid().to_numpy(zero_copy_only=False), marks_of(texts), title_marks)
    states = _states(marks, later, settings)
    # Titles and links outlast a removal, as they do on the platform; what its author deleted does not.
    title_states = np.where((later == "deleted") & settings.honour_deletions, "deleted", title_marks)
    urls = cleaned(fields["url"], "url", casts)
    links = [_link(*post) for post in zip(fields["is_self"], urls, ids.to_pylist(), strict=True)]
    attributes = _attributes(fields, casts) | {
        "num_comments": whole_numbers(fields["num_comments"], "num_comments", casts),
        "over_18": flags(fields["over_18"]),
        "promoted": flags([promoted or is_ad for promoted, is_ad in zip(fields["promoted"], fields["is_created_from_ads_ui"], strict=True)]),
    }
    rows = len(texts)
    columns = _shared_columns(fields, attributes, settings, casts) | _id_columns(ids, ids, pa.nulls(rows, pa.string()))
    columns |= {
        "action": pa.repeat("post", rows), "title": _kept(titles, title_states), "text": _kept(texts, states), "state": states,
        "url": _kept(pa.array(links, pa.string()), title_states),
    }  # fmt: skip
    return ActColumns(columns, _reasons(fields, columns, ("title", "selftext", "url"), "not a submission"))


def _shared_columns(fields: Fields, attributes: dict[str, pa.Array], settings: ParseSettings, casts: Counter[str]) -> dict[str, Any]:
    user_ids = {name: user_id(name, settings.key) for name in set(fields["author"])}
    if settings.keep_names:
        names = [name if user_ids[name] else None for name in fields["author"]]
        attributes = attributes | {"user_name": pa.array(names, pa.string())}
    communities = _communities(fields["subreddit"], fields["subreddit_type"], settings.key)
    retrieved = fields["retrieved_on"]
    if None in retrieved:
        retrieved = [other if on is None else on for on, other in zip(retrieved, fields["retrieved_utc"], strict=True)]
    rows = len(retrieved)
    nulls = pa.nulls(rows, pa.string())
    return {
        "platform": pa.repeat(PLATFORM_NAME, rows),
        "user_id": [user_ids[name] for name in fields["author"]],
        "community": communities,
        "created_at": times(fields["created_utc"], "created_utc", casts),
        "session_id": nulls,
        "language": nulls,
        "attributes": string_map(attributes, rows),
        "source_text": nulls,
        "retrieved_at": times(retrieved, "retrieved_on", casts),
    }


def _communities(names: Sequence[str | None], kinds: Sequence[str | None], key: bytes) -> Sequence[str | None]:
    """`community` of each place, worked out once for each distinct one."""
    if "user" in set(kinds):
        by_place = {place: community(*place, key) for place in set(zip(names, kinds, strict=True))}
        return [by_place[place] for place in zip(names, kinds, strict=True)]
    by_name = {name: community(name, None, key) for name in set(names)}
    return [by_name[name] for name in names]


def _id_columns(ids: pa.Array, threads: pa.Array, parents: pa.Array) -> dict[str, pa.Array]:
    return {
        "unit_id": _with_platform(ids),
        "thread_id": _with_platform(threads),
        "parent_unit_id": _with_platform(parents),
        "thread_group": thread_groups(threads),
    }


def _with_platform(ids: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar(f"{PLATFORM_NAME}:"), ids, "")


def _reasons(fields: Fields, columns: dict[str, Any], of_kind: Sequence[str], other_kind: str) -> np.ndarray:
    """Why a record gives no act, the first reason that holds; None where it does. A record of the kind has one of the fields `of_kind`."""
    is_of_kind = np.logical_or.reduce([_is_there(fields[name]) for name in of_kind])
    has_id, is_time = (columns[name].is_valid().to_numpy(zero_copy_only=False) for name in ("unit_id", "created_at"))
    obstacles = [(~is_of_kind, other_kind), (~has_id, "no id"), (~are_ids(columns["unit_id"]), "id: not an id")]
    obstacles += [(~_is_there(fields["created_utc"]), "no created_utc"), (~is_time, "created_utc: not a time")]
    for column, reason in (("thread_id", "link_id: not an id"), ("parent_unit_id", "parent_id: not an id")):
        is_there = columns[column].is_valid().to_numpy(zero_copy_only=False)
        obstacles.append((is_there & ~are_ids(columns[column]), reason))
    reasons = np.full(len(has_id), None, dtype=object)
    for holds, reason in reversed(obstacles):
        reasons[holds] = reason
    return reasons


def _is_there(values: Sequence[Any]) -> np.ndarray:
    if None not in values:
        return np.ones(len(values), dtype=bool)
    return np.array([value is not None for value in values], dtype=bool)


def _attributes(fields: Fields, casts: Counter[str]) -> dict[str, pa.Array]:
    return {
        "score": whole_numbers(fields["score"], "score", casts),
        "edited": edits(fields["edited"], "edited", casts),
        "distinguished": pa.array([value or None for value in fields["distinguished"]], pa.string()),
        "stickied": flags(fields["stickied"]),
        DELETED_LATER: flags([meta is not None and meta.was_deleted_later for meta in fields["meta"]]),
    }


def _kept(texts: pa.Array, states: np.ndarray) -> pa.Array:
    return pc.if_else(pa.array(states == "kept"), texts, None)


def _states(marks: np.ndarray, later: np.ndarray, settings: ParseSettings) -> np.ndarray:
    """What a mark in the text says, else what the archive says where that is honoured."""
    return np.where((marks == "kept") & settings.honour_deletions, later, marks)


def _later_states(fields: Fields) -> np.ndarray:
    """What the archive itself says became of each act. Shape: (rows,), of strings."""
    metas = fields["meta"]
    removed_by = fields.get("removed_by_category", [None] * len(metas))
    states = np.full(len(metas), "kept", dtype=object)
    for row, (meta, category) in enumerate(zip(metas, removed_by, strict=True)):
        if meta is not None:
            states[row] = taken_away(meta.was_deleted_later, meta.removal_type, category)
        elif category is not None:
            states[row] = taken_away(None, None, category)
    return states


def _link(is_self: bool | None, url: str | None, full_id: str | None) -> str | None:
    """Where a link post leads; None for a text post, whose URL is its own page."""
    is_own_page = is_self or (url is not None and full_id is not None and f"/comments/{full_id[3:]}" in url)
    return None if is_own_page else without_profiles(url)
