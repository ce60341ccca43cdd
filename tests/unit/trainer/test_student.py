"""Positions past the base's own."""

from pathlib import Path

import numpy as np
import pytest
import torch

from conf.errors import ConfigError
from lake.encoder import load_encoder, save_encoder
from trainer.config import TrainingConfig
from trainer.student import base_encoder, extended_table, load_base

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
