"""Rows of `examples` -> batches."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from lake.examples import EXAMPLES, KINDS, answer_key
from lake.schema import rows_table
from tests.hand_streams import part_of
from tests.planted_people import TOPICS, example, item, positive, reader
from trainer.config import Source, TrainingConfig
from trainer.training.batches import LEAST_GRADE, TrainingBatch, batch_of, drawn_labels
from trainer.training.masks import MASKED, NEGATIVE, POSITIVE, answer_numbers, keys_of, kinds_of, relation

F1, BREAD = TOPICS["Formula 1"], TOPICS["Bread"]
TITLES = ["Box box box", "Rain at Spa", "Old tyres", "New wings"]


def made(rows: list[dict[str, Any]], source: Source = "labels", **settings: Any) -> TrainingBatch:
    config = TrainingConfig(**settings)
    return batch_of(rows_table(EXAMPLES, rows), list(range(len(rows))), [0] * len(rows), source, config, np.random.default_rng(1))


def test_the_history_ends_at_the_cut() -> None:
    batch = made([example("p", [(text, "Bread") for text in BREAD], past=2)])
    assert [unit["unit_id"] for unit in batch.histories[0]] == ["p-0", "p-1"]
    assert [unit["unit_id"] for unit in made([reader("p", TITLES, 3)], "titles").histories[0]] == ["p-0", "p-1", "p-2"]


def test_answers_are_distinct_and_related_to_everybody() -> None:
    rows = [example("a", [(F1[0], "Formula 1"), (F1[1], "Formula 1")], 1), example("b", [(F1[0], "Formula 1"), (BREAD[0], "Bread")], 1)]
    batch = made(rows)
    assert sorted(batch.texts) == sorted({F1[0], F1[1], "Formula 1", BREAD[0], "Bread"})
    assert keys_of(batch.answers).tolist() == [answer_key(text) for text in batch.texts]
    assert [KINDS[kind] for kind in kinds_of(batch.answers)] == ["broad" if text in TOPICS else "specific" for text in batch.texts]
    related = relation(batch.positives, batch.done, batch.answers).dense()
    of_a, of_b = (dict(zip(batch.texts, row.tolist(), strict=True)) for row in related)
    assert of_a == {F1[0]: POSITIVE, F1[1]: POSITIVE, "Formula 1": POSITIVE, BREAD[0]: NEGATIVE, "Bread": NEGATIVE}
    assert of_b == {F1[0]: POSITIVE, F1[1]: NEGATIVE, "Formula 1": POSITIVE, BREAD[0]: POSITIVE, "Bread": POSITIVE}


def test_titles_are_those_of_what_is_entered_after_the_cut_and_what_was_ever_entered_is_no_negative() -> None:
    rows = [reader("a", TITLES, 2), reader("b", [TITLES[2], "Rye", "Wheat"], 1)]
    batch = made(rows, "titles")
    assert {KINDS[kind] for kind in kinds_of(batch.answers)} == {"title"}
    assert sorted(batch.texts) == sorted(["Old tyres", "New wings", "Rye", "Wheat"])
    of_b = dict(zip(batch.texts, relation(batch.positives, batch.done, batch.answers).dense()[1].tolist(), strict=True))
    assert of_b == {"Old tyres": MASKED, "New wings": NEGATIVE, "Rye": POSITIVE, "Wheat": POSITIVE}


def test_items_are_those_acted_on_after_the_cut_told_apart_by_their_words_and_no_negatives_of_who_did_them() -> None:
    row = reader("a", TITLES, 1)
    words = {1: "Toy Story (1995), Comedy", 2: "toy story 1995: comedy", 3: "Heat (1995), Crime"}
    items = [{"place": place, "item_id": str(place), "text": text} for place, text in words.items()]
    rows = [
        row | {"acted_on": items, "cuts": [row["cuts"][0] | {"acted_on": [1, 3]}], "did": [answer_key(text) for text in words.values()]},
        row | {"acted_on": items[1:], "cuts": [row["cuts"][0] | {"acted_on": [2]}], "did": sorted({answer_key(words[2]), answer_key("Heat (1995), Crime")})},
    ]  # fmt: skip
    batch = made(rows, "catalogue")
    assert {KINDS[kind] for kind in kinds_of(batch.answers)} == {"catalogue"}
    assert sorted(batch.texts) == ["Heat (1995), Crime", "Toy Story (1995), Comedy"]
    of_b = dict(zip(batch.texts, relation(batch.positives, batch.done, batch.answers).dense()[1].tolist(), strict=True))
    assert of_b == {"Heat (1995), Crime": MASKED, "Toy Story (1995), Comedy": POSITIVE}
    (positives, _) = made(rows, "catalogue", answers_per_query=1).positives
    assert len(positives) == 1


def test_no_more_answers_are_drawn_than_asked_for_and_the_same_title_once() -> None:
    (positives,) = made([reader("a", ["x", "Same", "same!", "Other", "More", "Still more"], 1)], "titles", answers_per_query=3).positives
    assert len(positives) == 3
    (positives,) = made([reader("a", ["x", "Same", "same!", "SAME"], 1)], "titles").positives
    assert keys_of(positives).tolist() == [answer_key("same")]


def test_titles_that_are_encoded_alike_are_one_answer() -> None:
    batch = made([reader("a", ["x", "w" * 250, "w" * 250 + " and more"], 1)], "titles")
    assert len(batch.texts) == len(set(batch.texts)) == 1


def test_a_title_without_words_is_no_answer() -> None:
    assert made([reader("a", ["x", "!!!", "\U0001f525", " ", "Tea"], 1)], "titles").texts == ["Tea"]


def test_titles_are_on_one_line_and_not_endless() -> None:
    (text,) = made([reader("a", ["x", "A\ntitle " + "w" * 999], 1)], "titles").texts
    assert text.startswith("A title ")
    assert len(text) <= 201


def test_labels_are_drawn_in_turns_from_both_levels_inside_and_after() -> None:
    positives = [
        positive(text, level, where)
        for level, texts in (("specific", F1), ("broad", list(TOPICS)))
        for where, part in (("inside", texts[:2]), ("after", texts[2:4]))
        for text in part
    ]
    labelled = [
        {"specific_item_id": positive(specific, "specific", "after")["item_id"], "broad_item_id": positive(broad, "broad", "after")["item_id"], "specific": specific, "broad": broad}
        for specific in F1
        for broad in TOPICS
    ]  # fmt: skip
    kinds = {each["item_id"]: (each["level"], each["where"]) for each in positives}
    of_text = {text: kinds[positive(text, level, "after")["item_id"]] for level, texts in (("specific", F1[:4]), ("broad", TOPICS)) for text in texts}
    drawn = drawn_labels(positives, labelled, 4, np.random.default_rng(0))
    assert len({of_text[each.text] for each in drawn}) == 4
    assert len(drawn_labels(positives, labelled, 99, np.random.default_rng(0))) == len(positives)


def test_a_batch_depends_on_the_generator_alone() -> None:
    rows = [reader(f"p{number}", [f"{number} {title}" for title in TITLES * 3], 2) for number in range(5)]
    one, same = made(rows, "titles"), made(rows, "titles")
    assert (one.texts, one.histories) == (same.texts, same.histories)


def test_shuffled_labels_are_another_persons_with_all_that_the_other_did() -> None:
    rows = [reader(f"p{number}", [f"{number} {title}" for title in TITLES], 2) for number in range(6)]
    batch = made(rows, "titles", shuffle_labels=True)
    for person, (positives, done) in enumerate(zip(batch.positives, batch.done, strict=True)):
        givers = {batch.texts[place].split()[0] for place in np.searchsorted(batch.answers, positives)}
        assert len(givers) == 1
        assert givers != {str(person)}
        assert set(keys_of(positives)) <= set(done)
    assert sorted(np.concatenate(batch.positives).tolist()) == batch.answers.tolist()


def test_who_is_alone_learns_nothing_of_shuffled_labels() -> None:
    batch = made([example("a", [(text, "Bread") for text in BREAD], 1)], shuffle_labels=True)
    assert (batch.texts, [each.tolist() for each in batch.positives], len(batch.histories)) == ([], [[]], 1)


def test_a_part_has_the_answers_of_its_queries_alone() -> None:
    batch = made([reader(f"p{number}", [f"{number} {title}" for title in TITLES], 2) for number in range(5)], "titles")
    part = part_of(batch, [4, 1])
    assert part.histories == [batch.histories[4], batch.histories[1]]
    assert {text[0] for text in part.texts} == {"1", "4"}
    assert part.times.tolist() == [batch.times[4], batch.times[1]]
    empty = part_of(batch, [])
    assert (len(empty.histories), len(empty.answers), len(empty.times)) == (0, 0, 0)


def labels_read(batch: TrainingBatch) -> list[list[str | None]]:
    return [[unit["label"]["specific"] if "label" in unit else None for unit in history] for history in batch.histories]


@pytest.mark.parametrize("query_format", ["labels", "mixed"])
def test_labels_of_the_past_alone_are_read_and_are_no_answers_to_it(query_format: str) -> None:
    rows = [example("a", [(text, "Bread") for text in BREAD], 3), example("b", [(text, "Formula 1") for text in F1], 2)]
    rows[1]["labelled"] = rows[1]["labelled"][1:]
    batch = made(rows, query_format=query_format, answers_per_query=99)
    assert labels_read(batch) == [BREAD[:3], [None, F1[1]]]
    specific = {text for text, kind in zip(batch.texts, kinds_of(batch.answers), strict=True) if KINDS[kind] == "specific"}
    assert specific == {*BREAD[3:], *F1[2:]}
    titles = made([reader("c", TITLES, 2), *rows], "titles", query_format=query_format)
    assert labels_read(titles)[1:] == labels_read(batch)


def test_units_are_read_without_labels_and_then_those_inside_are_answers_too() -> None:
    batch = made([example("a", [(text, "Bread") for text in BREAD], 3)], answers_per_query=99)
    assert labels_read(batch) == [[None] * 3]
    assert set(BREAD) < set(batch.texts)


def test_a_labelled_unit_of_the_past_alone_may_be_a_history_with_its_own_labels_as_answers() -> None:
    rows = [example(f"p{number}", [(text, "Bread") for text in BREAD], 3) for number in range(8)]
    whole, half, every = (made(rows, single_unit_share=share) for share in (0, 0.5, 1))
    assert [len(history) for history in whole.histories] == [3] * 8
    assert sorted(len(history) for history in half.histories) == [1] * 4 + [3] * 4
    for history, positives, done in zip(every.histories, every.positives, every.done, strict=True):
        (unit,) = history
        own = BREAD[int(unit["unit_id"][-1])]
        assert sorted(positives) == sorted(
            int(answer_numbers(np.array(answer_key(text)), KINDS.index(kind))) for text, kind in ((own, "specific"), ("Bread", "broad"))
        )
        assert set(keys_of(positives)) <= set(done)
        assert int(unit["unit_id"][-1]) < 3
    related = relation(every.positives, every.done, every.answers).dense()
    assert set(related.ravel().tolist()) == {POSITIVE, MASKED}, "whatever the person did is no negative of a single unit either"


def test_single_units_are_of_labels_alone_and_those_without_keep_their_history() -> None:
    titles = made([reader("a", TITLES, 2)], "titles", single_unit_share=1)
    assert [len(history) for history in titles.histories] == [2]
    late = example("a", [(text, "Bread") for text in BREAD], 2)
    late["labelled"] = late["labelled"][2:]
    late["cuts"][0]["positives"] = [each for each in late["cuts"][0]["positives"] if each["where"] == "after"]
    assert [len(history) for history in made([late], single_unit_share=1).histories] == [2]
    mixed = made([example("a", [(text, "Bread") for text in BREAD], 3)], single_unit_share=1, query_format="mixed")
    assert labels_read(mixed) == [[None]]


def test_a_single_unit_whose_text_is_its_answer_is_refused() -> None:
    with pytest.raises(ValidationError, match="single_unit_share asks for the labels of a unit"):
        TrainingConfig(single_unit_share=0.1, query_format="labels")


def graded(person: str, labels: list[tuple[str, str]], grades: dict[str, float], negatives: list[tuple[str, str]]) -> dict[str, Any]:
    """A person whose positives have these grades by their words, and these (level, text) as hard negatives."""
    row = example(person, labels, 1)
    by_item = {positive(text, level, "after")["item_id"]: grade for text, grade in grades.items() for level in ("specific", "broad")}
    cut = row["cuts"][0]
    positives = [each | {"grade": by_item.get(each["item_id"])} for each in cut["positives"]]
    candidates = [{"item_id": item(level, text)["item_id"], "level": level, "text": text} for level, text in negatives]
    return row | {"cuts": [cut | {"positives": positives, "hard_negatives": [each["item_id"] for each in candidates]}], "candidates": candidates}


def test_judged_negatives_are_answers_of_nobody_and_never_of_who_did_them() -> None:
    rows = [
        graded("a", [(F1[0], "Formula 1"), (F1[1], "Formula 1")], {}, [("specific", BREAD[0]), ("broad", "Bread")]),
        example("b", [(BREAD[0], "Cake")] * 2, 1),
    ]
    plain, batch = made(rows), made(rows, judged_negatives=5)
    assert set(batch.texts) == {*plain.texts, "Bread"}
    assert [each.tolist() for each in batch.positives] == [each.tolist() for each in plain.positives]
    of_a, of_b = (dict(zip(batch.texts, row.tolist(), strict=True)) for row in relation(batch.positives, batch.done, batch.answers).dense())
    assert (of_a["Bread"], of_a[BREAD[0]], of_b["Bread"], of_b[BREAD[0]]) == (NEGATIVE, NEGATIVE, NEGATIVE, POSITIVE)
    assert len(made(rows, judged_negatives=1).texts) - len(plain.texts) in (0, 1)
    assert made(rows, judged_negatives=5, shuffle_labels=True).texts == made(rows, shuffle_labels=True).texts


def test_grades_stand_in_the_order_of_the_positives_and_are_never_nothing() -> None:
    rows = [graded("a", [(F1[0], "Formula 1"), (F1[1], "Formula 1")], {F1[0]: 0.5, F1[1]: 0.0}, []), example("b", [(BREAD[0], "Bread")] * 2, 1)]
    batch = made(rows, weigh_by_grade=True)
    assert made(rows).grades is None
    assert batch.grades is not None
    of_a = dict(zip([batch.texts[place] for place in np.searchsorted(batch.answers, batch.positives[0])], batch.grades[0].tolist(), strict=True))
    assert of_a == {F1[0]: 0.5, F1[1]: LEAST_GRADE, "Formula 1": 1.0}
    assert batch.grades[1].tolist() == [1.0] * len(batch.positives[1])
