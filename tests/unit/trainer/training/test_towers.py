"""How texts are grouped by tokens, and that nobody's vector depends on the group."""

import torch
from accelerate import Accelerator

from trainer.config import TrainingConfig
from trainer.student import base_encoder
from trainer.training.towers import embed, token_batches

TEXTS = {7: "rye " * 10, 3: "rye", 5: "rye " * 4, 9: "rye rye"}
"""12, 3, 6 and 4 tokens with the two special ones."""


def test_padded_groups_count_the_longest_of_a_group() -> None:
    encoder = base_encoder(TrainingConfig(max_tokens=64), "cpu")
    assert token_batches(encoder, TEXTS, 18) == [[7], [5, 9, 3]]
    assert token_batches(encoder, TEXTS, 17) == [[7], [5, 9], [3]]
    assert token_batches(encoder, TEXTS, 1) == [[7], [5], [9], [3]]
    batches = token_batches(encoder, TEXTS, 18)
    assert (batches.real_tokens, batches.computed_tokens) == (25, 30)
    assert round(batches.padding_share, 3) == 0.167


def test_packed_groups_count_the_tokens_themselves() -> None:
    encoder = base_encoder(TrainingConfig(max_tokens=64), "cpu")
    assert token_batches(encoder, TEXTS, 18, packed=True) == [[7, 5], [9, 3]]
    assert token_batches(encoder, TEXTS, 22, packed=True) == [[7, 5, 9], [3]]
    assert token_batches(encoder, TEXTS, 2, packed=True) == [[7], [5], [9], [3]]
    batches = token_batches(encoder, TEXTS, 18, packed=True)
    assert (batches.real_tokens, batches.computed_tokens, batches.padding_share) == (25, 25, 0)


def test_a_text_past_the_budget_counts_as_it_is_cut() -> None:
    encoder = base_encoder(TrainingConfig(max_tokens=10), "cpu")
    assert token_batches(encoder, {0: "rye " * 500, 1: "rye"}, 20).computed_tokens == 20


def test_nothing_to_group() -> None:
    batches = token_batches(base_encoder(TrainingConfig(max_tokens=64), "cpu"), {}, 18)
    assert (batches, batches.padding_share) == ([], 0)


def test_vectors_have_unit_length_and_the_order_of_the_texts() -> None:
    encoder = base_encoder(TrainingConfig(max_tokens=64), "cpu")
    vectors = embed(encoder.model, list(TEXTS.values()), Accelerator(cpu=True))
    assert torch.allclose(vectors.norm(dim=1), torch.ones(4), atol=1e-6)
    assert torch.allclose(vectors, torch.tensor(encoder.encode_texts(list(TEXTS.values()), "query")), atol=1e-5)
