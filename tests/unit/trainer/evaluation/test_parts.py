"""Slices of the questions: who belongs to which, and what is asked there."""

from typing import Any

import numpy as np
import pytest

from tests.unit.trainer.evaluation.test_baselines import cut, everything, positives, questions, random_people
from trainer.config import EvaluationConfig
from trainer.evaluation import metrics
from trainer.evaluation.asked import asked_by_slice, asked_of_all
from trainer.evaluation.baselines import most_popular
from trainer.evaluation.parts import popularity_bands, slices
from trainer.evaluation.scores import RANK_METRICS, Scorer, found_by

HEAD, TORSO, TAIL = range(3)


@pytest.mark.parametrize(
    ("counts", "bands"),
    [
        ([10, 10, 10], [TORSO, TORSO, TORSO]),
        ([30, 15, 15, 6, 6, 6, 6, 6], [HEAD, TORSO, TORSO, TAIL, TAIL, TAIL, TAIL, TAIL]),
        ([3, 0, 100, 1, 1], [TAIL, TAIL, TORSO, TAIL, TAIL]),
        ([9, 4, 1, 1, 1, 1, 1, 0], [HEAD, TORSO, TAIL, TAIL, TAIL, TAIL, TAIL, TAIL]),
        ([0, 0], [TAIL, TAIL]),
        ([], []),
    ],
)
def test_popularity_bands_share_what_was_counted_and_keep_equals_together(counts: list[int], bands: list[int]) -> None:
    assert popularity_bands(np.array(counts, np.float32)).tolist() == bands


def test_bands_of_many_items_hold_about_a_third_each() -> None:
    counts = np.floor(10_000 / np.arange(1.0, 5000))
    band = popularity_bands(counts)
    shares = np.array([counts[band == each].sum() for each in (HEAD, TORSO, TAIL)]) / counts.sum()
    assert shares == pytest.approx([1 / 3] * 3, abs=0.05)
    assert counts[band == HEAD].min() > counts[band == TORSO].max() > counts[band == TAIL].max()


@pytest.mark.parametrize(
    ("units", "name"),
    [(1, "1-2"), (2, "1-2"), (3, "3-5"), (5, "3-5"), (6, "6-10"), (10, "6-10"), (11, "11-20"), (20, "11-20"), (21, "21-50"), (50, "21-50"), (51, "51-100"),
     (100, "51-100"), (101, "over 100"), (250, "over 100")],
)  # fmt: skip
def test_cuts_belong_to_the_slice_of_the_units_before_them(units: int, name: str) -> None:
    asked = questions([cut(positives(0), length=units), cut(positives(1), length=30)])
    found = slices(asked, "specific", None)
    assert set(found) == {f"history of {name}", "history of 21-50"}
    assert found[f"history of {name}"].queries.tolist() == [True, name == "21-50"]


def values(asked: Any, scorer: Scorer) -> dict[Any, np.ndarray]:
    found = found_by(asked.questions, "specific", scorer, asked.contests, asked.targets)
    return asked.values(found, np.eye(6), 0.9)


CONFIG = EvaluationConfig(matched_min_others=1)


def test_only_items_of_the_slice_meet_and_are_looked_for_among_all() -> None:
    counts = np.array([12.0, 6, 6, 2, 2, 2])  # s0 is head, s1 and s2 torso, the others tail
    asked = asked_by_slice(questions([cut(positives(0, 1, 5))], [cut(positives(0, 2))], [cut(positives(4))]), "specific", counts, CONFIG)
    assert {cuts for cuts, _ in asked.parts} == {"head items", "torso items", "tail items", "history of 1-2"}
    scores = np.array([[1.0, 5, 2, 0, 0, 4], [9, 2, 1, 9, 9, 9], [0, 0, 0, 0, 3, 1]])
    found = values(asked, lambda block: scores[block])
    torso = found["torso items", "all", "personal_auc"]
    assert asked.contests["torso items", "all", "personal_auc"].people.tolist() == [0, 1]
    assert (torso[0, 1], torso[1, 0]) == (1, 0)
    tail = found["tail items", "all", "personal_auc"]
    assert asked.contests["tail items", "all", "personal_auc"].people.tolist() == [0, 2]
    assert (tail[0, 1], tail[1, 0]) == (1, 1)
    recall = found["tail items", "all", "recall_at_10"]
    assert recall.tolist() == pytest.approx([1, np.nan, 1], nan_ok=True)


def test_slices_put_together_are_the_whole() -> None:
    people = random_people(30)
    scores = np.random.default_rng(1).random((len(people.person), 6))
    whole = values(asked_of_all(people, "specific", CONFIG), lambda block: scores[block])
    by_slice = values(asked_by_slice(people, "specific", np.array([9.0, 9, 3, 2, 1, 1]), CONFIG), lambda block: scores[block])
    length = "history of 1-2", "all"  # everybody's
    assert (by_slice[*length, "recall_at_10"] == whole["all cuts", "all", "recall_at_10"]).all()
    assert by_slice[*length, "matched_personal_auc"] == pytest.approx(whole["all cuts", "all", "matched_personal_auc"], nan_ok=True)


def test_a_list_that_is_the_same_for_all_wins_nothing_in_any_slice() -> None:
    asked = asked_by_slice(random_people(40), "specific", np.array([9.0, 9, 3, 2, 1, 1]), CONFIG)
    found = values(asked, most_popular(np.array([9.0, 5, 4, 3, 2, 1])))
    assert len(asked.parts) > 2
    for place in asked.contests:
        estimate = metrics.pairs_mean(found[place], 0.9)
        assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((0.5, 0.5, 0.5), abs=1e-6)


def test_slices_without_a_future_are_left_out_and_the_whole_has_every_metric() -> None:
    people = questions([cut(positives(0))], [cut(positives(0))])
    asked = asked_by_slice(people, "specific", np.array([1.0, 5, 5, 5, 5, 5]), CONFIG)
    assert {cuts for cuts, _ in asked.parts} == {"history of 1-2", "tail items"}
    whole = asked_of_all(people, "specific", CONFIG)
    assert {metric for _, _, metric in values(whole, lambda block: np.zeros((block.stop - block.start, 6)))} == {
        "matched_personal_auc", "personal_auc", *RANK_METRICS,
    }  # fmt: skip
    assert everything(people).all()
