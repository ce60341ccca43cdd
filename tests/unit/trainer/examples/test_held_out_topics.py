"""Topics that are held out: nothing that a person of training has as an answer, a negative or a label in the history says their words."""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from lake.examples import EXAMPLES, PERSON_LABELS, answer_key, topics_of
from lake.judgements import history_query_id
from lake.rendering import render_label
from lake.schema import checked_table, rows_table
from lake.units import SEQUENCES, thread_title
from tests.unit.trainer.examples.test_example_people import NEVER, chunk, entry, films, unit
from tests.unit.trainer.examples.test_example_people import label as tea_label
from trainer.config import ExamplesConfig, TrainingConfig
from trainer.examples.held_out_topics import TopicTitles, unknown_names
from trainer.examples.judgements import Judged, judged_by_query
from trainer.examples.people import TimeSplit, examples_of, people_of, title_keys, titles_by_role
from trainer.topics import topic_labels
from trainer.training.batches import TrainingBatch, batch_of

CONFIG = ExamplesConfig(cuts_per_person=9, min_past_units=2, min_future_labels=1, min_future_units=1, validation_share=0, test_share=0, held_out_topics=["Tea"])
UNITS = 12
SPECIFIC = ("Green tea", "Steam engines", "Teapots", "Timetables", "Signals", "Kettles")
BROAD = ("Tea", "Trains", "TEA!", "Trains", "Trains", "tea")
"""Of the units in turn; of person b "Timetables" are Tea."""


def label(person: str, number: int) -> dict[str, Any]:
    specific, broad = SPECIFIC[number % 6], BROAD[number % 6]
    if person == "b" and specific == "Timetables":
        broad = "Tea"
    return tea_label(person, number, specific) | {"broad": broad, "broad_item_id": f"item {broad.lower().strip('!')}"}


def history(person: str) -> list[dict[str, Any]]:
    """A unit a minute, each in a thread of its own, called by its label's words; the ninth repeats the title of the fourth, and its label is not told."""
    titled = [unit(person, number, f"About {SPECIFIC[number % 6]}, {number}") for number in range(UNITS)]
    titled[8]["context"] = [entry("root", f"about {SPECIFIC[3].upper()} 3")]
    titled[7] |= {"thread_id": "films:1"}
    titled[10] |= {"thread_id": "films:2"}
    return titled


def made(judged: Judged | None = None, **settings: Any) -> dict[str, dict[str, Any]]:
    """Examples of a, who trains, and of b, whom only a community holds out; both have the same titles."""
    config = CONFIG.model_copy(update={"held_out_communities": ["trains"]} | settings)
    units = {person: history(person) for person in "ab"}
    units["b"][0]["community"] = "trains"
    labels = rows_table(PERSON_LABELS, [label(person, number) for person in "ab" for number in range(UNITS) if number != 8])
    people = people_of(
        rows_table(SEQUENCES, [chunk(person, 0, units[person]) for person in "ab"]).select(["person_id", "chunk", "units"]), labels,
        films("1", "2", texts={"1": "kettles", "2": "Brazil"}),
    )  # fmt: skip
    topics = topics_of(config.held_out_topics)
    assert topics is not None
    held_out = TopicTitles(topic_labels(labels.to_batches(), topics))
    labelled = people.units.filter(np.asarray(people.labels) >= 0)
    by_unit = {row["unit_id"]: row for row in labels.to_pylist()}
    held_out.see(rows_table(PERSON_LABELS, [by_unit[each["unit_id"]] for each in labelled.to_pylist()]), title_keys(pc.coalesce(*titles_by_role(labelled))))
    assert held_out.units == 2 * 7  # 0, 2, 5, 6 and 11 of both, and 3 and 9, which of b are beside tea
    table = examples_of(people, TimeSplit(NEVER, NEVER), config, Counter(), Counter(), judged, held_out.words())
    return {row["person_id"]: row for row in checked_table(EXAMPLES, table).to_pylist()}


HELD_OUT = {answer_key(text) for text in ("Tea", "Green tea", "Teapots", "Kettles", "Timetables")}
TITLES = {answer_key(f"About {SPECIFIC[number % 6]}, {number}") for number in (0, 2, 3, 5, 6, 8, 9, 11)}


