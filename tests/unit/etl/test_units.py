"""Acts of whole threads -> units: who wins among duplicates, what makes no unit, what is cleaned, what the hash depends on."""

from typing import Any

import pytest

from etl.units import units_of_threads
from lake.schema import arrow_schema
from lake.units import UNITS, unit_hash
from tests.etl_rows import act, acts_batch


def make(*acts: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """Units by id, and the counts that are not zero."""
    units, counts = units_of_threads(acts_batch(acts), context_depth=8, context_chars=50)
    assert units.schema.equals(arrow_schema(UNITS))
    assert counts["acts"] == len(acts)
    return {row["unit_id"]: row for row in units.to_pylist()}, {name: count for name, count in counts.items() if count and name != "acts"}


def test_each_act_without_user_or_words_is_counted_by_its_reason() -> None:
    units, counts = make(
        act("kept"), act("deleted", state="deleted", text=None), act("removed", state="removed", text=None), act("nobody", user_id=None),
        act("silent", text=None), act("blank", text=" \n\x07 "), act("gone", state="deleted", text=None, user_id=None),
    )  # fmt: skip
    assert list(units) == ["kept"]
    assert counts == {"deleted": 2, "removed": 1, "no user": 1, "no words": 2}


def test_title_alone_makes_a_unit_also_when_the_text_was_removed() -> None:
    units, counts = make(act("t", title="A link", text=None), act("u", None, "u", title="Kept title", text=None, state="removed"))
    assert [units[name]["text"] for name in ("t", "u")] == ["", ""]
    assert counts == {}


def test_deleted_title_makes_no_unit() -> None:
    assert make(act("t", title="Still there", text=None, state="deleted")) == ({}, {"deleted": 1})


def test_acts_after_the_first_of_one_id_are_duplicates_and_counted_when_they_differ() -> None:
    first, same, other = act("a", "t", line=1), act("a", "t", line=2), act("a", "t", text="other words", line=3)
    units, counts = make(first, same, other, act("b", "a"))
    assert units["a"]["text"] == "words of a"
    assert [entry["text"] for entry in units["b"]["context"]] == ["words of a"]
    assert counts == {"duplicate": 2, "duplicates that differ": 1}


def test_names_and_control_characters_go_from_own_and_context_texts() -> None:
    opening = act("t", title="for u/somebody", text="see /u/else\x00", url="https://reddit.com/user/somebody/about")
    units, _ = make(opening, act("a", "t", text="hi u/third"), act("b", "a"))
    assert (units["t"]["title"], units["t"]["text"], units["t"]["url"]) == ("for u/[name]", "see /u/[name]", "https://reddit.com/user/[name]/about")
    assert [entry["text"] for entry in units["b"]["context"]] == ["for u/[name]\n\nsee /u/[name]", "hi u/[name]"]


def test_hash_is_of_the_words_as_they_stand_in_the_unit() -> None:
    units, _ = make(act("t", title="Title", text=None), act("a", "t"), act("b", "a", community=None))
    assert units["t"]["unit_hash"] == unit_hash("comment", "c", "Title", "", [])
    assert units["b"]["unit_hash"] == unit_hash("comment", None, None, "words of b", ["Title", "words of a"])
    assert units["b"]["duplicate_group"] is None


@pytest.mark.parametrize(
    "other",
    [("x", "c", None, "text", ["a", "b"]), ("a", None, None, "text", ["a", "b"]), ("a", "c", "", "text", ["a", "b"]), ("a", "c", None, "texta", ["b"]),
     ("a", "c", None, "text", ["ab"]), ("a", "c", None, "text", ['a","b'])],
)  # fmt: skip
def test_hash_tells_contents_apart_that_read_alike_when_joined(other: tuple[Any, ...]) -> None:
    assert unit_hash(*other) != unit_hash("a", "c", None, "text", ["a", "b"])


def test_hash_of_an_unlucky_text_is_still_a_hash() -> None:
    assert len(unit_hash("comment", None, None, "\ud800", [])) == 64


def test_attributes_and_ids_pass_through() -> None:
    units, _ = make(act("a", "t", attributes={"score": "3"}, session_id="s", language="en", thread_group="7"))
    found = {name: units["a"][name] for name in ("attributes", "session_id", "language", "thread_group", "thread_id", "parent_unit_id")}
    assert found == {"attributes": [("score", "3")], "session_id": "s", "language": "en", "thread_group": "7", "thread_id": "t", "parent_unit_id": "t"}


def test_no_acts_make_no_units() -> None:
    assert make() == ({}, {})
