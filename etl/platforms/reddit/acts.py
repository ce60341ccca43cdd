"""Records -> columns of acts, and the reasons why a record gives no act. Column by column: work per row in Python is what costs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.platforms import ParseSettings
from etl.platforms.accounts import user_ids
from etl.platforms.columns import each_distinct, string_map
from etl.platforms.mentions import without_mentions
from etl.platforms.reddit.decoding import Fields
from etl.platforms.reddit.ids import COMMENT, SUBMISSION, are_ids, as_ids, count_id_casts, full_ids, parent_ids, thread_groups
from etl.platforms.reddit.records import Submission
from etl.platforms.reddit.values import edits, flags, times, whole_numbers
from etl.platforms.reddit.words import cleaned, marks_of, taken_away
from lake.acts import DELETED_LATER, USER_NAME, profile_place
from lake.pseudonyms import pseudonym

PLATFORM_NAME = "reddit"


@dataclass(frozen=True)
class ActColumns:
    """Columns of acts (all but `source_file` and `line`) of N records, and why a record gives no act. Shape: every column and `reasons` (N,)."""

    columns: dict[str, Any]
    reasons: np.ndarray


def act_columns(fields: Fields, kind: str, settings: ParseSettings, casts: Counter[str]) -> ActColumns:
    """The columns of a block's records, in their order; reasons are None where a record gives an act. Casts are added to `casts`."""
    return _submission_columns(fields, settings, casts) if kind == Submission.kind else _comment_columns(fields, settings, casts)


def community(name: str | None, kind: str | None, key: bytes) -> str | None:
    """A subreddit; one that is a person's profile (`u_NAME`, or of kind 'user') with the person's pseudonym in the place of the name."""
    if not name:
        return None
    has_prefix = name[:2].lower() in ("u_", "u/")
    return profile_place(pseudonym(key, PLATFORM_NAME, name[2:] if has_prefix else name)) if has_prefix or kind == "user" else name


def account(name: str | None) -> str | None:
    """An author's account; None where it is deleted ('[deleted]') or not told."""
    return None if not name or name.startswith("[") else name


def outgoing_link(is_self: bool | None, url: str | None, full_id: str | None) -> str | None:
    """Where a link post leads; None for a text post, whose URL is its own page."""
    is_own_page = is_self or (url is not None and full_id is not None and f"/comments/{full_id[3:]}" in url)
    return None if is_own_page else url


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
    return ActColumns(columns, _reasons(fields, columns, ("body", "link_id", "parent_id"), "thread_id", "not a comment"))


def _submission_columns(fields: Fields, settings: ParseSettings, casts: Counter[str]) -> ActColumns:
    native = as_ids(fields["id"])
    count_id_casts(native, "id", False, casts)
    ids = full_ids(native, SUBMISSION)
    titles, texts = (pa.array(cleaned(fields[name], name, casts), pa.string()) for name in ("title", "selftext"))
    title_marks, later = marks_of(titles), _later_states(fields)
    states = _states(pc.if_else(texts.is_valid(), marks_of(texts), title_marks), later, settings)
    # Titles and links outlast a removal, as they do on the platform; what its author deleted does not.
    title_states = pc.if_else(pc.equal(later, "deleted"), later, title_marks) if settings.honour_deletions else title_marks
    urls = cleaned(fields["url"], "url", casts)
    links = [outgoing_link(*post) for post in zip(fields["is_self"], urls, ids.to_pylist(), strict=True)]
    attributes = _attributes(fields, casts) | {
        "num_comments": whole_numbers(fields["num_comments"], "num_comments", casts),
        "over_18": flags(fields["over_18"]),
        "promoted": flags([promoted or is_ad for promoted, is_ad in zip(fields["promoted"], fields["is_created_from_ads_ui"], strict=True)]),
    }
    rows = len(texts)
    columns = _shared_columns(fields, attributes, settings, casts) | _id_columns(ids, ids, pa.nulls(rows, pa.string()))
    columns |= {
        "action": pa.repeat("post", rows), "title": _kept(titles, title_states), "text": _kept(texts, states), "state": states,
        "url": without_mentions(_kept(pa.array(links, pa.string()), title_states)),
    }  # fmt: skip
    return ActColumns(columns, _reasons(fields, columns, ("title", "selftext", "url"), "title", "not a submission"))


