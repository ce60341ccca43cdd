"""What is left of a space in shorter and coarser vectors, in a made-up world where it is known which numbers of a vector say who likes what."""

import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest

from trainer.config import EvaluationConfig
from trainer.evaluation.asked import asked_of_all, asked_of_curve
from trainer.evaluation.encoder_shape import ItemShape, item_shape, item_shape_scores, people_shape_scores, ways_to_store
from trainer.evaluation.numbers import DIFFERENCE
from trainer.evaluation.questions import FutureLabels, LevelAnswers, Questions
from trainer.evaluation.scores import found_by, vector_scorer
from trainer.evaluation.shape import Shape, shape_blocks, shape_numbers
from trainer.evaluation.shown import shown_people

PEOPLE, CUTS, ITEMS, SIZE, KNOWS = 30, 2, 150, 32, 4
CONFIG = EvaluationConfig(matched_min_others=1, bootstrap_samples=50, max_curve_people=20, shown_people=2)
START = datetime(2024, 1, 1, tzinfo=UTC)


def world() -> Questions:
    """Everybody does what five items of an own stretch of the list say, in one place at one time."""
    queries = PEOPLE * CUTS
    person = np.repeat(np.arange(PEOPLE), CUTS)
    item = (person[:, None] * 5 + np.arange(5)).ravel()
    futures = FutureLabels(np.repeat(np.arange(queries), 5), item, np.zeros(queries * 5, np.int64), np.ones(queries * 5, bool))
    pasts = [np.array([5 * number + 20]) % ITEMS for number in person]
    answers = LevelAnswers([f"item{number}" for number in range(ITEMS)], [f"item {number}" for number in range(ITEMS)], pasts, pasts, futures)
    unit = {"created_at": START, "community": "here", "title": None, "text": "words"}
    return Questions(
        [f"person{number}" for number in range(PEOPLE)], person, [[unit] * 3] * queries, np.full(queries, "past", dtype=object), {"specific": answers}
    )


