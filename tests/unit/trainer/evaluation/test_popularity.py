"""What popularity weighs beside a cosine."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trainer.config import EvaluationConfig
from trainer.evaluation.popularity import WEIGHTS, fitted_weights, tried_items
from trainer.evaluation.questions import FutureLabels, LevelAnswers, Questions
from trainer.evaluation.scores import targets_of

PEOPLE, ITEMS, SIZE = 60, 400, 16


def questions_about(futures: list[np.ndarray]) -> Questions:
    """One query a person, whose future is some items of the specific level."""
    query = np.repeat(np.arange(len(futures)), [len(future) for future in futures])
    items = np.concatenate([*futures, np.zeros(0, np.int64)]).astype(np.int64)
    answers = LevelAnswers(
        [f"i{item}" for item in range(ITEMS)], [f"item {item}" for item in range(ITEMS)], [np.zeros(0, np.int64)] * len(futures), [np.zeros(0)] * len(futures),
        FutureLabels(query, items, np.zeros(len(items), np.int64), np.zeros(len(items), bool)),
    )  # fmt: skip
    everyone = np.arange(len(futures))
    return SimpleNamespace(person=everyone, people=len(futures), levels={"specific": answers})  # type: ignore[return-value]


def world(temperature: float, seed: int = 3) -> tuple[Questions, np.ndarray, np.ndarray, np.ndarray]:
    """People who draw items by exp(cosine / temperature) times how popular they are: questions, vectors of people and of items, and counts."""
    random = np.random.default_rng(seed)
    people, items = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (random.normal(size=(n, SIZE)) for n in (PEOPLE, ITEMS)))
    counts = np.round(2000 / (1 + random.permutation(ITEMS)))
    odds = np.exp(people @ items.T / temperature) * (counts + 1)
    futures = [random.choice(ITEMS, 20, p=row / row.sum()) for row in odds]
    return questions_about(futures), people.astype(np.float32), items.astype(np.float32), counts


def encoder_of(items: np.ndarray) -> Any:
    return SimpleNamespace(dimension=SIZE, encode_texts=lambda texts, side: items[[int(text.split()[1]) for text in texts]])


@pytest.mark.parametrize("temperature", [0.04, 0.16])
def test_the_weight_is_near_the_temperature_at_which_people_choose(temperature: float) -> None:
    questions, people, items, counts = world(temperature)
    found = fitted_weights(encoder_of(items), questions, people, {"specific": counts}, EvaluationConfig())
    assert set(found) == {"specific"}
    assert temperature / 2 <= found["specific"] <= temperature * 2


def test_cosines_that_say_nothing_leave_what_is_popular() -> None:
    questions, people, items, counts = world(0.1)
    found = fitted_weights(encoder_of(items), questions, np.roll(people, 7, axis=0), {"specific": counts}, EvaluationConfig())
    assert found["specific"] >= 0.3


def test_counts_that_say_nothing_weigh_nothing() -> None:
    questions, people, items, _ = world(0.02)
    found = fitted_weights(encoder_of(items), questions, people, {"specific": np.zeros(ITEMS)}, EvaluationConfig())
    assert found == {"specific": WEIGHTS[0]}


def test_a_level_without_a_future_has_no_weight() -> None:
    empty = questions_about([np.zeros(0, np.int64)] * 3)
    assert fitted_weights(encoder_of(np.zeros((ITEMS, SIZE))), empty, np.zeros((3, SIZE)), {"specific": np.ones(ITEMS)}, EvaluationConfig()) == {}


def test_of_too_many_items_the_popular_some_others_and_all_futures_are_tried() -> None:
    questions, people, items, counts = world(0.1)
    targets = targets_of(questions, "specific")
    seed = EvaluationConfig().seed
    tried = tried_items(targets, counts, 40, seed)
    assert tried[targets.item].all()
    assert tried[np.argsort(-counts)[:20]].all()
    others = np.setdiff1d(np.arange(ITEMS), targets.item)
    assert 0 < tried[others].sum() <= 40
    assert (tried == tried_items(targets, counts, 40, seed)).all()
    assert tried_items(targets, counts, ITEMS, seed).all()
    encoded: list[str] = []
    encoder = SimpleNamespace(dimension=SIZE, encode_texts=lambda texts, side: encoded.extend(texts) or items[[int(text.split()[1]) for text in texts]])
    found = fitted_weights(encoder, questions, people, {"specific": counts}, EvaluationConfig(max_items_to_fit=40))  # type: ignore[arg-type]
    assert len(encoded) == tried.sum()
    assert 0.05 <= found["specific"] <= 0.2
