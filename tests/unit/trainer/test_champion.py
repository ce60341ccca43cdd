"""Who is served."""

from math import nan

import pytest

from trainer.champion import Choice, Comparison, choose_champion


@pytest.mark.parametrize(
    ("tuned", "base", "current", "choice"),
    [
        (0.7, 0.6, None, "tuned"),
        (0.6, 0.6, None, "base"),
        (0.5, 0.6, None, "base"),
        (0.7, 0.6, 0.65, "tuned"),
        (0.7, 0.6, 0.7, "tuned"),
        (0.7, 0.6, 0.8, "current"),
        (0.5, 0.6, 0.65, "current"),
        (0.5, 0.6, 0.55, "base"),
        (nan, nan, None, "base"),
        (nan, nan, nan, "current"),
    ],
)
def test_the_best_on_validation_is_served(tuned: float, base: float, current: float | None, choice: Choice) -> None:
    assert choose_champion(Comparison(tuned, base, current, people=3)) == choice


def test_a_control_is_never_served() -> None:
    assert choose_champion(Comparison(0.9, 0.6, None, people=3), is_control=True) == "base"
    assert choose_champion(Comparison(0.9, 0.6, 0.7, people=3), is_control=True) == "current"
