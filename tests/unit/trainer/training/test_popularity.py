"""Shares of steps, by hand and of a known distribution; and what a loss with offsets teaches scores."""

import numpy as np
import pytest
import torch

from trainer.training.loss import loss_of_kinds
from trainer.training.masks import Pairs, Relation, relation
from trainer.training.popularity import PLACES, Sightings


def shares(sightings: Sightings, *answers: int) -> list[float]:
    """Chances to stand in a step, after a step of these answers."""
    numbers = np.array(answers, np.int64)
    sightings.count(numbers, relation([], [], numbers))
    return np.exp(-sightings.offsets(numbers, len(numbers)).negatives).tolist()


def test_a_chance_is_the_share_of_steps_so_far_in_which_an_answer_stood() -> None:
    sightings = Sightings("learned")
    assert shares(sightings, 3, 2**61) == [1, 1]
    assert shares(sightings, 3) == [1]
    assert shares(sightings, 2**61, 5) == pytest.approx([2 / 3, 1 / 3])
    assert shares(sightings) == []
    assert shares(sightings, 3) == pytest.approx([3 / 5])


def test_answers_that_share_a_place_count_once_a_step() -> None:
    sightings = Sightings("learned")
    assert shares(sightings, 1, 1 + PLACES) == [1, 1]
    assert shares(sightings, 2) == [0.5]
    assert shares(sightings, 1) == pytest.approx([2 / 3])


def test_shares_come_near_true_chances() -> None:
    """Of some steps each, so that the last share of an answer is a mean of hundreds of draws."""
    generator, sightings, chances, found = np.random.default_rng(1), Sightings("learned"), np.array([0.9, 0.5, 0.1]), {}
    for _ in range(4000):
        drawn = np.flatnonzero(generator.random(3) < chances)
        found |= dict(zip(drawn.tolist(), shares(sightings, *drawn), strict=True))
    assert [found[answer] for answer in range(3)] == pytest.approx(chances, rel=0.1)


def test_what_stands_there_by_choice_and_what_is_a_positive_keep_their_scores() -> None:
    sightings = Sightings("learned")
    shares(sightings, 1, 2)
    shares(sightings, 1)
    found = sightings.offsets(np.array([1, 2, 7]), 2)
    assert found.negatives.tolist() == pytest.approx([0, np.log(2), 0])
    assert found.positives.tolist() == [0, 0, 0]


def test_what_is_left_out_is_of_how_many_an_answer_was_a_positive() -> None:
    sightings, answers = Sightings("left_out"), np.array([4, 8, 12])
    sightings.count(answers, relation([np.array([4]), np.array([4, 8]), np.array([4])], [np.zeros(0, np.int64)] * 3, answers))
    found = sightings.offsets(np.array([4, 8, 12, 16]), 3)
    assert np.exp(found.negatives).tolist() == pytest.approx([4, 2, 1, 1])
    assert found.positives.tolist() == found.negatives.tolist()


@pytest.mark.parametrize("popularity", ["learned", "left_out"])
def test_what_was_saved_goes_on_as_if_nothing_had_happened(popularity: str) -> None:
    one, other = Sightings(popularity), Sightings(popularity)  # type: ignore[arg-type]
    shares(one, 1, 2)
    other.set_state({name: value.copy() for name, value in one.state().items()})  # type: ignore[misc]
    assert shares(one, 2, 3) == shares(other, 2, 3)


def learnt_scores(popularity: str | None) -> np.ndarray:
    """Scores that the loss is lowest at, (2, 3), of two people: both did what everybody does three times in four, and each has a taste besides."""
    drawn = [(0, 0)] * 6 + [(0, 1)] * 2 + [(1, 0)] * 6 + [(1, 2)] * 2  # who, what
    who, what = (np.array(each) for each in zip(*drawn, strict=True))
    people = torch.eye(2, dtype=torch.float64)
    items = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)  # the score of a person is a coordinate
    step = Relation((len(drawn), 3), Pairs(np.arange(len(drawn)), what), Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64)))
    sightings = None if popularity is None else Sightings(popularity)  # type: ignore[arg-type]
    optimizer = torch.optim.Adam([items], lr=0.05)
    for _ in range(1500):
        if sightings:
            sightings.count(np.arange(3), step)
        offsets = sightings.offsets(np.arange(3), 3) if sightings else None
        loss = loss_of_kinds(people[who], items, step, np.zeros(3, np.int64), 1.0, offsets=offsets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return items.detach().numpy().T


def test_left_out_teaches_how_much_likelier_an_answer_is_for_this_person_than_for_anybody() -> None:
    sampled, left_out = learnt_scores(None), learnt_scores("left_out")
    tastes = sampled[:, 0] - sampled[[0, 1], [1, 2]]
    assert tastes == pytest.approx(np.log([3, 3]), abs=0.02)  # what everybody does stands above what is one's own
    tastes = left_out[:, 0] - left_out[[0, 1], [1, 2]]
    assert tastes == pytest.approx(np.log([0.5, 0.5]), abs=0.02)  # 6 of 8 against 12 of 16; 2 of 8 against 2 of 16
