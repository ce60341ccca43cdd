"""Acts of whole threads -> units: who wins among duplicates, what makes no unit, what is cleaned, what the hash depends on."""

import hashlib
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.config import UnitFilters
from etl.units.acts import UnitSettings, buckets_of_partitions, unit_hashes, units_of_threads
from lake.schema import arrow_schema
from lake.units import UNITS
from tests.etl_rows import START, act, acts_batch


def unit_hash(*content: Any) -> str:
    """The same by the standard library."""
    *own, context = content
    return hashlib.sha256(json.dumps([*own, *context], ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def make(*acts: dict[str, Any], **settings: Any) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """Units by id, and the counts that are not zero."""
    parts = list(units_of_threads(acts_batch(acts), UnitSettings(context_depth=8, context_chars=50, **settings)))
    units, counts = pa.concat_tables(part.rows for part in parts), sum((part.counts for part in parts), Counter())
    assert units.schema.equals(arrow_schema(UNITS))
    assert counts.pop("acts", 0) == sum(row.get("is_new", True) for row in acts)
    return {row["unit_id"]: row for row in units.to_pylist()}, dict(counts)


def replaced(*acts: dict[str, Any]) -> list[str]:
    """Ids whose earlier units are no longer right."""
    return [name for part in units_of_threads(acts_batch(acts), UnitSettings(8, 50)) for names in part.replaced.values() for name in names]


def test_each_act_without_user_or_words_is_counted_by_its_reason() -> None:
    units, counts = make(
        act("kept"), act("deleted", state="deleted", text=None), act("removed", state="removed", text=None), act("nobody", user_id=None),
        act("silent", text=None), act("blank", text=" \n\x07 "), act("gone", state="deleted", text=None, user_id=None),
        act("kettle", None, "kettle", action="object", user_id=None),
    )  # fmt: skip
    assert list(units) == ["kept"]
    assert counts == {"object": 1, "deleted": 2, "removed": 1, "no user": 1, "no words": 2}


def test_title_alone_makes_a_unit_also_when_the_text_was_removed() -> None:
    units, counts = make(act("t", title="A link", text=None), act("u", None, "u", title="Kept title", text=None, state="removed"))
    assert [units[name]["text"] for name in ("t", "u")] == ["", ""]
    assert counts == {}


def test_deleted_title_makes_no_unit() -> None:
    assert make(act("t", title="Still there", text=None, state="deleted")) == ({}, {"deleted": 1})


def test_losing_duplicates_are_counted_also_those_that_say_something_else() -> None:
    first, same, other = act("a", "t", line=1), act("a", "t", line=3), act("a", "t", text="other words", line=2)
    units, counts = make(first, same, other, act("b", "a"))
    assert units["a"]["text"] == "words of a"
    assert [entry["text"] for entry in units["b"]["context"]] == ["words of a"]
    assert counts == {"duplicate": 2, "duplicates that differ": 1}


def old(*arguments: Any, **values: Any) -> dict[str, Any]:
    """An act that the last run knew."""
    return act(*arguments, **values) | {"is_new": False}


def test_only_units_that_a_new_act_changes_are_made() -> None:
    late_parent = [old("t", None, "t"), act("a", "t"), old("b", "a"), old("c", "b"), old("other", "t"), old("deleted", "a", state="deleted", text=None)]
    units, counts = make(*late_parent)
    assert units.keys() == {"a", "b", "c"}
    assert counts == {"units changed": 2}
    assert sorted(replaced(*late_parent)) == ["b", "c"]
    late_root = [act("t", None, "t"), old("a", "t"), old("b", "a")]
    assert make(*late_root)[0].keys() == {"t", "a", "b"}
    beyond_depth = [act("a0", "t"), *(old(f"a{number}", f"a{number - 1}") for number in range(1, 11))]
    assert "a8" in make(*beyond_depth)[0]
    assert "a9" not in make(*beyond_depth)[0]


def test_a_break_that_arrives_changes_the_state_of_chains_below_it() -> None:
    acts = [act("a", "t", state="deleted", text=None, user_id=None), old("b", "a")]
    units, counts = make(*acts)
    assert units["b"]["chain_state"] == "deleted"
    assert counts == {"deleted": 1, "units changed": 1}


def test_a_new_copy_of_a_known_act_is_a_duplicate_and_the_unit_is_made_again() -> None:
    acts = [old("a", "t", text="early", line=1), act("a", "t", text="late", line=2)]
    units, counts = make(*acts)
    assert units["a"]["text"] == "late"
    assert counts == {"duplicate": 1, "duplicates that differ": 1, "units changed": 1}
    assert replaced(*acts) == ["a"]
    deleted = [old("a", "t"), act("a", "t", text=None, state="deleted", attributes={"deleted_later": "true"})]
    assert make(*deleted) == ({}, {"duplicate": 1, "duplicates that differ": 1})
    assert replaced(*deleted) == ["a"]


def test_partitions_have_buckets_by_their_rows() -> None:
    few = buckets_of_partitions({("reddit", "1"): 30, ("reddit", "2"): 10, ("reddit", "3"): 0}, at_least=4)
    assert few == {("reddit", "1"): range(3), ("reddit", "2"): range(3, 4), ("reddit", "3"): range(4, 5)}
    many = buckets_of_partitions({("reddit", "1"): 72_000_000, ("reddit", "2"): 1}, at_least=4)
    assert many == {("reddit", "1"): range(72), ("reddit", "2"): range(72, 73)}


def test_names_and_control_characters_go_from_own_and_context_texts() -> None:
    opening = act("t", title="for u/somebody", text="see /u/else\x00", url="https://reddit.com/user/somebody/about")
    units, _ = make(opening, act("a", "t", text="hi u/third"), act("b", "a"))
    assert (units["t"]["title"], units["t"]["text"], units["t"]["url"]) == ("for u/[name]", "see /u/[name]", "https://reddit.com/user/[name]/about")
    assert [entry["text"] for entry in units["b"]["context"]] == ["for u/[name]\n\nsee /u/[name]", "hi u/[name]"]
    assert [entry["title"] for entry in units["b"]["context"]] == ["for u/[name]", None]


def test_source_texts_and_attributes_are_masked_as_words_are() -> None:
    row = act("a", "t", source_text="<p>u/somebody\x07, me@example.org or 617-495-1551</p>", attributes={"score": "6174951551", "tags": "by u/somebody"})
    units, _ = make(row, mask_contacts=True)
    assert units["a"]["source_text"] == "<p>u/[name], [email] or [phone]</p>"
    assert dict(units["a"]["attributes"]) == {"score": "6174951551", "tags": "by u/[name]"}
    assert make(act("a", "t", source_text=" \x07"))[0]["a"]["source_text"] is None


def test_what_a_filter_leaves_out_is_counted_and_stands_in_contexts_all_the_same() -> None:
    acts = [act("a", "t", text="too short"), act("b", "a", text="long enough to be kept"), act("c", "b", text="so is what a bot says", user_id="bot")]
    units, counts = make(*acts, filters=UnitFilters(min_words=3, drop_bots=True), bots=frozenset({"bot"}))
    assert units.keys() == {"b"}
    assert [entry["text"] for entry in units["b"]["context"]] == ["too short"]
    assert counts == {"few words": 1, "bot": 1}


def test_titles_in_a_context_are_cut_as_its_texts_are_and_blank_ones_are_none() -> None:
    units, _ = make(act("t", title="t" * 60, text="\x07"), act("a", "t"), act("u", None, "u", title=" \x07"), act("b", "u", "u"))
    assert [(entry["title"], entry["text"]) for name in "ab" for entry in units[name]["context"]] == [("t" * 50, "t" * 50), (None, "words of u")]


def test_contacts_are_masked_and_languages_told_where_that_is_asked_for() -> None:
    german = act("a", "t", text="Schreib mir bitte an jemand@example.org, das ist mir lieber als hier")
    asked, _ = make(german, mask_contacts=True, identify_languages=True)
    assert (asked["a"]["text"], asked["a"]["language"]) == ("Schreib mir bitte an [email], das ist mir lieber als hier", "de")
    assert make(german)[0]["a"]["language"] is None


def test_hash_is_of_the_words_as_they_stand_in_the_unit() -> None:
    units, _ = make(act("t", title="Title", text=None), act("a", "t"), act("b", "a", community=None))
    assert units["t"]["unit_hash"] == unit_hash("comment", "c", "Title", "", [])
    assert units["b"]["unit_hash"] == unit_hash("comment", None, None, "words of b", ["Title", "words of a"])
    assert units["b"]["duplicate_group"] is None


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=3, max_size=5))
def test_hash_is_the_same_however_it_is_made(texts: list[str]) -> None:
    context = pa.array([[{"text": text} for text in texts[2:]]])
    unit = pa.RecordBatch.from_pylist([{"action": "comment", "community": texts[0], "title": None, "text": texts[1]}])
    assert unit_hashes(unit.cast(pa.schema([(name, pa.string()) for name in unit.column_names])), context).to_pylist() == [
        unit_hash("comment", texts[0], None, texts[1], texts[2:])
    ]