def vectors(told_by: slice) -> tuple[np.ndarray, np.ndarray]:
    """Queries and items, whose numbers say in this part whose item it is, and nothing in the others."""
    generator = np.random.default_rng(3)
    topics = generator.standard_normal((PEOPLE, KNOWS))
    made = []
    for topic_of in (np.repeat(np.arange(PEOPLE), CUTS), np.arange(ITEMS) // 5):
        found = generator.standard_normal((len(topic_of), SIZE)) * 0.3
        found[:, told_by] = topics[topic_of] * 2
        made.append((found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32))
    return made[0], made[1]


def shape_of(told_by: slice) -> ItemShape:
    questions, (queries, items) = world(), vectors(told_by)
    asked = asked_of_all(questions, "specific", CONFIG)
    found = found_by(questions, "specific", vector_scorer(queries, items), {}, asked.targets)
    return item_shape(questions, asked.targets, queries, items, found.best, asked_of_curve(questions, "specific", CONFIG), "specific", CONFIG.seed)


@pytest.fixture(scope="module")
def shape() -> Shape:
    """Of an encoder that says in its first numbers what its base says in its last."""
    scores, stored = item_shape_scores(shape_of(slice(0, KNOWS)), shape_of(slice(SIZE - KNOWS, SIZE)), "specific", CONFIG)
    people = people_shape_scores(world(), {"tuned": vectors(slice(0, KNOWS))[0], "base": vectors(slice(SIZE - KNOWS, SIZE))[0]}, CONFIG)
    return Shape(scores=[*scores, *people], stored=stored)


def test_every_size_is_half_of_the_one_before() -> None:
    assert [size for size, precision in ways_to_store(384) if precision == "int8"] == [384, 192, 96, 48, 24, 12]
    assert ways_to_store(9) == [(9, "float32"), (9, "int8")]


def test_a_curve_falls_where_the_last_numbers_are_those_that_say_something(shape: Shape) -> None:
    for metric in ("recall_at_10", "personal_auc", "matched_personal_auc"):
        first, last = (shape.curve(name, metric, "specific", "float32") for name in ("tuned", "base"))
        assert list(first) == [32, 16, 8]
        assert first[32].mean > 0.9
        assert last[32].mean > 0.9
        assert first[8].mean > 0.9, "what the first numbers say stays when the others go"
        assert last[8].mean < (0.6 if metric != "recall_at_10" else 0.3)
    assert shape.curve("base", "personal_auc", "specific", "float32")[8].people == 20, "as many as the settings take"


def test_bytes_change_little_and_short_vectors_find_others(shape: Shape) -> None:
    for name in ("tuned", "base"):
        whole, in_bytes = (shape.curve(name, "recall_at_10", "specific", precision)[32] for precision in ("float32", "int8"))
        assert in_bytes.mean == pytest.approx(whole.mean, abs=0.03)
        assert (whole.bytes, in_bytes.bytes) == (128, 32)
        overlap = shape.curve(name, "overlap_at_10", "specific", "float32")
        assert overlap[32].mean == 1
        assert 0.9 < shape.curve(name, "overlap_at_10", "specific", "int8")[32].mean <= 1
    assert shape.curve("base", "overlap_at_10", "specific", "float32")[8].mean < 0.3


def test_alignment_is_of_true_pairs_and_the_difference_is_paired(shape: Shape) -> None:
    questions, (queries, items) = world(), vectors(slice(0, KNOWS))
    labels = questions.levels["specific"].futures
    by_hand = 2 - 2 * (queries[labels.query] * items[labels.item]).sum(axis=1).mean()
    tuned, ahead = shape.score("tuned", "alignment", "specific"), shape.score(DIFFERENCE, "alignment", "specific")
    assert tuned.mean == pytest.approx(by_hand, rel=1e-5)
    assert ahead.mean == pytest.approx(tuned.mean - shape.score("base", "alignment", "specific").mean)
    assert tuned.low < tuned.mean < tuned.high
    of_people = shape.score("tuned", "uniformity", "people")
    newest = queries[CUTS - 1 :: CUTS].astype(float)
    apart = [math.exp(-2 * ((newest[i] - newest[j]) ** 2).sum()) for i in range(PEOPLE) for j in range(PEOPLE) if i != j]
    assert of_people.mean == pytest.approx(math.log(np.mean(apart)), rel=1e-4)
    assert math.isnan(shape.score("tuned", "hubness", "people").low), "no mean over people, no interval"


def test_what_is_kept_can_be_read_back_printed_and_named(shape: Shape) -> None:
    from mlflow.utils.validation import _validate_metric_name

    assert Shape(**json.loads(shape.model_dump_json())).model_dump_json() == shape.model_dump_json()
    lines = [line for _, of_block in shape_blocks(shape) for line in of_block]
    assert max(map(len, lines)) <= 150
    assert any(line.startswith("  base, 8 int8 (8 bytes)") for line in lines)
    numbers = shape_numbers(shape)
    assert numbers["stored/specific/8_float32/overlap_at_10/tuned"] == shape.curve("tuned", "overlap_at_10", "specific", "float32")[8].mean
    assert "shape/people/uniformity/tuned_low" in numbers
    for name in numbers:
        _validate_metric_name(name)


def test_shown_people_are_the_first_and_those_whom_the_encoder_serves_worst() -> None:
    questions, (queries, items) = world(), vectors(slice(0, KNOWS))
    queries[2 * 7 : 2 * 7 + 2] *= -1  # person 7 is offered what is furthest from the own
    asked = asked_of_all(questions, "specific", CONFIG)
    tuned = found_by(questions, "specific", vector_scorer(queries, items), asked.contests, asked.targets)
    base = found_by(questions, "specific", vector_scorer(*vectors(slice(0, KNOWS))), asked.contests, asked.targets)
    near = np.eye(ITEMS)
    shown = shown_people(questions, "specific", asked, tuned, base, near, CONFIG)
    assert [(one.chosen, one.person_id) for one in shown][:3] == [("first", "person0"), ("first", "person1"), ("worst", "person7")]
    first, worst = shown[0], shown[2]
    assert {item.words for item in first.recommended if item.hit == "done later"} >= {f"item {number}" for number in range(4)}
    other = next(item.words for item in first.recommended if item.hit is None)
    near[int(other.split()[1])] = near[0]  # the base takes it for what is done later
    (again, *_) = shown_people(questions, "specific", asked, tuned, base, near, CONFIG)
    assert [item.words for item in again.recommended if item.hit == "near in meaning"] == [other]
    assert [future.tuned_rank for future in first.future] == sorted(future.tuned_rank for future in first.future)
    assert {future.words for future in first.future} == {f"item {number}" for number in range(5)}
    assert worst.tuned_auc["personal_auc"] < 0.2 < 0.9 < worst.base_auc["personal_auc"]
    assert not [item for item in worst.recommended if item.hit == "done later"]
    assert (worst.units, worst.newest[0].words, worst.newest[0].community) == (3, "words", "here")
