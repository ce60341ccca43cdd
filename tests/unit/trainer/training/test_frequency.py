"""Shares of steps, by hand and of a known distribution."""

import numpy as np
import pytest

from trainer.training.frequency import PLACES, Sightings


def shares(sightings: Sightings, *answers: int) -> list[float]:
    return np.exp(sightings.log_chances(np.array(answers, np.int64))).tolist()


def test_a_chance_is_the_share_of_steps_so_far_in_which_an_answer_stood() -> None:
    sightings = Sightings()
    assert shares(sightings, 3, 2**61) == [1, 1]
    assert shares(sightings, 3) == [1]
    assert shares(sightings, 2**61, 5) == pytest.approx([2 / 3, 1 / 3])
    assert shares(sightings) == []
    assert shares(sightings, 3) == pytest.approx([3 / 5])


def test_answers_that_share_a_place_count_once_a_step() -> None:
    sightings = Sightings()
    assert shares(sightings, 1, 1 + PLACES) == [1, 1]
    assert shares(sightings, 2) == [0.5]
    assert shares(sightings, 1) == pytest.approx([2 / 3])


def test_shares_come_near_true_chances() -> None:
    """Of some steps each, so that the last share of an answer is a mean of hundreds of draws."""
    generator, sightings, chances, found = np.random.default_rng(1), Sightings(), np.array([0.9, 0.5, 0.1]), {}
    for _ in range(4000):
        drawn = np.flatnonzero(generator.random(3) < chances)
        found |= dict(zip(drawn.tolist(), shares(sightings, *drawn), strict=True))
    assert [found[answer] for answer in range(3)] == pytest.approx(chances, rel=0.1)


def test_what_was_saved_goes_on_as_if_nothing_had_happened() -> None:
    one, other = Sightings(), Sightings()
    shares(one, 1, 2)
    other.steps, other.counts = one.steps, one.counts.copy()
    assert shares(one, 2, 3) == shares(other, 2, 3)
