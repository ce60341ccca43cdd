"""Who is served."""

from math import nan
from types import SimpleNamespace

import pytest

from lake.config import LakeConfig
from lake.encoder import EncoderCard
from lake.examples import HeldOut
from trainer import run
from trainer.champion import Choice, Comparison, choose_champion

SHARES = HeldOut(validation_share=0.1, test_share=0.1)
OTHER_SHARES = HeldOut(validation_share=0.1, test_share=0.2)


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


@pytest.mark.parametrize(
    ("trained_on", "held_out", "score"),
    [({}, None, 0.9), ({"examples": 3}, SHARES, 0.9), ({"examples": 3}, OTHER_SHARES, None), ({"examples": 3}, None, None)],
)
def test_a_champion_that_may_know_who_is_asked_is_not_compared(
    trained_on: dict[str, int], held_out: HeldOut | None, score: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    card = EncoderCard(base_model="m", rendering_version="1", max_tokens=64, trained_on=trained_on, held_out=held_out)
    monkeypatch.setattr(run, "load_registered", lambda lake: SimpleNamespace(card=card, version="v"))
    monkeypatch.setattr(run, "mean_personal_auc", lambda encoder, questions: 0.9)
    assert run.current_champion_auc(LakeConfig(), None, SHARES) == score  # type: ignore[arg-type]
