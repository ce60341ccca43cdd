"""Records -> columns of acts, and the reasons why a record gives no act. Column by column: work per row in Python is what costs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.platforms import ParseSettings
from etl.platforms.reddit.ids import COMMENT, SUBMISSION, are_ids, count_id_casts, full_ids, parent_ids, thread_groups
from etl.platforms.reddit.records import Record, Submission
from etl.platforms.reddit.values import edits, flags, string_map, times, whole_numbers
from etl.platforms.reddit.words import State, cleaned, mark_of, taken_away, without_profiles
from lake.acts import DELETED_LATER
from lake.pseudonyms import pseudonym

PLATFORM_NAME = "reddit"
Strings = list[str | None]


@dataclass(frozen=True)
class ActColumns:
    """Columns of acts (all but `source_file` and `line`) of N records, and why a record gives no act. Shape: every column and `reasons` (N,)."""

    columns: dict[str, Any]
    reasons: np.ndarray


def act_columns(records: Sequence[Record], kind: str, settings: ParseSettings, casts: Counter[str]) -> ActColumns:
    """The columns of a block's records, in their order; reasons are None where a record gives an act. Casts are added to `casts`."""
    if kind == Submission.kind:
        return _submission_columns(records, settings, casts)
    return _comment_columns(records, settings, casts)


def user_id(name: str | None, key: bytes) -> str | None:
    """The pseudonym of an account; None where the account is deleted ('[deleted]') or not told."""
    return None if not name or name.startswith("[") else pseudonym(key, PLATFORM_NAME, name)


def community(name: str | None, is_profile: bool, key: bytes) -> str | None:
    """A subreddit; one that is a person's profile (`u_NAME`) with the person's pseudonym in the place of the name."""
    if not name:
        return None
    has_prefix = name[:2].lower() in ("u_", "u/")
    return f"u_{pseudonym(key, PLATFORM_NAME, name[2:] if has_prefix else name)}" if has_prefix or is_profile else name


def _comment_columns(records: Sequence[Any], settings: ParseSettings, casts: Counter[str]) -> ActColumns:
    native, links, parents = ([getattr(record, name) for record in records] for name in ("id", "link_id", "parent_id"))
    count_id_casts(native, "id", False, casts)
    count_id_casts(links, "link_id", True, casts)
    count_id_casts(parents, "parent_id", True, casts)
    links = full_ids(links, SUBMISSION)
    parents = parent_ids(parents, links)
    threads = [link or (parent if parent and parent[:3] == SUBMISSION else None) for link, parent in zip(links, parents, strict=True)]
    texts = cleaned([record.body for record in records], "body", casts)
    states = [_state(record, mark_of(text), settings) for record, text in zip(records, texts, strict=True)]
    attributes = _attributes(records, casts) | {
        "controversiality": [number if number != "0" else None for number in _numbers(records, "controversiality", casts)],
        "is_submitter": flags([record.is_submitter for record in records]),
    }
    is_comment = [record.body is not None or record.link_id is not None or record.parent_id is not None for record in records]
    columns = _shared_columns(records, attributes, settings, casts) | _id_columns(full_ids(native, COMMENT), threads, parents)
    columns |= {
        "action": ["comment"] * len(records),
        "title": pa.nulls(len(records), pa.string()),
        "text": _kept(texts, states),
        "state": states,
        "url": pa.nulls(len(records), pa.string()),
    }
    return ActColumns(columns, _reasons(records, columns, is_comment, "not a comment"))


def _submission_columns(records: Sequence[Any], settings: ParseSettings, casts: Counter[str]) -> ActColumns:
    native = [record.id for record in records]
    count_id_casts(native, "id", False, casts)
    ids = full_ids(native, SUBMISSION)
    titles, texts, urls = (cleaned([getattr(record, name) for record in records], name, casts) for name in ("title", "selftext", "url"))
    marks = [mark_of(text) if text else mark_of(title) for text, title in zip(texts, titles, strict=True)]
    states = [_state(record, mark, settings) for record, mark in zip(records, marks, strict=True)]
    title_states = [_title_state(record, title, settings) for record, title in zip(records, titles, strict=True)]
    links = [_link(record, url, full_id) for record, url, full_id in zip(records, urls, ids, strict=True)]
    attributes = _attributes(records, casts) | {
        "num_comments": _numbers(records, "num_comments", casts),
        "over_18": flags([record.over_18 for record in records]),
    }
    is_submission = [record.title is not None or record.selftext is not None or record.url is not None for record in records]
    columns = _shared_columns(records, attributes, settings, casts) | _id_columns(ids, ids, [None] * len(records))
    columns |= {
        "action": ["post"] * len(records),
        "title": _kept(titles, title_states),
        "text": _kept(texts, states),
        "state": states,
        "url": _kept(links, title_states),
    }
    return ActColumns(columns, _reasons(records, columns, is_submission, "not a submission"))


