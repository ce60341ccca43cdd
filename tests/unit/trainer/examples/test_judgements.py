"""Grades and hard negatives of a cut, out of what a teacher judged."""

from typing import Any

from lake.examples import answer_key
from lake.judgements import history_query_id
from tests.planted_people import TOPICS, example, item
from trainer.examples.judgements import judged_by_query, with_better_labels, with_judgements

BREAD, STARS = TOPICS["Bread"], TOPICS["Astronomy"]
UNITS = [f"p-{number}" for number in range(5)]
PAST = history_query_id("p-2")


def judgement(query_id: str, text: str, grade: float, level: str = "specific") -> dict[str, Any]:
    return {name: value for name, value in item(level, text).items() if name in ("item_id", "level", "text")} | {"query_id": query_id, "grade": grade}


def judged(*rows: dict[str, Any], hard_negative_grade: float = 0.25) -> dict[str, Any]:
    """Somebody who bakes, cut after three of five units."""
    return with_judgements(example("p", [(text, "Bread") for text in BREAD], 3), UNITS, judged_by_query(rows), hard_negative_grade)


def test_without_judgements_nothing_is_graded_and_nothing_a_hard_negative() -> None:
    found = judged()
    assert {positive["grade"] for positive in found["cuts"][0]["positives"]} == {None}
    assert (found["cuts"][0]["hard_negatives"], found["candidates"]) == ([], [])


def test_a_positive_has_the_grade_of_its_history_else_of_its_unit() -> None:
    found = judged(judgement(PAST, BREAD[3], 0.75), judgement("p-3", BREAD[3], 0.5), judgement("p-4", BREAD[4], 0.25), judgement("p-4", BREAD[0], 0.125))
    grades = {(positive["unit_id"], positive["level"]): positive["grade"] for positive in found["cuts"][0]["positives"]}
    assert {key: grade for key, grade in grades.items() if grade is not None} == {("p-3", "specific"): 0.75, ("p-4", "specific"): 0.25}


def test_what_was_judged_to_be_no_answer_of_the_history_is_a_hard_negative_of_that_cut() -> None:
    rows = [judgement(PAST, STARS[0], 0.25), judgement(PAST, STARS[1], 0.3), judgement(history_query_id("p-1"), STARS[2], 0), judgement("p-2", STARS[3], 0)]
    found = judged(*rows)
    assert found["cuts"][0]["hard_negatives"] == [item("specific", STARS[0])["item_id"]]
    assert found["candidates"] == [{"item_id": item("specific", STARS[0])["item_id"], "level": "specific", "text": STARS[0]}]


def test_what_the_person_did_is_no_hard_negative_whatever_it_was_judged_to_be() -> None:
    assert answer_key(BREAD[0]) in judged()["did"]
    found = judged(judgement(PAST, BREAD[0], 0), judgement(PAST, BREAD[4].upper() + "!", 0), judgement(PAST, "Bread", 0, "specific"))
    assert found["cuts"][0]["hard_negatives"] == []


def test_the_item_that_was_judged_best_for_a_unit_takes_the_place_of_its_label() -> None:
    before = example("p", [(text, "Bread") for text in BREAD], 3)
    rows = [
        judgement("p-0", BREAD[0], 0.5), judgement("p-0", STARS[0], 0.75), judgement("p-0", STARS[1], 0.6), judgement("p-1", BREAD[1], 1), judgement("p-1", STARS[1], 1),
        judgement("p-2", STARS[2], 1), judgement("p-3", BREAD[3], 0.1), judgement("p-3", "Formula 1", 0.9, "broad"), judgement("p-4", BREAD[4], 0.1),
        judgement("p-4", STARS[4], 0.9),
    ]  # fmt: skip
    found = with_better_labels(before, judged_by_query(rows), never={answer_key(STARS[4])})
    specific = {label["unit_id"]: label["specific"] for label in found["labelled"]}
    assert specific == {"p-0": STARS[0], "p-1": BREAD[1], "p-2": BREAD[2], "p-3": BREAD[3], "p-4": BREAD[4]}
    assert {label["broad"] for label in found["labelled"]} == {"Bread"}, "another level's item is no better label"
    words = {label[f"{level}_item_id"]: label[level] for label in found["labelled"] for level in ("specific", "broad")}
    assert {words[positive["item_id"]] for positive in found["cuts"][0]["positives"]} == {STARS[0], *BREAD[1:], "Bread"}
    assert set(found["did"]) == {*before["did"], answer_key(STARS[0])}
    assert found["cuts"][0]["positives"][0]["unit_id"] == "p-0"
    graded = with_judgements(found, UNITS, judged_by_query(rows), 0.25)
    assert graded["cuts"][0]["positives"][0]["grade"] == 0.75


def test_without_judgements_of_units_labels_stay() -> None:
    before = example("p", [(text, "Bread") for text in BREAD], 3)
    assert with_better_labels(before, judged_by_query([judgement(PAST, STARS[0], 1)])) == before