def _shared_columns(fields: Fields, attributes: dict[str, pa.Array], settings: ParseSettings, casts: Counter[str]) -> dict[str, pa.Array]:
    names, places, kinds = (pa.array(fields[name], pa.string()) for name in ("author", "subreddit", "subreddit_type"))
    pseudonyms = user_ids(PLATFORM_NAME, settings.key)
    users = each_distinct(names, lambda name: pseudonyms[account(name)])
    if settings.keep_names:
        attributes = attributes | {USER_NAME: pc.if_else(users.is_valid(), names, None)}
    retrieved = fields["retrieved_on"]
    if None in retrieved:
        retrieved = [other if on is None else on for on, other in zip(retrieved, fields["retrieved_utc"], strict=True)]
    rows = len(retrieved)
    nulls = pa.nulls(rows, pa.string())
    return {
        "platform": pa.repeat(PLATFORM_NAME, rows),
        "user_id": users,
        "community": _communities(places, kinds, settings.key),
        "created_at": times(fields["created_utc"], "created_utc", casts),
        "session_id": nulls,
        "language": nulls,
        "attributes": string_map(attributes, rows),
        "source_text": nulls,
        "retrieved_at": times(retrieved, "retrieved_on", casts),
    }


def _communities(names: pa.Array, kinds: pa.Array, key: bytes) -> pa.Array:
    """`community` of each place."""
    communities = each_distinct(names, lambda name: community(name, None, key))
    is_profile = pc.equal(kinds, "user").fill_null(False)
    if not pc.any(is_profile).as_py():
        return communities
    profiles = each_distinct(pc.if_else(is_profile, names, None), lambda name: community(name, "user", key))
    return pc.if_else(is_profile, profiles, communities)


def _id_columns(ids: pa.Array, threads: pa.Array, parents: pa.Array) -> dict[str, pa.Array]:
    return {
        "unit_id": _with_platform(ids),
        "thread_id": _with_platform(threads),
        "parent_unit_id": _with_platform(parents),
        "thread_group": thread_groups(threads),
    }


def _with_platform(ids: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar(f"{PLATFORM_NAME}:"), ids, "")


def _reasons(fields: Fields, columns: dict[str, Any], of_kind: Sequence[str], marker: str, other_kind: str) -> np.ndarray:
    """Why a record gives no act, the first reason that holds; None where it does.

    A record of the kind has one of the fields `of_kind`; it surely has where the column `marker` is not null.
    """
    is_other_kind = _is_null(columns[marker])
    for name in of_kind:
        is_other_kind = _is_none(fields[name], is_other_kind)
    is_no_time = _is_null(columns["created_at"])
    obstacles = [(is_other_kind, other_kind), (_is_null(columns["unit_id"]), "no id"), (~are_ids(columns["unit_id"]), "id: not an id")]
    obstacles += [(_is_none(fields["created_utc"], is_no_time), "no created_utc"), (is_no_time, "created_utc: not a time")]
    for column, reason in (("thread_id", "link_id: not an id"), ("parent_unit_id", "parent_id: not an id")):
        obstacles.append((~are_ids(columns[column]) & ~_is_null(columns[column]), reason))
    reasons = np.full(len(is_no_time), None, dtype=object)
    for holds, reason in reversed(obstacles):
        reasons[holds] = reason
    return reasons


def _is_null(column: pa.Array) -> np.ndarray:
    return column.is_null().to_numpy(zero_copy_only=False)


def _is_none(values: Sequence[Any], rows: np.ndarray) -> np.ndarray:
    """Those of some rows whose value is None. Shape: both (rows,), of booleans."""
    is_none = np.zeros_like(rows)
    for row in np.flatnonzero(rows):
        is_none[row] = values[row] is None
    return is_none


def _attributes(fields: Fields, casts: Counter[str]) -> dict[str, pa.Array]:
    return {
        "score": whole_numbers(fields["score"], "score", casts),
        "edited": edits(fields["edited"], "edited", casts),
        "distinguished": pa.array([value or None for value in fields["distinguished"]], pa.string()),
        "stickied": flags(fields["stickied"]),
        DELETED_LATER: flags([meta is not None and meta.was_deleted_later for meta in fields["meta"]]),
    }


def _kept(texts: pa.Array, states: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(states, "kept"), texts, None)


def _states(marks: pa.Array, later: pa.Array, settings: ParseSettings) -> pa.Array:
    """What a mark in the text says, else what the archive says where that is honoured."""
    return pc.if_else(pc.equal(marks, "kept"), later, marks) if settings.honour_deletions else marks


def _later_states(fields: Fields) -> pa.Array:
    """What the archive itself says became of each act. Shape: (rows,), of strings."""
    metas = fields["meta"]
    removed_by = fields.get("removed_by_category", [None] * len(metas))
    if not any(metas) and not any(removed_by):
        return pa.repeat("kept", len(metas))
    marks = [(meta.was_deleted_later, meta.removal_type) if meta else (None, None) for meta in metas]
    return pa.array([taken_away(deleted, removal, by) for (deleted, removal), by in zip(marks, removed_by, strict=True)], pa.string())