@pytest.mark.parametrize(
    "other",
    [("x", "c", None, "text", ["a", "b"]), ("a", None, None, "text", ["a", "b"]), ("a", "c", "", "text", ["a", "b"]), ("a", "c", None, "texta", ["b"]),
     ("a", "c", None, "text", ["ab"]), ("a", "c", None, "text", ['a","b'])],
)  # fmt: skip
def test_hash_tells_contents_apart_that_read_alike_when_joined(other: tuple[Any, ...]) -> None:
    assert unit_hash(*other) != unit_hash("a", "c", None, "text", ["a", "b"])


def test_attributes_and_ids_pass_through() -> None:
    units, _ = make(act("a", "t", attributes={"score": "3"}, session_id="s", language="en", thread_group="7"))
    found = {name: units["a"][name] for name in ("attributes", "session_id", "language", "thread_group", "thread_id", "parent_unit_id")}
    assert found == {"attributes": [("score", "3")], "session_id": "s", "language": "en", "thread_group": "7", "thread_id": "t", "parent_unit_id": "t"}


def test_no_acts_make_no_units() -> None:
    assert make() == ({}, {})


def test_two_sessions_that_tell_one_act_make_it_once_and_what_came_after_it_anew() -> None:
    of_ada = {"user_id": "ada", "session_id": "s"}
    before, after = old("before", None, None, **of_ada), old("after", None, None, **of_ada, created_at=START + timedelta(minutes=1))
    copy = act("before", None, None, **of_ada | {"session_id": "other"}, source_file="RC later")
    units, counts = make(before, after, copy)
    assert ({name: row["session_id"] for name, row in units.items()}, counts) == ({"before": "other", "after": "s"}, {"duplicate": 1, "units changed": 2})
    assert units["after"]["context"] == []
