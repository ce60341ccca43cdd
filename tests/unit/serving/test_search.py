"""Shared topics, and hits as a person sees them."""

from types import SimpleNamespace
from typing import Any

from serving.queries import as_table
from serving.search import shared_topics


def near(**scores: float) -> list[dict[str, Any]]:
    return [{"item_id": name, "text": f"about {name}", "score": score} for name, score in scores.items()]


def test_shared_topics_are_near_both_and_ranked_by_the_lower_score() -> None:
    topics = shared_topics(near(a=0.9, b=0.8, c=0.5, d=0.4), near(c=0.6, b=0.5, d=0.45, e=0.9), count=3)
    assert [(topic.item_id, topic.score) for topic in topics] == [("b", 0.5), ("c", 0.5), ("d", 0.4)]


def test_people_without_a_common_topic_share_none() -> None:
    assert shared_topics(near(a=0.9), near(b=0.9), count=3) == []


def test_table_shows_no_control_characters_of_users_texts() -> None:
    text = as_table([SimpleNamespace(text="\x1b[31mred\nline\x9b2J")], {"item": lambda hit: hit.text})
    assert text.splitlines() == ["item", "[31mred line 2J"]


def test_no_hits_say_so() -> None:
    assert as_table([], {"item": lambda hit: hit.text}) == "nothing found"
