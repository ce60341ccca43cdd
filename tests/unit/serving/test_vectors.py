"""Histories out of chunks: the newest part whole, whatever the chunk borders; and which vectors must be made."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lake.encoder import EncoderCard, history_text
from lake.rendering import RENDERING_VERSION
from lake.schema import arrow_schema, rows_table
from lake.units import SEQUENCES
from serving.vectors import describe_person, labels_by_person, persons, what_to_do

START = datetime(2023, 1, 1, tzinfo=UTC)


def unit(number: int, words: str, community: str | None = "c", platform: str = "test") -> dict[str, Any]:
    return {
        "unit_id": f"u{number}", "unit_hash": f"h{number}", "duplicate_group": None, "starts_session": False, "created_at": START + timedelta(days=number), "platform": platform,
        "thread_id": None, "action": "comment", "community": community, "title": None, "text": words, "context": [],
    }  # fmt: skip


def chunk(person: str, number: int, units: list[dict[str, Any]], user_ids: tuple[str, ...] = ("a",)) -> dict[str, Any]:
    times = [row["created_at"] for row in units]
    return {
        "person_id": person, "chunk": number, "units": units, "user_ids": list(user_ids), "first_at": times[0], "last_at": times[-1], "bucket": 0,
    }  # fmt: skip


def table(*chunks: dict[str, Any]) -> pa.Table:
    return rows_table(SEQUENCES, list(chunks))


def words_of(text: str) -> list[str]:
    return [line.split(" | ")[-1] for line in text.splitlines()]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10])
@pytest.mark.parametrize("budget", [1, 5, 12, 100])
def test_newest_history_does_not_depend_on_chunk_borders(size: int, budget: int) -> None:
    units = [unit(number, "word " * (number % 4) + f"last{number}") for number in range(10)]
    card = EncoderCard(base_model="x", rendering_version=RENDERING_VERSION, max_tokens=budget + 2)
    (whole,) = persons(table(chunk("p", 0, units)))
    (cut,) = persons(table(*(chunk("p", place, units[start : start + size]) for place, start in enumerate(range(0, 10, size)))))

    def words(text: str) -> np.ndarray:
        return np.array([found.start() for found in re.finditer(r"[^\s]+", text)])

    assert history_text(cut.history, card, words) == history_text(whole.history, card, words) == history_text(units, card, words)


def test_chunks_in_any_order_and_mixed_with_other_people_are_joined_in_time() -> None:
    rows = [chunk("q", 0, [unit(7, "q's")]), chunk("p", 1, [unit(3, "new")], ("b",)), chunk("p", 0, [unit(1, "old"), unit(2, "mid")])]
    first, second = persons(pa.concat_tables([table(row) for row in rows]))
    assert [row["text"] for row in first.history] == ["old", "mid", "new"]
    assert [row["text"] for row in reversed(first.history)] == ["new", "mid", "old"]
    assert (first.person_id, first.user_ids, first.last_at) == ("p", ["a", "b"], START + timedelta(days=3))
    assert (second.person_id, len(second.history)) == ("q", 1)


def test_no_chunks_are_no_people() -> None:
    assert list(persons(arrow_schema(SEQUENCES).empty_table())) == []


def test_description_counts_the_whole_history_but_platforms_of_the_encoded_units() -> None:
    units = [unit(0, "x", "rare", "old-platform"), unit(1, "x", "b"), unit(2, "x", "a"), unit(3, "x", "b"), unit(4, "x", "a"), unit(5, "x", None)]
    (person,) = persons(table(chunk("p", 0, units[:2]), chunk("p", 1, units[2:])))
    told = describe_person(person, "text", 2)
    assert told["communities"] == ["a", "b", "rare"]
    assert (told["unit_count"], told["encoded_units"], told["platforms"]) == (6, 2, ["test"])


def test_units_have_their_persons_labels_and_platforms_are_those_of_the_units_that_are_read() -> None:
    units = [unit(0, "x", platform="old-platform"), unit(1, "x"), unit(2, "x")]
    rows = pa.table({"person_id": ["p", "q"], "unit_id": [units[0]["unit_id"], units[1]["unit_id"]], "specific": ["Tea", "Rye"], "broad": ["Drinks", "Bread"]})
    labels = labels_by_person(rows)
    (person,) = persons(table(chunk("p", 0, units[:2]), chunk("p", 1, units[2:])), labels)
    told = {"specific": "Tea", "broad": "Drinks"}
    assert [each.get("label") for each in person.history] == [told, None, None]
    assert [each.get("label") for each in reversed(person.history)] == [None, None, told]
    assert describe_person(person, "text", 1, "labels")["platforms"] == ["old-platform"]
    assert describe_person(person, "text", 1, "mixed")["platforms"] == ["test"]


def test_communities_are_at_most_twenty() -> None:
    (person,) = persons(table(chunk("p", 0, [unit(number, "x", f"c{number:02}") for number in range(30)])))
    assert person.history.communities() == [f"c{number:02}" for number in range(20)]


def test_a_vector_is_made_again_only_where_its_text_changed() -> None:
    written = {"person_id": "p", "history_hash": "1", "unit_count": 3}
    assert what_to_do(None, written, ("history_hash",)) == "encode"
    assert what_to_do(written, dict(written), ("history_hash",)) == "keep"
    assert what_to_do(written, written | {"unit_count": 4}, ("history_hash",)) == "redescribe"
    assert what_to_do(written, written | {"history_hash": "2"}, ("history_hash",)) == "encode"