def words_of_labels(row: dict[str, Any]) -> set[int]:
    return {answer_key(one[level]) for one in row["labelled"] for level in ("specific", "broad")}


def entered(row: dict[str, Any]) -> set[int]:
    return {answer_key(str(thread_title(row["history"][place]))) for cut in row["cuts"] for place in cut["entered"]}


def test_who_trains_has_no_label_no_title_and_no_item_of_a_held_out_topic() -> None:
    row = made()["a"]
    assert (row["split"], row["held_out_topics"]) == ("train", '["tea"]')
    assert {one["specific"] for one in row["labelled"]} == {"Steam engines", "Signals"}
    items = {positive["item_id"] for cut in row["cuts"] for positive in cut["positives"]}
    assert items == {"item Steam engines", "item Signals", "item trains"}
    assert {cut["labelled"] for cut in row["cuts"]} <= {0, 1, 2, 3, 4}
    assert entered(row) == {answer_key(f"About {SPECIFIC[number % 6]}, {number}") for number in (4, 7, 10)}
    assert not entered(row) & TITLES
    assert [item["text"] for item in row["acted_on"]] == ["Brazil"]
    assert len(row["history"]) == UNITS, "what was said stays what is read"


def test_who_is_asked_has_all_of_them() -> None:
    row = made()["b"]
    assert row["split"] == "test"
    assert words_of_labels(row) > HELD_OUT
    assert entered(row) & TITLES
    assert {item["text"] for item in row["acted_on"]} == {"kettles", "Brazil"}


def test_without_held_out_topics_everybody_has_everything() -> None:
    config = CONFIG.model_copy(update={"held_out_topics": None})
    people = people_of(
        rows_table(SEQUENCES, [chunk("a", 0, history("a"))]).select(["person_id", "chunk", "units"]), rows_table(PERSON_LABELS, [label("a", 1), label("a", 3)])
    )
    (row,) = examples_of(people, TimeSplit(NEVER, NEVER), config, Counter(), Counter()).to_pylist()
    assert (row["held_out_topics"], row["platforms"], len(row["labelled"])) == (None, ["reddit"], 2)
    assert people.without(np.zeros(0, np.int64)) is people


@pytest.mark.parametrize("query_format", ["units", "labels", "mixed"])
@pytest.mark.parametrize("source", ["labels", "titles", "catalogue"])
def test_no_batch_of_training_knows_a_held_out_topic(query_format: Any, source: Any) -> None:
    said = [{"query_id": history_query_id(f"reddit:a{number:03}"), "level": "specific", "grade": 0.0} for number in range(UNITS)]
    judged = judged_by_query([each | {"item_id": text, "text": text} for each in said for text in ("Kettles!", "Green vegetables")])
    rows = [row for person, row in made(judged).items() if person == "a"]
    table = rows_table(EXAMPLES, rows)
    config = TrainingConfig(query_format=query_format, answers_per_query=99, judged_negatives=9, single_unit_share=0.5 if query_format != "labels" else 0)
    assert {each["text"] for each in rows[0]["candidates"]} == {"Green vegetables"}
    seen: set[str] = set()
    for cut in range(len(rows[0]["cuts"])):
        batch: TrainingBatch = batch_of(table, [0], [cut], source, config, np.random.default_rng(cut))
        labels = [render_label(one["label"]) for one in batch.histories[0] if "label" in one]
        assert not HELD_OUT & {answer_key(part) for line in labels for part in line.split(" / ")}
        assert not (HELD_OUT | TITLES) & set(map(answer_key, batch.texts))
        seen |= set(batch.texts)
        assert bool(labels) <= (query_format != "units")
    assert seen > {"labels": {"Signals", "Trains"}, "titles": {"About Signals, 4"}, "catalogue": {"Brazil"}}[source]


def test_names_that_no_label_has_are_told() -> None:
    labels = topic_labels([], ("tea", "trains"))
    assert unknown_names(("tea", "trains"), labels) == ["tea", "trains"]
    assert unknown_names(0.1, labels) == []
