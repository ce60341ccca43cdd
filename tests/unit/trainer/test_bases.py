"""What a base brings with it (prompts, pooling, a chat template) and what the settings say instead."""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from conf.errors import ConfigError, EncoderError
from lake.encoder import Encoder, EncoderCard, load_encoder, save_encoder
from lake.examples import KINDS, Side
from lake.rendering import RENDERING_VERSION
from tests.encoder_folders import CHAT, modernbert_folder, qwen3_folder
from tests.planted_people import history_unit
from trainer.config import TrainingConfig
from trainer.student import base_encoder, load_base, sided_prompts, student_encoder

SHIPPED = {"query": "Instruct: find items\nQuery: ", "document": "item: "}
SIDED = {"query": SHIPPED["query"], "specific": "item: ", "broad": "item: ", "title": "item: ", "catalogue": "item: "}
TEXTS = ["Sourdough starter smells odd", "Rye loaf with caraway"]


def base(folder: Path, **settings: Any) -> Encoder:
    return base_encoder(TrainingConfig(base_model=str(folder), **{"max_tokens": 64} | settings), "cpu")


def test_a_base_is_asked_with_the_prompts_that_it_ships(tmp_path: Path) -> None:
    shipping, bare = base(qwen3_folder(tmp_path / "a", prompts=SHIPPED)), base(qwen3_folder(tmp_path / "b"))
    assert shipping.card.prompts == SIDED
    assert bare.card.prompts == {}
    asked = bare.encode_texts([SHIPPED["query"] + text for text in TEXTS], "query")
    assert np.allclose(shipping.encode_texts(TEXTS, "query"), asked, atol=1e-6)
    for kind in KINDS:
        assert np.allclose(shipping.encode_texts(TEXTS, kind), bare.encode_texts([f"item: {text}" for text in TEXTS], kind), atol=1e-6)
    assert np.allclose(shipping.encode_items(TEXTS, None), shipping.encode_texts(TEXTS, "catalogue"), atol=1e-6)


@pytest.mark.parametrize(
    ("shipped", "default", "found"),
    [
        ({"query": "query: ", "passage": "passage: "}, None, ("query: ", "passage: ")),
        ({"search_query": "q: ", "search_document": "d: "}, None, ("q: ", "d: ")),
        ({"query": "Represent: "}, "query", ("Represent: ", "")),
        ({"STS": "same: "}, "STS", ("same: ", "same: ")),
        ({"STS": "same: "}, None, None),
    ],
)
def test_prompts_are_found_under_the_names_that_bases_give_them(shipped: dict[str, str], default: str | None, found: Any, tmp_path: Path) -> None:
    prompts = base(qwen3_folder(tmp_path, prompts=shipped, default_prompt=default)).card.prompts
    assert prompts == ({} if found is None else {"query": found[0], **dict.fromkeys(KINDS, found[1])})


def test_a_default_prompt_is_not_set_before_texts_once_more(tmp_path: Path) -> None:
    shipping = base(qwen3_folder(tmp_path / "a", prompts={"STS": "same: "}, default_prompt="STS"))
    without = base(qwen3_folder(tmp_path / "a", prompts={"STS": "same: "}, default_prompt="STS"), prompts={})
    bare = base(qwen3_folder(tmp_path / "b"))
    assert np.allclose(shipping.encode_texts(TEXTS, "query"), bare.encode_texts([f"same: {text}" for text in TEXTS], "query"), atol=1e-6)
    assert np.allclose(without.encode_texts(TEXTS, "query"), bare.encode_texts(TEXTS, "query"), atol=1e-6)


def test_an_encoder_whose_card_says_nothing_gets_no_prompt_of_its_models(tmp_path: Path) -> None:
    model = load_base(str(qwen3_folder(tmp_path, prompts={"STS": "same: "}, default_prompt="STS")), 64, "cpu")
    encoder = Encoder(model, EncoderCard(base_model="m", rendering_version=RENDERING_VERSION, max_tokens=64), "v")
    assert np.allclose(encoder.encode_texts(TEXTS, "query"), model.encode(TEXTS, prompt="", normalize_embeddings=True), atol=1e-6)
    assert not np.allclose(encoder.encode_texts(TEXTS, "query"), model.encode(TEXTS, normalize_embeddings=True), atol=1e-2)


