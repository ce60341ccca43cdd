"""The benchmark of our trainer beside that of sentence-transformers: both take the same steps, and what is counted is what was asked for."""

import pytest

from benchmarks.trainer import SETTINGS, Record, cost_of_records, cost_of_run, made_people
from trainer.config import TrainingConfig
from trainer.student import base_encoder


def test_both_trainers_have_the_same_tokens_and_the_same_losses_on_two_processes() -> None:
    ours, theirs = (cost_of_run(trainer, "tiny", tokens_at_once=128, steps=3) for trainer in ("kindred", "cached"))
    assert ours.tokens == theirs.tokens > 0
    assert len(ours.losses) == 3
    assert ours.losses == pytest.approx(theirs.losses, abs=1e-3)
    assert min(ours.cpu_seconds, theirs.cpu_seconds) > 0


def test_texts_have_the_tokens_that_were_drawn_for_them() -> None:
    encoder = base_encoder(TrainingConfig(max_tokens=1024), "cpu")
    for name in ("short", "long"):
        setting = SETTINGS[name]
        for person in made_people(setting, 0)[:8]:
            assert setting.history.least <= encoder.token_count(encoder.history_text(person.history)[0]) <= setting.history.most
            assert setting.answer.least <= encoder.token_count(person.answer) <= setting.answer.most


def test_the_slowest_process_of_each_step_counts_and_the_first_step_does_not() -> None:
    records = [Record([1, 10, 20], [9.0, 10.0, 13.0], [0.5], 5), Record([1, 30, 40], [1.0, 4.0, 5.0], [0.5], 7)]
    cost = cost_of_records(records)
    assert (cost.tokens, cost.cpu_seconds, cost.peak_bytes) == (100, 6.0, 7)
