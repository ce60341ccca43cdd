"""One row without padding gives the vectors and gradients of padded texts, or is not used."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling, WeightedLayerPooling
from torch import Tensor
from transformers import AttentionInterface, AutoTokenizer, MPNetConfig, MPNetModel, XLMRobertaConfig, XLMRobertaModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from conf.errors import ConfigError
from lake.models import model_path
from tests.encoder_folders import modernbert_folder, projection, qwen3_folder, with_modules
from trainer.config import TrainingConfig
from trainer.student import base_encoder, finish, load_base
from trainer.training import packing
from trainer.training.packing import choose_packing, first_position, is_packing, obstacle, packed_vectors, runs_of, start_packing
from trainer.training.towers import embed

TEXTS = ["short one", "compost " * 70 + "bin", "Sourdough starter smells odd, " * 9, "x", "short two", "Rye loaf with caraway"]
"""Longer and shorter than a local window; two of one length beside each other and one apart."""
ACCELERATOR = Accelerator(cpu=True)
Made = Callable[[Path], str]
SHAPES: dict[str, Made] = {
    "MiniLM": lambda folder: "all-MiniLM-L6-v2",
    "ModernBERT, cls": lambda folder: str(modernbert_folder(folder)),
    "ModernBERT, mean": lambda folder: str(modernbert_folder(folder, "mean")),
    "ModernBERT, mean without prompt": lambda folder: str(modernbert_folder(folder, "mean", {"query": "about sourdough: "}, include_prompt=False)),
    "ModernBERT, cls without prompt": lambda folder: str(modernbert_folder(folder, "cls", {"query": "about sourdough: "}, include_prompt=False)),
    "Qwen3, padded left": lambda folder: str(qwen3_folder(folder)),
    "Qwen3, padded right": lambda folder: str(qwen3_folder(folder, "right")),
    "projected": lambda folder: str(with_modules(modernbert_folder(folder), folder / "projected", Pooling(64, "mean"), projection(), Normalize())),
}


def gradients(model: SentenceTransformer, vectors: Tensor) -> dict[str, Tensor]:
    """Of a sum that weighs each number of each text in its own way."""
    model.zero_grad()
    weights = torch.linspace(-1, 1, vectors.numel()).view_as(vectors)
    (vectors * weights).sum().backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize("shape", SHAPES)
def test_packed_texts_have_the_vectors_and_gradients_of_padded_ones(shape: str, tmp_path: Path) -> None:
    model = base_encoder(TrainingConfig(base_model=SHAPES[shape](tmp_path), max_tokens=256), "cpu").model
    texts = [*TEXTS, "about sourdough: rye loaf"]
    padded = embed(model, texts, ACCELERATOR)
    expected = gradients(model, padded)
    assert obstacle(model, ACCELERATOR) is None
    start_packing(model)
    packed = embed(model, texts, ACCELERATOR)
    found = gradients(model, packed)
    assert (padded @ padded.T - torch.eye(len(texts))).max() < 0.99  # texts are told apart, so that equal vectors say something
    assert torch.allclose(packed, padded, atol=1e-5)
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[name], expected[name], atol=1e-5, rtol=1e-4) for name in expected)
    assert torch.allclose(embed(model, texts, ACCELERATOR, packed=False), padded, atol=1e-6)  # padded texts keep their vectors in a model that packs


def test_rounding_in_bf16_is_no_obstacle(tmp_path: Path) -> None:
    in_bf16: Any = SimpleNamespace(device=torch.device("cpu"), autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    for name in ("all-MiniLM-L6-v2", str(modernbert_folder(tmp_path))):
        model = base_encoder(TrainingConfig(base_model=name, max_tokens=256), "cpu").model
        padded = embed(model, TEXTS, in_bf16)
        assert not torch.allclose(padded, embed(model, TEXTS, ACCELERATOR), atol=1e-5)  # it is bf16 that is asked about
        assert obstacle(model, in_bf16) is None
        start_packing(model)
        packed = embed(model, TEXTS, in_bf16)
        assert torch.allclose(torch.nn.functional.cosine_similarity(packed.float(), padded.float()), torch.ones(len(TEXTS)), atol=1e-3)


def test_a_prompt_that_does_not_count_is_left_out_of_the_vector(tmp_path: Path) -> None:
    prompts = {"query": "about sourdough: "}
    with_it, without = (
        base_encoder(TrainingConfig(base_model=str(modernbert_folder(tmp_path / str(counts), "mean", prompts, counts)), max_tokens=64), "cpu")
        for counts in (True, False)
    )
    text = "about sourdough: rye loaf"
    assert not torch.allclose(embed(with_it.model, [text], ACCELERATOR), embed(without.model, [text], ACCELERATOR), atol=1e-3)
    for encoder in (with_it, without):
        start_packing(encoder.model)
        asked = torch.tensor(encoder.encode_texts(["rye loaf"], "query"))
        assert torch.allclose(embed(encoder.model, [text, "roses"], ACCELERATOR)[:1], asked, atol=1e-5)


def test_no_text_sees_its_neighbours() -> None:
    model = load_base("all-MiniLM-L6-v2", 128, "cpu")
    start_packing(model)
    alone, beside, behind = (embed(model, texts, ACCELERATOR) for texts in (["rye"], ["rye", "roses in March"], ["roses in March", "rye"]))
    assert torch.allclose(alone[0], beside[0], atol=1e-6)
    assert torch.allclose(alone[0], behind[1], atol=1e-6)


def test_a_row_without_bounds_is_refused() -> None:
    model = load_base("all-MiniLM-L6-v2", 128, "cpu")
    with pytest.raises(ValueError, match="does not keep packed texts apart"):
        embed(model, ["rye", "roses"], ACCELERATOR, packed=True)


def test_the_bounds_that_flash_attention_takes_are_those_of_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_bounds(module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **settings: Any) -> tuple[Tensor, None]:
        bounds = settings["cu_seq_lens_q"]
        assert (bounds.dtype, settings["cu_seq_lens_k"] is bounds) == (torch.int32, True)
        assert settings["max_length_q"] == settings["max_length_k"] == int(bounds.diff().max())
        texts = zip(*(each.tensor_split(bounds[1:-1].long(), dim=2) for each in (query, key, value)), strict=True)
        return torch.cat([sdpa_attention_forward(module, *text, None)[0] for text in texts], dim=1), None

    model = load_base("all-MiniLM-L6-v2", 256, "cpu")
    padded = embed(model, TEXTS, ACCELERATOR)
    AttentionInterface.register("flash_by_bounds", by_bounds)
    model[0].auto_model.config._attn_implementation = "flash_by_bounds"
    assert not is_packing(model)
    start_packing(model)
    assert is_packing(model)
    assert torch.allclose(embed(model, TEXTS, ACCELERATOR), padded, atol=1e-5)


def test_positions_begin_behind_the_padding_index_in_robertas_family(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_path("all-MiniLM-L6-v2"))
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2, pad_token_id=0, initializer_range=0.2
    )
    torch.manual_seed(0)
    model = load_base(str(plain_folder(XLMRobertaModel(config), tokenizer, tmp_path)), 256, "cpu")
    assert first_position(model[0].auto_model) == 1
    padded = embed(model, TEXTS, ACCELERATOR)
    assert obstacle(model, ACCELERATOR) is None
    start_packing(model)
    assert torch.allclose(embed(model, TEXTS, ACCELERATOR), padded, atol=1e-5)


def test_a_model_whose_attention_counts_places_in_the_row_is_padded(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_path("all-MiniLM-L6-v2"))
    config = MPNetConfig(vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2, pad_token_id=0)
    folder = plain_folder(MPNetModel(config), tokenizer, tmp_path)
    check_it_is_padded(str(folder), "MPNetModel")


def test_a_pipeline_that_is_not_understood_is_padded(tmp_path: Path) -> None:
    weighted = [WeightedLayerPooling(384, num_hidden_layers=6), Pooling(384, "mean")]
    model = SentenceTransformer(modules=[Transformer(model_path("all-MiniLM-L6-v2"), config_kwargs={"output_hidden_states": True}), *weighted], device="cpu")
    assert "WeightedLayerPooling" in str(obstacle(model, ACCELERATOR))
    config = TrainingConfig(packing="packed")
    with pytest.raises(ConfigError, match=r"trainer\.packing 'packed': its modules after the transformer \(WeightedLayerPooling, Pooling\)"):
        choose_packing(model, config, ACCELERATOR)
    assert not choose_packing(model, TrainingConfig(), ACCELERATOR)


def check_it_is_padded(base: str, name: str) -> None:
    model = load_base(base, 256, "cpu")
    before = embed(model, TEXTS, ACCELERATOR)
    assert name in str(obstacle(model, ACCELERATOR))
    assert not choose_packing(model, TrainingConfig(), ACCELERATOR)
    assert not is_packing(model)
    with pytest.raises(ConfigError, match=rf"trainer\.packing 'packed': {name}"):
        choose_packing(model, TrainingConfig(packing="packed"), ACCELERATOR)
    assert torch.allclose(embed(model, TEXTS, ACCELERATOR), before, atol=1e-6)


def plain_folder(transformer: Any, tokenizer: Any, folder: Path) -> Path:
    """A folder of transformers alone, whose tokens are averaged."""
    transformer.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("settings", "device", "packs"),
    [
        ({}, "cpu", True),
        ({}, "cuda", False),
        ({"packing": "padded"}, "cpu", False),
        ({"packing": "packed"}, "cuda", True),
        ({"attention": "eager"}, "cpu", False),
    ],
)
def test_auto_packs_where_it_was_measured(settings: dict[str, Any], device: str, packs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_base("all-MiniLM-L6-v2", 64, "cpu")
    monkeypatch.setattr(packing, "obstacle", lambda model, accelerator: None)
    monkeypatch.setattr(Accelerator, "device", torch.device(device))
    assert choose_packing(model, TrainingConfig(**settings), ACCELERATOR) == is_packing(model) == packs


def test_dropout_does_not_speak_against_packing_and_is_left_on() -> None:
    model = load_base("all-MiniLM-L6-v2", 64, "cpu").train()
    assert obstacle(model, ACCELERATOR) is None
    assert all(module.training for module in model.modules())
    model = load_base("all-MiniLM-L6-v2", 64, "cpu").eval()
    assert obstacle(model, ACCELERATOR) is None
    assert not any(module.training for module in model.modules())


def test_a_finished_model_has_the_attention_of_its_base() -> None:
    model = load_base("all-MiniLM-L6-v2", 64, "cpu")
    start_packing(model)
    finish(model, TrainingConfig())
    assert not is_packing(model)
    assert model[0].auto_model.config._attn_implementation == "sdpa"


def test_neighbours_of_one_length_are_one_run() -> None:
    assert runs_of([5, 5, 2, 5]) == [(5, 2), (2, 1), (5, 1)]
    assert runs_of([]) == []


def test_vectors_come_in_the_order_of_the_texts() -> None:
    model = load_base("all-MiniLM-L6-v2", 64, "cpu")
    start_packing(model)
    features = model.preprocess(["rye", "a longer text about roses", "rye"])
    vectors = packed_vectors(model, features)
    assert torch.allclose(vectors[0], vectors[2], atol=1e-6)
    assert not torch.allclose(vectors[0], vectors[1], atol=1e-2)
