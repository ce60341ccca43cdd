"""LoRA: adapters alone are trained, and the merged model is a plain one with the same vectors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from conf.errors import ConfigError
from lake.encoder import load_encoder, save_encoder
from tests.encoder_folders import qwen3_folder
from tests.hand_streams import HandStream
from tests.planted_people import planted_examples
from trainer.adapters import linear_layers
from trainer.config import TrainingConfig
from trainer.student import base_encoder, content_version, finish, student_encoder
from trainer.training.loop import make_accelerator, train
from trainer.training.towers import embed

TEXTS = ["Sourdough starter smells odd", "Rye loaf with caraway " * 5, "roses"]


def config(base: str, **changes: object) -> TrainingConfig:
    return TrainingConfig(**{"base_model": base, "max_tokens": 64, "people_per_batch": 4, "temperature": 0.1, "lora_rank": 4, "learning_rate": 1e-2} | changes)  # type: ignore[arg-type]


@pytest.fixture(params=["MiniLM", "Qwen3"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "all-MiniLM-L6-v2" if request.param == "MiniLM" else str(qwen3_folder(tmp_path / "base"))


def test_adapters_alone_are_trained_and_are_merged_into_a_plain_folder(base: str, tmp_path: Path) -> None:
    settings = config(base)
    untouched, encoder = base_encoder(settings, "cpu"), student_encoder(settings, "cpu")
    assert np.allclose(encoder.encode_texts(TEXTS, "query"), untouched.encode_texts(TEXTS, "query"), atol=1e-6)
    before = {name: each.detach().clone() for name, each in encoder.model.named_parameters()}
    assert len(list(train(encoder, HandStream(planted_examples(8, 0), settings, epochs=2), settings, make_accelerator(settings)))) == 4
    assert {name for name, each in encoder.model.named_parameters() if each.requires_grad} == {name for name in before if "lora_" in name}
    moved = {name for name, each in encoder.model.named_parameters() if not torch.equal(each, before[name])}
    assert moved == {name for name in before if "lora_" in name}
    unmerged = encoder.encode_texts(TEXTS, "query")
    assert np.abs(unmerged - untouched.encode_texts(TEXTS, "query")).max() > 1e-2
    finish(encoder.model, settings)
    assert [name for name, _ in encoder.model.named_parameters()] == [name for name, _ in untouched.model.named_parameters()]
    assert all(each.requires_grad for each in encoder.model.parameters())
    save_encoder(encoder.model, encoder.card, tmp_path / "saved")
    loaded = load_encoder(tmp_path / "saved", "cpu")
    assert not list((tmp_path / "saved").rglob("adapter*"))
    assert loaded.version == content_version(encoder.model, encoder.card) != untouched.version
    assert np.allclose(loaded.encode_texts(TEXTS, "query"), unmerged, atol=1e-5)


def test_packed_or_padded_adapters_have_the_same_gradients(base: str) -> None:
    found = {}
    for packed in (False, True):
        settings = config(base)
        model = student_encoder(settings, "cpu").model
        if packed:
            from trainer.training.packing import start_packing

            start_packing(model)
        vectors = embed(model, TEXTS, Accelerator(cpu=True))
        (vectors * torch.linspace(-1, 1, vectors.numel()).view_as(vectors)).sum().backward()
        found[packed] = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    assert found[True].keys() == found[False].keys()
    assert all(torch.allclose(found[True][name], found[False][name], atol=1e-5, rtol=1e-4) for name in found[True])


def test_all_processes_draw_the_same_adapters_and_nobody_elses_numbers_move(base: str) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        model = student_encoder(config(base), "cpu").model
        drawn.append({name: each for name, each in model.named_parameters() if "lora_A" in name})
    assert torch.rand(1) == expected
    assert drawn[0]
    assert all(torch.equal(drawn[0][name], drawn[1][name]) for name in drawn[0])
    torch.manual_seed(4)
    other = {name: each for name, each in student_encoder(config(base, seed=8), "cpu").model.named_parameters() if "lora_A" in name}
    assert not any(torch.equal(drawn[0][name], other[name]) for name in other)


def test_layers_are_chosen_by_the_end_of_their_names() -> None:
    transformer = nn.ModuleDict(
        {"layer": nn.ModuleDict({"query": nn.Linear(2, 2), "key": nn.Linear(2, 2)}), "pooler": nn.ModuleDict({"dense": nn.Linear(2, 2)})}
    )
    assert linear_layers(transformer) == ["layer.query", "layer.key"]
    assert linear_layers(transformer, ["key"]) == ["layer.key"]
    with pytest.raises(ConfigError, match=r"trainer\.lora_targets \['ey'\]: no linear layer of ModuleDict is called so; it has key, query"):
        linear_layers(transformer, ["ey"])


def test_without_a_rank_all_weights_are_trained_and_finishing_changes_none(base: str) -> None:
    settings = config(base, lora_rank=None)
    encoder = student_encoder(settings, "cpu")
    assert all(each.requires_grad for each in encoder.model.parameters())
    finish(encoder.model, settings)
    assert content_version(encoder.model, encoder.card) == base_encoder(settings, "cpu").version
