"""What can be asked, and what cannot."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from conf.errors import ConfigError
from serving.questions import Audience, FindItems, Recommendations, SimilarUsers, UniversalAct, VectorOfHistory, asked


@pytest.mark.parametrize("empty", ["", " ", "\t\n", "\u200b", "\u2028\u00a0", "\x00", "\u202e"])
def test_a_text_of_nothing_is_refused(empty: str) -> None:
    with pytest.raises(ValidationError, match="is empty"):
        Audience(text=empty)
    with pytest.raises(ValidationError, match="is empty"):
        UniversalAct(title=None, text=empty)
    assert UniversalAct(title="a post", text=empty).text == empty


@given(st.text(min_size=1).filter(lambda text: any(character.isalnum() for character in text)))
def test_any_text_with_a_word_can_be_asked_about(text: str) -> None:
    assert FindItems(text=text).text == text


def test_filters_are_one_expression_and_quote_what_they_are_given() -> None:
    question = SimilarUsers(user="a", platforms=["x", 'y" or "'], min_units=3, active_since=datetime(2024, 1, 1, tzinfo=UTC))
    assert question.expression('person_id != "a"') == (
        '(person_id != "a") and (array_contains(platforms, "x") or array_contains(platforms, "y\\" or \\"")) and (unit_count >= 3) and (last_at >= 1704067200)'
    )
    assert SimilarUsers(user="a").expression() == ""


@pytest.mark.parametrize(
    ("given", "expression"),
    [
        ({}, '(level == "specific")'), ({"level": "broad"}, '(level == "broad")'), ({"sources": ["films"]}, '(source in ["films"])'),
        ({"level": "broad", "sources": ["labels", "x"]}, '(level == "broad") and (source in ["labels", "x"])'),
    ],
)  # fmt: skip
def test_specific_labels_are_meant_unless_a_source_or_level_is_named(given: dict[str, Any], expression: str) -> None:
    assert Recommendations(user="a", **given).expression() == expression


def test_acts_are_put_in_order_where_all_tell_their_time() -> None:
    def act(text: str, day: int | None) -> UniversalAct:
        return UniversalAct(text=text, created_at=None if day is None else datetime(2024, 1, day, tzinfo=UTC))

    assert [unit["text"] for unit in VectorOfHistory(acts=[act("b", 2), act("c", 2), act("a", 1)]).units()] == ["a", "b", "c"]
    assert [unit["text"] for unit in VectorOfHistory(acts=[act("b", 2), act("a", None)]).units()] == ["b", "a"]


def test_what_a_command_cannot_ask_is_told_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"^question\.text: is empty, found ''$"):
        asked(Audience, "question", text="")
    with pytest.raises(ConfigError, match=r"question\.limit: .*1000.*; question\.active_since: .*timezone"):
        asked(Audience, "question", text="a", limit=1001, active_since="2024-01-01T00:00")
