"""What changes between two encoders, on hand-made vectors: nothing, a rotation, everything."""

import math

import numpy as np
import pytest

from trainer.config import EvaluationConfig
from trainer.evaluation.stability import Space, Stability, best_items, rotated_cosines, rotation, stability, stability_text

CONFIG = EvaluationConfig(bootstrap_samples=50)
PEOPLE, ITEMS, SIZE = 60, 200, 8


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def space(seed: int, name: str = "one", size: int = SIZE, items: int = ITEMS) -> Space:
    random = np.random.default_rng(seed)
    return Space(
        name, unit(random.normal(size=(PEOPLE, size))), {"specific": unit(random.normal(size=(items, size))), "broad": unit(random.normal(size=(30, size)))}
    )


def turned(of: Space, by: np.ndarray, name: str = "other") -> Space:
    return Space(name, of.people @ by, {kind: vectors @ by for kind, vectors in of.items.items()})


def by_metric(one: Space, other: Space) -> dict[tuple[str, str | None], Stability]:
    return {(score.metric, score.of): score for score in stability(one, other, CONFIG)}


def any_rotation(size: int, seed: int = 9) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def test_an_encoder_with_itself_changes_nothing() -> None:
    found = by_metric(space(1), space(1))
    for score in found.values():
        assert (score.low, score.mean, score.high, score.people) == pytest.approx((1, 1, 1, PEOPLE)), score


def test_a_rotated_copy_keeps_all_that_is_near_and_is_found_by_its_rotation() -> None:
    found = by_metric(space(1), turned(space(1), any_rotation(SIZE)))
    assert found["cosine of a person's vectors", None].mean < 0.5
    same = [score.mean for (metric, _), score in found.items() if metric != "cosine of a person's vectors"]
    assert same == pytest.approx([1.0] * 4)


def test_an_encoder_that_knows_nothing_shares_what_chance_shares() -> None:
    pairs = [by_metric(space(seed), space(seed + 100)) for seed in range(20)]
    for key in (("ten nearest people", None), ("ten best items", "specific"), ("ten best items", "broad")):
        assert np.mean([found[key].mean for found in pairs]) == pytest.approx(pairs[0][key].chance, abs=0.02)
    assert {pairs[0][key].chance for key in pairs[0] if "ten" in key[0]} == {10 / 59, 10 / 200, 10 / 30}
    assert np.mean([found["cosine of a person's vectors", None].mean for found in pairs]) == pytest.approx(0, abs=0.03)
    assert np.mean([found["cosine after the best rotation", None].mean for found in pairs]) == pytest.approx(0, abs=0.1)


def test_a_rotation_is_not_found_by_those_who_are_compared() -> None:
    """Fitted to themselves sixty people in forty dimensions come together whoever they are."""
    one, other = (Space("", space(seed, size=40).people, {"specific": space(seed, size=40).items["specific"]}) for seed in (1, 2))
    fitted_to_them = (one.people @ rotation(one.people.T @ other.people) * other.people).sum(axis=1)
    assert fitted_to_them.mean() > 0.5
    assert abs(rotated_cosines(one, other).mean()) < 0.15


def test_the_best_rotation_is_no_worse_than_any_other() -> None:
    one, other = space(1).people, unit(space(1).people @ any_rotation(SIZE) + 0.3 * space(2).people)
    best = rotation(one.T @ other)
    assert best @ best.T == pytest.approx(np.eye(SIZE), abs=1e-9)
    worth = ((one @ best) * other).sum()
    assert all(((one @ best @ (np.eye(SIZE) * 0.99 + 0.01 * any_rotation(SIZE, seed))) * other).sum() <= worth + 1e-9 for seed in range(20))


def test_encoders_of_two_sizes_have_a_rotation_and_no_plain_cosine() -> None:
    small = space(1, size=4)
    larger = turned(small, np.linalg.qr(np.random.default_rng(3).normal(size=(6, 4)))[0].T)
    found = by_metric(small, larger)
    assert math.isnan(found["cosine of a person's vectors", None].mean)
    assert found["cosine after the best rotation", None].mean == pytest.approx(1)
    assert found["ten best items", "broad"].mean == 1


def test_with_fewer_vectors_than_numbers_no_rotation_is_told() -> None:
    few = space(1, size=200, items=50)
    assert np.isnan(rotated_cosines(few, few)).all()
    assert "-" in str(by_metric(few, few)["cosine after the best rotation", None])


def test_best_items_are_those_of_the_highest_scores_and_all_where_there_are_fewer() -> None:
    found = best_items(np.eye(2), np.array([[0.1 * number, -0.1 * number] for number in range(15)]))
    assert [set(row) for row in found.tolist()] == [set(range(5, 15)), set(range(10))]
    assert best_items(np.eye(2), np.eye(2)).shape == (2, 2)
    assert best_items(np.eye(2), np.zeros((0, 2))).shape == (2, 0)


def test_the_table_has_a_block_a_pair_and_says_what_chance_is() -> None:
    found = [score for other in ("b", "c") for score in stability(space(1, "a"), turned(space(1), np.eye(SIZE), other), CONFIG)]
    lines = stability_text(found, PEOPLE, 0.9).splitlines()
    assert lines[0].startswith("60 people whom none of the encoders met")
    assert [line for line in lines if line and not line.startswith(" ")][-2:] == ["a and b", "a and c"]
    assert "  ten best items, specific            1.000 [1.000, 1.000]   (by chance 0.050)" in lines
    assert max(map(len, lines)) <= 160
