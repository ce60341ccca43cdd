"""Encoders with rotary positions at 8,192 tokens: histories of that length train them, packed as padded, and what is saved is what was trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lake.encoder import load_encoder, save_encoder
from tests.encoder_folders import modernbert_folder, qwen3_folder
from tests.hand_streams import HandStream
from tests.planted_people import TOPICS, example
from trainer.config import TrainingConfig
from trainer.student import base_encoder, content_version, finish, student_encoder
from trainer.training.loop import Step, make_accelerator, train
from trainer.training.packing import is_packing

MAX_TOKENS = 8192
SHAPES: dict[str, Callable[[Path], Path]] = {
    "ModernBERT": lambda folder: modernbert_folder(folder, layers=2),
    "Qwen3": lambda folder: qwen3_folder(folder, prompts={"query": "Instruct: what comes next?\nQuery: ", "document": ""}),
}
PACKED_STEPS = 2


def long_people() -> list[dict[str, Any]]:
    """Four people of 260 long units each, a topic each."""
    rows = []
    for number, (broad, texts) in enumerate(TOPICS.items()):
        labels = [(texts[unit % len(texts)], broad) for unit in range(260)]
        rows.append(
            example(
                f"person-{number}", labels, 255, words=[f"Day {unit}: {text}. " + f"{text}, and {broad} again; " * 3 for unit, (text, _) in enumerate(labels)]
            )
        )
    return rows


@pytest.mark.parametrize("shape", SHAPES)
def test_a_few_steps_at_8192_tokens_packed_as_padded_and_saved_as_trained(shape: str, tmp_path: Path) -> None:
    people = long_people()
    settings = {"base_model": str(SHAPES[shape](tmp_path)), "max_tokens": MAX_TOKENS, "people_per_batch": 2, "temperature": 0.1}
    packed, padded = (TrainingConfig(**settings, packing=packing, learning_rate=1e-3) for packing in ("packed", "padded"))
    encoder = student_encoder(packed, "cpu")
    base = base_encoder(packed, "cpu")
    text, units = encoder.history_text(people[0]["history"][:255])
    assert MAX_TOKENS - 120 < encoder.token_count(encoder.card.prompt("query") + text) <= MAX_TOKENS
    assert units < 255
    steps = list(train(encoder, HandStream(people, packed), packed, make_accelerator(packed)))
    assert is_packing(encoder.model)
    assert len(steps) == PACKED_STEPS
    check_first_step(steps[0], people, padded)
    finish(encoder.model, packed)
    save_encoder(encoder.model, encoder.card, tmp_path / "saved")
    loaded = load_encoder(tmp_path / "saved", "cpu")
    assert loaded.version == content_version(encoder.model, encoder.card)
    found, expected = (each.encode_texts([text, "roses"], "query") for each in (loaded, encoder))
    assert np.allclose(found, expected, atol=1e-6)
    assert np.abs(found - base.encode_texts([text, "roses"], "query")).max() > 1e-3


def check_first_step(step: Step, people: list[dict[str, Any]], padded: TrainingConfig) -> None:
    """The first step of the same training, padded: the same loss and gradient."""
    other = next(iter(train(student_encoder(padded, "cpu"), HandStream(people, padded), padded, make_accelerator(padded))))
    assert step.loss == pytest.approx(other.loss, rel=1e-4)
    assert step.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-3)
