"""Filters: whatever stands in a value stays inside its literal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.errors import VectorStoreError
from serving import filters


@pytest.mark.parametrize("hostile", ["a'] or id not in ['zz", 'a"] or id not in ["zz', "back\\", 'quote\\"', "ünï 😀", ""])
def test_hostile_ids_stay_one_literal(hostile: str) -> None:
    literal = filters.one_of("id", [hostile]).removeprefix("id in [").removesuffix("]")
    assert json.loads(literal) == hostile


@given(st.text(st.characters(blacklist_categories=["Cc", "Cs"])))
def test_quoting_can_be_undone_for_all_printable_text(text: str) -> None:
    assert json.loads(filters.quoted(text)) == text


@pytest.mark.parametrize("text", ["nul\x00", "line\nbreak", "bell\x07", "\ud800"])
def test_control_characters_are_refused(text: str) -> None:
    with pytest.raises(VectorStoreError, match="control character"):
        filters.quoted(text)


def test_each_filter_quotes_its_value() -> None:
    assert filters.equals("level", "broad") == 'level == "broad"'
    assert filters.differs("person_id", 'a"b') == 'person_id != "a\\"b"'
    assert filters.contains("user_ids", "a'b") == 'array_contains(user_ids, "a\'b")'
