"""The mean of encoders' weights, on the real MiniLM: what it is, and which encoders have none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from conf.errors import EncoderError
from lake.encoder import CARD_FILE, Encoder, EncoderCard, content_files, encoder_version, load_encoder, save_encoder
from lake.examples import HeldOut
from tests.encoder_folders import modernbert_folder
from trainer.config import TrainingConfig
from trainer.merging import Part, merge, merged_card, shares_of
from trainer.student import base_encoder, base_of, content_version

SHARES = HeldOut(validation_share=0.15, test_share=0.25)
NEVER: Callable[[], Encoder] = lambda: pytest.fail("loaded")  # noqa: E731


def other(seed: int, **changes: Any) -> Encoder:
    """The base with noise in its weights, as if trained."""
    base = base_encoder(TrainingConfig(max_tokens=64), "cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in base.model.parameters():
            weights += 0.01 * torch.randn(weights.shape, generator=generator)
    card = base.card.model_copy(update={"trained_on": {"examples": 3, "items": 2}, "held_out": SHARES} | changes)
    return Encoder(base.model, card, content_version(base.model, card))


def part(name: str, encoder: Encoder, share: float) -> Part:
    return Part(name, encoder.version, share, encoder.card, lambda: encoder)


def weights(encoder: Encoder) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in encoder.model.state_dict().items()}


@pytest.fixture
def a() -> Encoder:
    return other(1)


@pytest.fixture
def b() -> Encoder:
    return other(2)


def test_the_merge_of_two_is_their_mean(a: Encoder, b: Encoder) -> None:
    before = weights(a), weights(b)
    merged = merge([part("a", a, 0.5), part("b", b, 0.5)])
    for name, tensor in merged.model.state_dict().items():
        assert torch.equal(tensor, (before[0][name] + before[1][name]) / 2), name
    assert merged.version not in (a.version, b.version)
    assert merged.card == a.card


def test_a_merge_met_the_platforms_of_all_its_parts_and_does_not_say_where_one_does_not() -> None:
    def platforms(*of_parts: list[str]) -> list[str]:
        base = EncoderCard(base_model="m", rendering_version="1", max_tokens=8)
        cards = [base.model_copy(update={"platforms": each, "held_out": SHARES, "trained_on": {"examples": 1}}) for each in of_parts]
        return merged_card([Part("", "", 0.5, card, NEVER) for card in (*cards, base)]).platforms

    assert platforms(["reddit", "takeout"], ["hackernews"]) == ["hackernews", "reddit", "takeout"]
    assert platforms(["reddit"], []) == platforms() == []


def test_shares_follow_weights_and_leave_the_rest_to_the_base(a: Encoder, b: Encoder) -> None:
    base = base_of(a)
    tensors = [weights(encoder) for encoder in (a, b, base)]
    shares = [*shares_of([3, 1], 0.2), 0.2]
    assert shares == pytest.approx([0.6, 0.2, 0.2])
    merged = merge([part(name, encoder, share) for name, encoder, share in zip("abc", (a, b, base), shares, strict=True)])
    for name, tensor in merged.model.state_dict().items():
        by_hand = sum(share * found[name].double() for share, found in zip((0.6, 0.2, 0.2), tensors, strict=True))
        assert torch.allclose(tensor.double(), by_hand, atol=1e-6), name
    assert merged.card == a.card


def test_the_merge_of_one_is_that_one(a: Encoder, tmp_path: Path) -> None:
    save_encoder(a.model, a.card, tmp_path)
    assert merge([Part("a", a.version, 1, a.card, lambda: load_encoder(tmp_path, "cpu"))]).version == a.version == encoder_version(tmp_path)


def test_the_base_of_an_encoder_is_the_one_that_it_was_trained_from(a: Encoder) -> None:
    base = base_encoder(TrainingConfig(max_tokens=64), "cpu")
    assert base_of(a, "cpu").version == base.version
    assert merge([part("base", base, 1)]).version == base.version


def test_the_base_of_an_encoder_makes_one_vector_of_tokens_as_it_does(tmp_path: Path) -> None:
    folder = modernbert_folder(tmp_path)  # which pools by its first token
    base = base_encoder(TrainingConfig(base_model=str(folder), max_tokens=64, pooling="mean", prompts={"query": "q: "}), "cpu")
    save_encoder(base.model, base.card.model_copy(update={"trained_on": {"examples": 1}, "held_out": SHARES}), tmp_path / "tuned")
    found = base_of(load_encoder(tmp_path / "tuned", "cpu"), "cpu")
    assert found.version == base.version
    assert np.allclose(found.encode_texts(["Rye loaf with caraway"], "query"), base.encode_texts(["Rye loaf with caraway"], "query"), atol=1e-6)


def test_a_merge_may_be_cut_to_what_all_of_it_may(a: Encoder) -> None:
    def card(*dimensions: int) -> EncoderCard:
        return a.card.model_copy(update={"dimensions": list(dimensions)})

    def merged(*cards: EncoderCard) -> list[int]:
        return merged_card([Part("", "", 0.5, card, NEVER) for card in cards]).dimensions

    assert merged(card(64, 128, 384), card(128, 384)) == [128, 384]
    assert merged(card(64, 384), base_of(Encoder(a.model, card(64, 384), "v")).card) == []


def test_temperatures_are_averaged_by_share_and_a_base_has_none() -> None:
    def card(temperature: float | None) -> EncoderCard:
        return EncoderCard(base_model="m", rendering_version="1", max_tokens=64, temperature=temperature)

    parts = [Part("", "", share, card(temperature), NEVER) for share, temperature in ((0.5, None), (0.375, 0.08), (0.125, 0.16))]
    assert merged_card(parts).temperature == pytest.approx(0.1)
    assert merged_card(parts[:1]).temperature is None


def test_of_each_table_the_newest_version_is_named_and_a_base_adds_none() -> None:
    def card(**trained_on: int) -> EncoderCard:
        return EncoderCard(base_model="m", rendering_version="1", max_tokens=64, trained_on=trained_on, held_out=SHARES if trained_on else None)

    merged = merged_card([Part("", "", 0.5, card(**tables), NEVER) for tables in ({}, {"examples": 3, "items": 9}, {"examples": 5, "items": 2})])
    assert merged.trained_on == {"examples": 5, "items": 9}
    assert merged.held_out == SHARES
    assert not merged.may_have_met_anybody


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_tokens": 128}, "a and b cannot be merged: max_tokens is 64 and 128"),
        ({"base_model": "n"}, "base_model is 'm' and 'n'"),
        ({"prompts": {"query": "q: "}}, "prompts is {} and {'query': 'q: '}"),
        ({"held_out": HeldOut(validation_share=0.1, test_share=0.25)}, "a and b cannot be merged: they held out different people .*validation_share=0.1"),
        ({"held_out": None}, "b cannot be merged: it does not say who was held out"),
    ],
)
def test_encoders_that_read_otherwise_or_met_others_are_told_before_one_is_loaded(changes: dict[str, Any], message: str) -> None:
    card = EncoderCard(base_model="m", rendering_version="1", max_tokens=64, trained_on={"examples": 1}, held_out=SHARES)
    parts = [Part("a", "1", 0.5, card, NEVER), Part("b", "2", 0.5, card.model_copy(update=changes), NEVER)]
    with pytest.raises(EncoderError, match=message):
        merge(parts)


def test_a_base_that_met_nobody_lets_the_others_shares_stand() -> None:
    base = EncoderCard(base_model="m", rendering_version="1", max_tokens=64)
    trained = base.model_copy(update={"trained_on": {"examples": 1}, "held_out": SHARES})
    for cards in ([base, trained], [trained, base]):
        assert merged_card([Part("", "", 0.5, card, NEVER) for card in cards]) == trained
    assert merged_card([Part("", "", 0.5, base, NEVER)] * 2) == base


def test_another_tokenizer_is_named(a: Encoder, b: Encoder) -> None:
    b.model.tokenizer.add_tokens(["zorvex"])
    with pytest.raises(EncoderError, match=r"a and b cannot be merged: tokenizer\.json.* differ"):
        merge([part("a", a, 0.5), part("b", b, 0.5)])


def test_another_architecture_is_named(a: Encoder, b: Encoder) -> None:
    b.model[0].auto_model.config.num_attention_heads = 6  # the same weights, read otherwise
    with pytest.raises(EncoderError, match=r"a and b cannot be merged: config\.json differ"):
        merge([part("a", a, 0.5), part("b", b, 0.5)])


def test_weights_of_another_shape_are_named(a: Encoder, b: Encoder) -> None:
    pooler = b.model[0].auto_model.pooler
    pooler.dense = torch.nn.Linear(384, 100)
    with pytest.raises(EncoderError, match=r"pooler\.dense\.bias is \(384,\) and \(100,\)"):
        merge([part("a", a, 0.5), part("b", b, 0.5)])
    b.model[0].auto_model.pooler = None
    with pytest.raises(EncoderError, match=r"pooler\.dense\.bias is \(384,\) and absent"):
        merge([part("a", a, 0.5), part("b", b, 0.5)])


def test_a_readme_changes_no_version(a: Encoder, tmp_path: Path) -> None:
    save_encoder(a.model, a.card, tmp_path)
    before = encoder_version(tmp_path)
    (tmp_path / "README.md").write_text("what it is")
    assert encoder_version(tmp_path) == before == a.version
    assert {"README.md", "model.safetensors", CARD_FILE} - set(content_files(tmp_path)) == {"README.md"}