def test_settings_say_all_prompts_and_the_folder_says_them_too(tmp_path: Path) -> None:
    encoder = base(qwen3_folder(tmp_path / "a", prompts=SHIPPED), prompts={"query": "who: ", "specific": "what: "})
    assert encoder.card.prompts == {"query": "who: ", "specific": "what: ", "broad": "", "title": "what: ", "catalogue": "what: "}
    save_encoder(encoder.model, encoder.card, tmp_path / "saved")
    loaded = load_encoder(tmp_path / "saved", "cpu")
    assert loaded.version == encoder.version
    assert np.allclose(loaded.encode_texts(TEXTS, "query"), loaded.model.encode_query(TEXTS, normalize_embeddings=True), atol=1e-6)
    assert np.allclose(loaded.encode_texts(TEXTS, "specific"), loaded.model.encode_document(TEXTS, normalize_embeddings=True), atol=1e-6)


def test_sides_of_the_settings_are_those_of_the_card() -> None:
    assert set(get_args(Side)) == {"query", *KINDS}
    TrainingConfig(prompts=dict.fromkeys(get_args(Side), "x: "))
    with pytest.raises(ValidationError, match="prompts"):
        TrainingConfig(prompts={"document": "x: "})  # type: ignore[dict-item]


def test_nothing_is_noted_where_all_prompts_are_empty() -> None:
    assert sided_prompts({"query": "", "specific": ""}) == {}


def test_a_history_leaves_room_for_the_prompt(tmp_path: Path) -> None:
    history = [history_unit(f"u{number}", number, "rye loaf and roses") for number in range(60)]
    shipping, bare = base(qwen3_folder(tmp_path / "a", prompts=SHIPPED)), base(qwen3_folder(tmp_path / "b"))
    (text, count), (_, more) = shipping.history_text(history), bare.history_text(history)
    assert 0 < count < more
    assert shipping.token_count(SHIPPED["query"] + text) <= 64


def test_a_chat_template_does_not_stand_around_the_words(tmp_path: Path) -> None:
    encoder = base(qwen3_folder(tmp_path / "base"))
    assert encoder.model.tokenizer.chat_template == CHAT
    assert encoder.model.preprocess(["rye"])["input_ids"].tolist() == [encoder.model.tokenizer("rye")["input_ids"]]
    save_encoder(encoder.model, encoder.card, tmp_path / "saved")
    loaded = load_encoder(tmp_path / "saved", "cpu")
    assert np.allclose(loaded.encode_texts(TEXTS, "query"), encoder.encode_texts(TEXTS, "query"), atol=1e-6)
    assert loaded.model.preprocess(["rye"])["input_ids"].shape[1] == loaded.token_count("rye")


@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_the_last_token_of_a_causal_base_is_the_end_of_the_text(padding_side: str, tmp_path: Path) -> None:
    encoder = base(qwen3_folder(tmp_path, padding_side), max_tokens=16)
    ids = encoder.model.preprocess(["rye " * 40])["input_ids"][0]
    assert (len(ids), int(ids[-1])) == (16, encoder.model.tokenizer.eos_token_id)
    both, alone = encoder.encode_texts(["rye", "Sourdough starter smells odd"], "query"), encoder.encode_texts(["rye"], "query")
    assert np.allclose(both[:1], alone, atol=1e-5)
    assert np.abs(both[0] - both[1]).max() > 0.05


@pytest.mark.parametrize(("pooling", "same_as"), [("auto", "cls"), ("mean", "mean"), ("last", "lasttoken"), ("cls", "cls")])
def test_pooling_is_the_folders_unless_set(pooling: str, same_as: str, tmp_path: Path) -> None:
    encoder = base(modernbert_folder(tmp_path / "base"), pooling=pooling)
    expected = base(modernbert_folder(tmp_path / "expected", same_as))
    assert np.allclose(encoder.encode_texts(TEXTS, "query"), expected.encode_texts(TEXTS, "query"), atol=1e-6)
    save_encoder(encoder.model, encoder.card, tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "1_Pooling" / "config.json").read_text())["pooling_mode"] == same_as


