"""Who is served."""

from types import SimpleNamespace

import pytest

from lake.encoder import EncoderCard
from lake.examples import HeldOut
from trainer import run
from trainer.champion import Choice, Comparison, Lead, choose_champion
from trainer.evaluation.metrics import NOBODY, Estimate
from trainer.run import is_chosen_by_labels

SHARES = HeldOut(validation_share=0.1, test_share=0.1)
OTHER_SHARES = HeldOut(validation_share=0.1, test_share=0.2)


def lead(low: float, in_new_threads: float | None = None, people: int = 20, new_people: int = 20) -> Lead:
    """With intervals that begin there."""
    new = low if in_new_threads is None else in_new_threads
    return Lead(Estimate(low + 0.1, low, low + 0.2, people), Estimate(new + 0.1, new, new + 0.2, new_people) if new_people else NOBODY)


AHEAD, LEVEL = lead(0.01), lead(-0.01)


def comparison(over_base: Lead, over_current: Lead | None = None, base_over_current: Lead | None = None, is_served: bool = False) -> Comparison:
    return Comparison({"tuned": 0.7, "base": 0.6}, over_base, over_current, base_over_current, is_served)


@pytest.mark.parametrize(
    ("found", "choice"),
    [
        (comparison(AHEAD), "tuned"),
        (comparison(LEVEL), "base"),
        (comparison(lead(0)), "base"),
        (comparison(lead(0.01, in_new_threads=-0.01)), "base"),
        (comparison(lead(-0.01, in_new_threads=0.01)), "base"),
        (comparison(lead(0.01, in_new_threads=-0.01, new_people=0)), "tuned"),
        (comparison(AHEAD, AHEAD, LEVEL, is_served=True), "tuned"),
        (comparison(AHEAD, LEVEL, AHEAD, is_served=True), "current"),
        (comparison(AHEAD, lead(0.01, in_new_threads=-0.01), LEVEL, is_served=True), "current"),
        (comparison(LEVEL, LEVEL, AHEAD, is_served=True), "base"),
        (comparison(LEVEL, AHEAD, LEVEL, is_served=True), "current"),
        (comparison(AHEAD, is_served=True), "tuned"),  # what is served cannot be compared, or is the base
        (comparison(LEVEL, is_served=True), "current"),
    ],
)
def test_another_encoder_is_served_only_where_it_is_clearly_ahead(found: Comparison, choice: Choice) -> None:
    assert choose_champion(found, min_people=10) == choice


@pytest.mark.parametrize("few", [lead(0.3, people=9), lead(0.3, new_people=9), lead(float("nan"), people=0, new_people=0)])
def test_too_few_people_leave_everything_as_it_is(few: Lead) -> None:
    assert choose_champion(comparison(few), min_people=10) == "base"
    assert choose_champion(comparison(few, few, few, is_served=True), min_people=10) == "current"


def test_a_control_is_never_served() -> None:
    assert choose_champion(comparison(AHEAD), 10, is_control=True) == "base"
    assert choose_champion(comparison(AHEAD, AHEAD, LEVEL, is_served=True), 10, is_control=True) == "current"
    assert choose_champion(comparison(AHEAD, AHEAD, AHEAD, is_served=True), 10, is_control=True) == "base"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            comparison(AHEAD),
            "the trained encoder beats its base and becomes 'champion' (validation personal AUC: tuned 0.700, base 0.600; tuned - base +0.110 ",
        ),
        (comparison(LEVEL), "the trained encoder does NOT clearly beat its base: 'champion' is the untouched base"),
        (comparison(LEVEL, is_served=True), "the trained encoder does NOT clearly beat its base: 'champion' is what it was"),
        (comparison(AHEAD, LEVEL, LEVEL, True), "'champion' stays what it was: the trained encoder is not clearly ahead of it, +0.090 [-0.010, +0.190], "),
        (
            comparison(lead(0.1, people=9), is_served=True),
            "9 validation people are too few to choose an encoder by, trainer.evaluation.min_people_to_choose is 10",
        ),
    ],
)
def test_the_log_says_who_is_served_and_why(found: Comparison, words: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    run.say_choice(choose_champion(found, 10), found, 10, "champion")
    assert words in caplog.text


def test_the_numbers_are_named_for_the_record() -> None:
    found = comparison(AHEAD, LEVEL).metrics()
    assert (found["validation_personal_auc_tuned"], found["validation_personal_auc_base"]) == (0.7, 0.6)
    assert [found[f"validation_tuned_minus_base/new{end}"] for end in ("_low", "", "_high")] == pytest.approx([0.01, 0.11, 0.21])
    assert found["validation_tuned_minus_champion_so_far/all_low"] == -0.01


@pytest.mark.parametrize(
    ("trained_on", "held_out", "comparable"),
    [
        ({}, None, True), ({"examples": 3}, SHARES, True), ({"examples": 3}, OTHER_SHARES, False), ({"examples": 3}, None, False),
        ({"examples": 3}, SHARES.model_copy(update={"topics": 0.1}), True),
    ],
)  # fmt: skip
def test_a_champion_that_may_know_who_is_asked_is_not_compared(trained_on: dict[str, int], held_out: HeldOut | None, comparable: bool) -> None:
    card = EncoderCard(base_model="m", rendering_version="1", max_tokens=64, trained_on=trained_on, held_out=held_out)
    assert run.is_comparable(SimpleNamespace(card=card, version="v"), SHARES) == comparable  # type: ignore[arg-type]


def test_labels_choose_where_enough_people_have_one_and_titles_where_more_have_those() -> None:
    enough = 10
    assert is_chosen_by_labels(10, 500, enough)
    assert not is_chosen_by_labels(1, 500, enough)
    assert is_chosen_by_labels(5, 4, enough)
    assert not is_chosen_by_labels(0, 0, enough)
    assert is_chosen_by_labels(2, 0, enough)
