"""Chunks and labelled units of a few people -> rows of `examples`."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lake.examples import EXAMPLES, PERSON_LABELS, answer_key
from lake.labels import ITEMS, Item
from lake.schema import arrow_schema, checked_table, rows_table
from lake.units import SEQUENCES, thread_title
from trainer.config import ExamplesConfig
from trainer.examples.catalogue import NO_CATALOGUE, Catalogue, catalogue_of
from trainer.examples.people import TimeSplit, examples_of, people_of, titles_by_role

START = datetime(2024, 1, 1, tzinfo=UTC)
CONFIG = ExamplesConfig(cuts_per_person=2, min_past_units=2, min_future_labels=2, min_future_units=2)
NEVER = 2**62


def entry(role: str, title: str | None) -> dict[str, Any]:
    return {"role": role, "unit_id": None, "speaker": "other-1", "speaker_id": None, "title": title, "text": "words of it", "created_at": None}


def unit(person: str, number: int, title: str | None = "A title", own_title: str | None = None, **values: Any) -> dict[str, Any]:
    return {
        "unit_id": f"reddit:{person}{number:03}", "unit_hash": f"hash of {person}{number}", "duplicate_group": None, "starts_session": False,
        "created_at": START + timedelta(minutes=number), "platform": "reddit", "thread_id": f"thread {person}{number}", "action": "comment", "community": "tea",
        "title": own_title, "text": f"words {number}", "context": [] if title is None else [entry("root", title), entry("parent", None)],
    } | values  # fmt: skip


def chunk(person: str, number: int, units: list[dict[str, Any]]) -> dict[str, Any]:
    return {"person_id": person, "chunk": number, "units": units, "user_ids": [], "first_at": START, "last_at": START, "bucket": 0}


def label(person: str, number: int, words: str = "Green tea") -> dict[str, Any]:
    return {
        "person_id": person, "unit_id": f"reddit:{person}{number:03}", "created_at": START, "specific_item_id": f"item {words}", "broad_item_id": "item tea",
        "specific": words, "broad": "Tea", "teacher_version": "t", "bucket": 0,
    }  # fmt: skip


def made(
    chunks: list[dict[str, Any]], labels: list[dict[str, Any]], counts: Counter[str] | None = None, dropped: Counter[str] | None = None,
    catalogue: Catalogue = NO_CATALOGUE, **settings: Any,
) -> Any:  # fmt: skip
    people = people_of(rows_table(SEQUENCES, chunks).select(["person_id", "chunk", "units"]), rows_table(PERSON_LABELS, labels), catalogue)
    counts, dropped = Counter() if counts is None else counts, Counter() if dropped is None else dropped
    return checked_table(EXAMPLES, examples_of(people, TimeSplit(NEVER, NEVER), CONFIG.model_copy(update=settings), counts, dropped)).to_pylist()


def test_chunks_are_joined_in_time_and_the_newest_units_kept() -> None:
    chunks = [chunk("a", 1, [unit("a", 3), unit("a", 4)]), chunk("a", 0, [unit("a", number) for number in range(3)])]
    (row,) = made(chunks, [], max_history_units=4)
    assert [each["unit_id"][-1] for each in row["history"]] == ["1", "2", "3", "4"]
    assert row["history"][0] == unit("a", 1) | {"source_text": None}
    assert len(row["did"]) == 1


def test_whoever_ever_acted_in_a_held_out_community_is_not_trained_on() -> None:
    chunks = [chunk(person, 0, [unit(person, number) for number in range(8)]) for person in "abc"]
    chunks[0]["units"][0]["community"], chunks[1]["units"][5]["community"] = "trains", None
    counts: Counter[str] = Counter()
    rows = made(chunks, [], counts, max_history_units=6, test_share=0, validation_share=0, held_out_communities=["trains"])
    assert [(row["person_id"], row["communities"], row["split"]) for row in sorted(rows, key=lambda row: str(row["person_id"]))] == [
        ("a", ["tea", "trains"], "test"), ("b", ["tea"], "train"), ("c", ["tea"], "train")
    ]  # fmt: skip
    assert counts["people of trains, held out"] == 1


def test_labels_belong_to_the_person_whose_unit_it_is() -> None:
    chunks = [chunk(person, 0, [unit(person, number) for number in range(8)]) for person in "ab"]
    rows = made(chunks, [label("b", number, f"words {number}") for number in range(8)])
    of = {row["person_id"]: row for row in rows}
    assert (of["a"]["labelled"], of["a"]["label_set"]) == ([], [])
    assert [each["specific"] for each in of["b"]["labelled"]] == [f"words {number}" for number in range(8)]
    assert of["b"]["label_set"] == ["t"]
    assert set(of["b"]["did"]) == {answer_key(text) for text in ("A title", "Tea", *(f"words {number}" for number in range(8)))}
    assert of["b"]["did"] == sorted(of["b"]["did"])


def test_what_is_older_than_the_kept_history_counts_as_done_all_the_same() -> None:
    chunks = [chunk("a", 0, [unit("a", number, f"title {number}") for number in range(9)])]
    (row,) = made(chunks, [label("a", 0, "old label")], max_history_units=5)
    assert {answer_key("title 0"), answer_key("old label")} <= set(row["did"])
    assert row["labelled"] == []


def test_no_title_that_the_person_met_is_a_negative_whichever_of_them_tells_what_a_unit_is_about() -> None:
    own = [unit("a", number, "What others enter too", own_title=f"Re: {number}") for number in range(4)]
    reviews = [unit("a", number, None, own_title="Five stars", context=[entry("object", f"Film {number}")]) for number in range(4, 8)]
    (row,) = made([chunk("a", 0, own + reviews)], [])
    assert {answer_key(title) for title in ("What others enter too", "Re: 3", "Film 7", "Five stars")} <= set(row["did"])


def test_a_title_is_the_same_however_much_of_it_a_table_keeps() -> None:
    title = "word " * 200
    rows = made(
        [chunk(person, 0, [unit(person, number, None, own_title=kept) for number in range(8)]) for person, kept in (("a", title[:1000]), ("b", title[:300]))],
        [],
    )
    assert rows[0]["did"] == rows[1]["did"]


def test_titled_things_of_no_thread_are_acted_on_once() -> None:
    watched = [unit("a", number, None, own_title=f"Video {number % 6}", thread_id=None) for number in range(8)]
    (row,) = made([chunk("a", 0, watched)], [], cuts_per_person=9)
    assert {place for cut in row["cuts"] for place in cut["entered"]} == {2, 3, 4, 5}


def films(*external_ids: str, source: str = "films", texts: dict[str, str] | None = None) -> Catalogue:
    """A catalogue of films, some of whose texts are told."""
    items = [
        Item(item_id=f"item {each}", source=source, level=None, text=(texts or {}).get(each, f"Film {each}"), external_id=each, label_count=None)
        for each in external_ids
    ]
    return catalogue_of(rows_table(ITEMS, items).to_batches(), ExamplesConfig().catalogue_ids)


def rated(number: int, film: str) -> dict[str, Any]:
    return unit("a", number, None, own_title="A film", thread_id=f"films:{film}", action="rating")


def test_items_of_a_catalogue_are_asked_for_where_they_are_acted_on_for_the_first_time() -> None:
    ratings = [rated(number, film) for number, film in enumerate(("1", "2", "1", "3", "no item", "3", "2", "4"))]
    (row,) = made([chunk("a", 0, ratings)], [], catalogue=films("1", "2", "3", "4", "5"), cuts_per_person=9)
    assert [(cut["history_length"], cut["acted_on"]) for cut in row["cuts"] if cut["acted_on"]] == [(3, [3, 7]), (4, [7])]
    items = [(act["place"], act["item_id"], act["text"]) for act in row["acted_on"]]
    assert items == [(place, f"item {film}", f"Film {film}") for place, film in ((0, 1), (1, 2), (2, 1), (3, 3), (5, 3), (6, 2), (7, 4))]
    assert {answer_key(f"Film {film}") for film in "1234"} < set(row["did"])
    assert answer_key("Film 5") not in row["did"]


def test_items_of_the_same_words_are_one_and_older_ones_than_the_kept_history_count_as_done() -> None:
    ratings = [rated(number, film) for number, film in enumerate("12345678")]
    (row,) = made([chunk("a", 0, ratings)], [], catalogue=films(*"12345678", texts={"6": "film 1"}), max_history_units=6, cuts_per_person=9)
    acted_on = [(cut["history_length"], [row["history"][place]["thread_id"] for place in cut["acted_on"]]) for cut in row["cuts"]]
    assert acted_on == [(2, ["films:5", "films:7", "films:8"]), (3, ["films:7", "films:8"]), (4, ["films:7", "films:8"])]
    assert {item["text"] for item in row["acted_on"]} == {"Film 3", "Film 4", "Film 5", "film 1", "Film 7", "Film 8"}
    assert {answer_key("Film 1"), answer_key("Film 2")} <= set(row["did"])


def test_an_item_is_known_by_the_thread_of_a_unit_or_by_its_object_whatever_the_id_is_made_of() -> None:
    other = entry("parent", None) | {"unit_id": "films:2"}
    about = [
        unit("z", 0, thread_id="films:1"), unit("z", 1, thread_id="films:object_2"), unit("z", 2, thread_id=None, context=[entry("object", "x") | {"unit_id": "films:item_3"}]),
        unit("z", 3, thread_id="shop:4"), unit("z", 4, thread_id="films:9"), unit("z", 5, thread_id=None, context=[entry("root", "x") | {"unit_id": "films:1"}]),
        unit("z", 6, thread_id="films:1", context=[entry("object", "x") | {"unit_id": "films:2"}]), unit("z", 7, thread_id=None), unit("z", 8, context=[other]),
        unit("z", 9, thread_id=None, context=[other, entry("object", "x") | {"unit_id": "films:item_3"}, entry("object", "x") | {"unit_id": "films:1"}]),
    ]  # fmt: skip
    units = pa.array(about, arrow_schema(SEQUENCES).field("units").type.value_type)
    catalogue = films("1", "2", "3", "shop:4")
    found = [None if row < 0 else catalogue.item_ids[row] for row in catalogue.find(units).tolist()]
    assert found == ["item 1", "item 2", "item 3", "item shop:4", None, None, "item 1", None, None, "item 3"]


def test_of_two_items_that_an_id_may_mean_the_one_of_the_first_pattern_counts() -> None:
    catalogue = films("films:1", "1")
    units = pa.array([unit("z", 0, thread_id="films:1")], arrow_schema(SEQUENCES).field("units").type.value_type)
    assert [catalogue.item_ids[row] for row in catalogue.find(units)] == ["item 1"]


def test_people_are_counted_and_those_without_an_example_too() -> None:
    counts, dropped = Counter[str](), Counter[str]()
    chunks = [chunk(person, 0, [unit(person, number) for number in range(units)]) for person, units in (("a", 8), ("b", 2), ("c", 8))]
    chunks += [chunk("d", 0, [unit("d", number, title=None) for number in range(8)])]
    rows = made(chunks, [], counts, dropped)
    assert [row["person_id"] for row in rows] == ["a", "c"]
    assert (counts["people"], counts["cuts"], counts["people with labels"]) == (2, 4, 0)
    assert dropped == {"people: too few units": 1, "people: no cut with enough units before and answers after": 1}


def test_rows_are_ordered_by_where_and_when_people_act_last() -> None:
    chunks = [
        chunk("a", 0, [unit("a", number, community="wine") for number in range(8)]),
        chunk("b", 0, [unit("b", number + 90) for number in range(8)]),
        chunk("c", 0, [unit("c", number) for number in range(8)]),
        chunk("d", 0, [unit("d", number, community=None) for number in range(8)]),
    ]
    assert [row["person_id"] for row in made(chunks, [])] == ["d", "c", "b", "a"]


@pytest.mark.parametrize(
    "one",
    [
        unit("a", 0, "Of the thread"), unit("a", 0, None), unit("a", 0, None, own_title="My own"), unit("a", 0, "Of the thread", own_title="My own"),
        unit("a", 0, None, context=[entry("parent", None), entry("parent", None)]), unit("a", 0, None, context=[entry("object", "A film")]),
        unit("a", 0, "", own_title=""), unit("a", 0, "Of the thread", own_title="?!"), unit("a", 0, "\U0001f525"), unit("a", 0, " \u200b "),
        unit("a", 0, None, own_title="Five stars", context=[entry("object", "A film")]), unit("a", 0, None, context=[entry("earlier", "not this")]),
    ],
)  # fmt: skip
def test_titles_are_those_of_the_one_definition(one: dict[str, Any]) -> None:
    units = pa.array([unit("z", 1, "before"), one, unit("z", 2, "after")], arrow_schema(SEQUENCES).field("units").type.value_type)
    assert pc.coalesce(*titles_by_role(units)).to_pylist() == ["before", thread_title(one), "after"]


def test_nobody_makes_an_empty_table() -> None:
    assert made([], []) == []