def _shared_columns(records: Sequence[Any], attributes: dict[str, Strings], settings: ParseSettings, casts: Counter[str]) -> dict[str, Any]:
    user_ids = {name: user_id(name, settings.key) for name in {record.author for record in records}}
    if settings.keep_names:
        attributes = attributes | {"user_name": [record.author if user_ids[record.author] else None for record in records]}
    places = [(record.subreddit, record.subreddit_type == "user") for record in records]
    communities = {place: community(*place, settings.key) for place in set(places)}
    retrieved = [record.retrieved_utc if record.retrieved_on is None else record.retrieved_on for record in records]
    nulls = pa.nulls(len(records), pa.string())
    return {
        "platform": [PLATFORM_NAME] * len(records),
        "user_id": [user_ids[record.author] for record in records],
        "community": [communities[place] for place in places],
        "created_at": times([record.created_utc for record in records], "created_utc", casts),
        "session_id": nulls,
        "language": nulls,
        "attributes": string_map(attributes, len(records)),
        "source_text": nulls,
        "retrieved_at": times(retrieved, "retrieved_on", casts),
    }


def _id_columns(ids: Strings, threads: Strings, parents: Strings) -> dict[str, pa.Array]:
    thread_ids = pa.array(threads, pa.string())
    return {
        "unit_id": _with_platform(pa.array(ids, pa.string())),
        "thread_id": _with_platform(thread_ids),
        "parent_unit_id": _with_platform(pa.array(parents, pa.string())),
        "thread_group": thread_groups(thread_ids),
    }


def _with_platform(ids: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar(f"{PLATFORM_NAME}:"), ids, "")


def _reasons(records: Sequence[Any], columns: dict[str, Any], is_of_kind: list[bool], other_kind: str) -> np.ndarray:
    """Why a record gives no act, the first reason that holds; None where it does."""
    has_id = np.array([record.id is not None and record.id != "" for record in records], dtype=bool)
    has_time = np.array([record.created_utc is not None for record in records], dtype=bool)
    is_time = columns["created_at"].is_valid().to_numpy(zero_copy_only=False)
    obstacles = [(~np.array(is_of_kind, dtype=bool), other_kind), (~has_id, "no id"), (~are_ids(columns["unit_id"]), "id: not an id")]
    obstacles += [(~has_time, "no created_utc"), (~is_time, "created_utc: not a time")]
    for column, reason in (("thread_id", "link_id: not an id"), ("parent_unit_id", "parent_id: not an id")):
        is_there = columns[column].is_valid().to_numpy(zero_copy_only=False)
        obstacles.append((is_there & ~are_ids(columns[column]), reason))
    reasons = np.full(len(records), None, dtype=object)
    for holds, reason in reversed(obstacles):
        reasons[holds] = reason
    return reasons


def _attributes(records: Sequence[Any], casts: Counter[str]) -> dict[str, Strings]:
    return {
        "score": _numbers(records, "score", casts),
        "edited": edits([record.edited for record in records], "edited", casts),
        "distinguished": [record.distinguished or None for record in records],
        "stickied": flags([record.stickied for record in records]),
        DELETED_LATER: flags([record.meta is not None and record.meta.was_deleted_later for record in records]),
    }


def _numbers(records: Sequence[Any], name: str, casts: Counter[str]) -> Strings:
    return whole_numbers([getattr(record, name) for record in records], name, casts)


def _kept(texts: Strings, states: Sequence[State]) -> Strings:
    return [text if state == "kept" else None for text, state in zip(texts, states, strict=True)]


def _state(record: Any, mark: State, settings: ParseSettings) -> State:
    """What a mark in the text says, else what the archive says where that is honoured."""
    return mark if mark != "kept" or not settings.honour_deletions else _later_state(record)


def _title_state(record: Any, title: str | None, settings: ParseSettings) -> State:
    """Titles and links outlast a removal, as they do on the platform; what its author deleted does not."""
    if settings.honour_deletions and _later_state(record) == "deleted":
        return "deleted"
    return mark_of(title)


def _later_state(record: Any) -> State:
    removed_by = getattr(record, "removed_by_category", None)
    if record.meta is None:
        return taken_away(None, None, removed_by)
    return taken_away(record.meta.was_deleted_later, record.meta.removal_type, removed_by)


def _link(record: Any, url: str | None, full_id: str | None) -> str | None:
    """Where a link post leads; None for a text post, whose URL is its own page."""
    is_own_page = record.is_self or (url is not None and full_id is not None and f"/comments/{full_id[3:]}" in url)
    return None if is_own_page else without_profiles(url)
