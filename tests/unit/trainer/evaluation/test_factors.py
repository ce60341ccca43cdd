"""Alternating least squares: what it says of people of two tastes, and that the folding in is the formula."""

import warnings

import numpy as np
import pytest

from trainer.evaluation import factors
from trainer.evaluation.factors import CONFIDENCE, REGULARIZATION, folded_in

TEA, CHESS, NOBODYS = [0, 1, 2, 3], [4, 5, 6, 7], 8
RANDOM = np.random.default_rng(0)
TRAINING = [RANDOM.choice(taste, 3, replace=False).astype(np.int32) for taste in (TEA, CHESS) for _ in range(20)]


def asked(*pasts: list[int]) -> np.ndarray:
    return folded_in(TRAINING, [np.array(past, np.int64) for past in pasts], 9, seed=1, size=2)(slice(0, len(pasts)))


def test_items_of_people_of_one_s_taste_come_first() -> None:
    tea, chess = asked([0, 1], [5, 5])
    assert min(tea[TEA]) > max(tea[CHESS])
    assert min(chess[CHESS]) > max(chess[TEA])


def test_what_was_never_met_says_nothing() -> None:
    found = asked([], [NOBODYS], [0])
    assert not found[:2].any()
    assert found[2, NOBODYS] == 0
    assert not folded_in([], [np.array([0])], 3, seed=1)(slice(0, 1)).any()


def test_a_past_is_folded_in_by_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factors, "vector_scorer", lambda users, items: lambda _: (users, items))
    users, items = folded_in(TRAINING, [np.array([0, 0, 2])], 9, seed=1, size=2)(slice(0, 1))
    confidence = np.array([2.0, 0, 1, 0, 0, 0, 0, 0, 0]) * CONFIDENCE
    # every item counts once, those that the person has as much more as their confidence says; their preference is 1 and that of all others 0
    weights = np.where(confidence > 0, confidence, 1)
    left = items.T @ (weights[:, None] * items) + REGULARIZATION * np.eye(items.shape[1])
    assert users[0] == pytest.approx(np.linalg.solve(left, items.T @ confidence), abs=1e-3)


def test_the_same_seed_gives_the_same_scores_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = asked([0, 4]), asked([0, 4])
    assert (first == second).all()