def test_attention_computes_as_it_is_set_and_the_vectors_are_the_same(tmp_path: Path) -> None:
    folder = modernbert_folder(tmp_path)
    eager, usual = base(folder, attention="eager"), base(folder)
    assert eager.model[0].auto_model.config._attn_implementation == "eager"
    assert usual.model[0].auto_model.config._attn_implementation == "sdpa"
    assert np.allclose(eager.encode_texts(TEXTS, "query"), usual.encode_texts(TEXTS, "query"), atol=1e-5)
    assert eager.version == usual.version


def test_the_card_names_the_sizes_that_are_trained_and_one_too_many_is_told_before_training(tmp_path: Path) -> None:
    folder = str(modernbert_folder(tmp_path / "base"))  # 64 numbers a vector
    assert student_encoder(TrainingConfig(base_model=folder, max_tokens=64, matryoshka=[32, 16]), "cpu").card.dimensions == [16, 32, 64]
    assert student_encoder(TrainingConfig(base_model=folder, max_tokens=64), "cpu").card.dimensions == []
    with pytest.raises(ConfigError, match=r"trainer\.matryoshka: 65 is more than the 64 numbers of the vectors"):
        student_encoder(TrainingConfig(base_model=folder, max_tokens=64, matryoshka=[65]), "cpu")


def test_vectors_of_a_size_that_the_card_does_not_name_are_refused(tmp_path: Path) -> None:
    encoder = student_encoder(TrainingConfig(base_model=str(modernbert_folder(tmp_path)), max_tokens=64, matryoshka=[16]), "cpu")
    encoder.model.truncate_dim = 16
    cut = Encoder(encoder.model, encoder.card, "v").encode_texts(TEXTS, "query")
    assert cut.shape == (2, 16)
    assert np.allclose(np.linalg.norm(cut, axis=1), 1, atol=1e-6)
    encoder.model.truncate_dim = 20
    with pytest.raises(EncoderError, match=r"encoder v gives vectors of 20 numbers, and its card says 16, 64"):
        Encoder(encoder.model, encoder.card, "v")


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is said where there is no GPU")
def test_flash_attention_is_for_training_alone_and_named_where_it_cannot_be_had(tmp_path: Path) -> None:
    folder = modernbert_folder(tmp_path)
    assert np.isfinite(base(folder, attention="flash_attention_2", precision="bf16").encode_texts(TEXTS, "query")).all()
    with pytest.raises(ConfigError, match=r"trainer\.attention 'flash_attention_2': ModernBertModel cannot have it here"):
        student_encoder(TrainingConfig(base_model=str(folder), attention="flash_attention_2", precision="bf16"), "cpu")


@pytest.mark.parametrize("settings", [{"attention": "flash_attention_2", "precision": "full"}, {"attention": "eager", "packing": "packed"}])
def test_settings_that_cannot_go_together_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"flash_attention_2"):
        TrainingConfig(**settings)


def test_rotary_positions_reach_as_far_as_the_base_was_made_for(tmp_path: Path) -> None:
    folder = modernbert_folder(tmp_path)
    assert base(folder, max_tokens=8192).model.max_seq_length == 8192
    with pytest.raises(ConfigError, match=r"trainer\.max_tokens 16384: modernbert takes 8192 tokens"):
        base(folder, max_tokens=16384)
    assert base(qwen3_folder(tmp_path / "q"), max_tokens=16384).model.max_seq_length == 16384


def test_a_pooling_that_cannot_be_replaced_is_named(tmp_path: Path) -> None:
    folder = modernbert_folder(tmp_path)
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps(json.loads(pooling.read_text()) | {"pooling_mode": ["cls", "mean"]}))
    with pytest.raises(ConfigError, match=r"trainer\.pooling 'mean': .* does not make one vector by one pooling"):
        base(folder, pooling="mean")
