"""Positions past the base's own."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import CanineTokenizer

from conf.errors import ConfigError, EncoderError
from lake.encoder import load_encoder, save_encoder
from tests.hand_streams import HandStream
from tests.planted_people import planted_examples
from trainer.config import TrainingConfig
from trainer.student import base_encoder, extended_table, load_base
from trainer.training.loop import make_accelerator, train

SHORT = ["Sourdough starter smells odd", "word " * 400]
LONG = " ".join(["word"] * 900)


def test_rows_that_are_there_stay_and_the_rest_are_copies_without_the_first() -> None:
    table = torch.arange(4.0).unsqueeze(1)
    assert extended_table(table, 9).flatten().tolist() == [0, 1, 2, 3, 1, 2, 3, 1, 2]
    assert extended_table(table, 4).tolist() == table.tolist()


def test_short_texts_keep_their_vectors_and_long_ones_are_read_to_the_end() -> None:
    base, longer = load_base("all-MiniLM-L6-v2", 512, "cpu"), load_base("all-MiniLM-L6-v2", 1100, "cpu")
    assert np.allclose(base.encode(SHORT), longer.encode(SHORT), atol=1e-6)
    ending_otherwise = longer.encode([LONG, LONG + " gardening tomatoes"])
    assert np.abs(ending_otherwise[0] - ending_otherwise[1]).max() > 1e-3


def test_an_extended_encoder_survives_saving_and_its_version_is_that_of_its_folder(tmp_path: Path) -> None:
    encoder = base_encoder(TrainingConfig(max_tokens=800), "cpu")
    encoder.encode_texts(SHORT, "query")
    save_encoder(encoder.model, encoder.card, tmp_path)
    loaded = load_encoder(tmp_path, "cpu")
    assert loaded.version == encoder.version
    assert loaded.model.tokenizer.model_max_length == 800
    assert np.allclose(loaded.encode_texts([LONG], "query"), encoder.encode_texts([LONG], "query"), atol=1e-6)


def test_an_unknown_base_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="base_model"):
        load_base(str(tmp_path), 128, "cpu")


@pytest.mark.parametrize("kept_in", [torch.float16, torch.bfloat16])
def test_a_base_kept_in_half_precision_is_trained_in_float32(tmp_path: Path, kept_in: torch.dtype) -> None:
    load_base("all-MiniLM-L6-v2", 64, "cpu").to(kept_in).save(str(tmp_path), create_model_card=False)
    config = TrainingConfig(base_model=str(tmp_path), max_tokens=64, people_per_batch=4, learning_rate=3e-5, temperature=0.1)
    encoder = base_encoder(config, "cpu")
    assert {each.dtype for each in encoder.model.parameters()} == {torch.float32}
    before = encoder.model[0].auto_model.encoder.layer[0].output.dense.weight.detach().clone()
    (step,) = train(encoder, HandStream(planted_examples(4, 0), config), config, make_accelerator(config))
    after = encoder.model[0].auto_model.encoder.layer[0].output.dense.weight.detach()
    assert math.isfinite(step.loss)
    assert torch.isfinite(after).all()
    assert (after != before).float().mean() > 0.99


def test_training_that_is_no_longer_finite_stops_with_its_weights_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainingConfig(max_tokens=64, people_per_batch=4, temperature=0.1)
    encoder = base_encoder(config, "cpu")
    weight = encoder.model[0].auto_model.encoder.layer[0].output.dense.weight
    with torch.no_grad():
        weight[0, 0] = torch.inf
    before = weight.detach().clone()
    with pytest.raises(EncoderError, match=r"the loss of step 1 is nan; nothing is registered"):
        list(train(encoder, HandStream(planted_examples(4, 0), config), config, make_accelerator(config)))
    assert torch.equal(weight, before)
    with pytest.raises(EncoderError, match=r"1 of 1 vectors are not finite"):
        encoder.encode_texts(["Sourdough"], "query")


def test_a_base_whose_tokenizer_gives_no_places_is_refused_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.student.load_model", lambda path, device, attention: SimpleNamespace(tokenizer=CanineTokenizer()))
    with pytest.raises(ConfigError, match=r"trainer\.base_model 'all-MiniLM-L6-v2': its tokenizer \(CanineTokenizer\) does not say where"):
        load_base("all-MiniLM-L6-v2", 64)
