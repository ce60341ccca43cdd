"""Which acts make no unit, and why: the filters of `etl.filters`, column by column."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.config import UnitFilters

REASONS = ("community", "date", "over_18", "promoted", "stickied", "distinguished", "bot", "few words", "language")
"""What each act that is left out counts as: the first that holds."""


def filtered_out(acts: pa.RecordBatch, filters: UnitFilters, bots: pa.Array) -> np.ndarray:
    """Why each act may not be a unit, as one of REASONS; empty where it may. Shape: (rows,), of strings.

    `acts` has the columns of `Act` with words cleaned and languages filled in; `bots` are the `user_id`s of bots, looked at where bots are dropped.
    """
    why_not = np.full(acts.num_rows, "", dtype=object)
    for reason, leaves in _left_out(acts, filters, bots):
        leaves = leaves.fill_null(False).to_numpy(zero_copy_only=False)
        why_not[leaves & (why_not == "")] = reason
    return why_not


def _left_out(acts: pa.RecordBatch, filters: UnitFilters, bots: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    """Each filter that is on: its reason, and which acts it leaves out (null: not). In the order of REASONS."""
    if filters.communities_include or filters.communities_exclude:
        yield "community", _is_elsewhere(acts["community"], filters)
    if filters.date_from:
        yield "date", pc.less(acts["created_at"], _midnight(filters.date_from))
    if filters.date_to:
        yield "date", pc.greater_equal(acts["created_at"], _midnight(filters.date_to))
    marks = {
        "over_18": filters.drop_over_18, "promoted": filters.drop_promoted, "stickied": filters.drop_stickied, "distinguished": filters.drop_distinguished,
    }  # fmt: skip
    for attribute, is_dropped in marks.items():
        if is_dropped:
            yield attribute, pc.not_equal(pc.map_lookup(acts["attributes"], pa.scalar(attribute), "first"), "false")
    if filters.drop_bots:
        yield "bot", pc.is_in(acts["user_id"], value_set=bots)
    if filters.min_words:
        yield "few words", pc.invert(_has_words(acts, filters.min_words))
    if filters.languages:
        yield "language", _is_foreign(acts["language"], filters)


def _is_elsewhere(communities: pa.Array, filters: UnitFilters) -> pa.Array:
    lowered = pc.utf8_lower(communities)
    is_excluded = pc.is_in(lowered, value_set=_lowered(filters.communities_exclude))
    if not filters.communities_include:
        return is_excluded
    return pc.or_(is_excluded, pc.invert(pc.is_in(lowered, value_set=_lowered(filters.communities_include))))


def _lowered(names: Sequence[str]) -> pa.Array:
    return pc.utf8_lower(pa.array(names, pa.string()))


def _midnight(day: date) -> pa.Scalar:
    return pa.scalar(datetime.combine(day, time(), UTC), pa.timestamp("us", tz="UTC"))


def _has_words(acts: pa.RecordBatch, count: int) -> pa.Array:
    """Whether title and text together have so many words; a text is read no further than that."""
    words = pc.binary_join_element_wise(acts["title"].fill_null(""), acts["text"].fill_null(""), "\n")
    return pc.match_substring_regex(words, rf"^\s*(?:\S+\s+){{{count - 1}}}\S")


def _is_foreign(languages: pa.Array, filters: UnitFilters) -> pa.Array:
    """Whether the language (that of a tag such as 'pt-BR' is 'pt') is another than those asked for."""
    primary = pc.utf8_lower(pc.list_element(pc.split_pattern(languages, "-", max_splits=1), 0))
    is_other = pc.invert(pc.is_in(primary, value_set=_lowered(filters.languages)))
    return is_other if filters.drop_unknown_language else pc.and_(is_other, languages.is_valid())
