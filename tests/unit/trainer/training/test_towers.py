"""How texts are grouped by tokens, and that nobody's vector depends on the group."""

import torch
from accelerate import Accelerator

from lake.token_batches import computed_tokens, token_batches
from trainer.config import TrainingConfig
from trainer.student import base_encoder
from trainer.training.towers import embed, token_counts

TEXTS = {7: "rye " * 10, 3: "rye", 5: "rye " * 4, 9: "rye rye"}
LENGTHS = {7: 12, 3: 3, 5: 6, 9: 4}


def test_tokens_are_counted_as_they_are_encoded_and_cut() -> None:
    encoder = base_encoder(TrainingConfig(max_tokens=10), "cpu")
    assert token_counts(encoder, list(TEXTS.values())).tolist() == [10, 3, 6, 4]
    assert token_counts(encoder, []).tolist() == []


def test_padded_groups_count_the_longest_of_a_group() -> None:
    assert token_batches(LENGTHS, 18) == [[7], [5, 9, 3]]
    assert token_batches(LENGTHS, 17) == [[7], [5, 9], [3]]
    assert token_batches(LENGTHS, 1) == [[7], [5], [9], [3]]
    assert computed_tokens([6, 4, 3]) == 18
    assert (token_batches({}, 18), computed_tokens([])) == ([], 0)


def test_packed_groups_count_the_tokens_themselves() -> None:
    assert token_batches(LENGTHS, 18, packed=True) == [[7, 5], [9, 3]]
    assert token_batches(LENGTHS, 22, packed=True) == [[7, 5, 9], [3]]
    assert token_batches(LENGTHS, 2, packed=True) == [[7], [5], [9], [3]]
    assert computed_tokens([6, 4, 3], packed=True) == 13


def test_vectors_have_unit_length_and_the_order_of_the_texts() -> None:
    encoder = base_encoder(TrainingConfig(max_tokens=64), "cpu")
    vectors = embed(encoder.model, list(TEXTS.values()), Accelerator(cpu=True))
    assert torch.allclose(vectors.norm(dim=1), torch.ones(4), atol=1e-6)
    assert torch.allclose(vectors, torch.tensor(encoder.encode_texts(list(TEXTS.values()), "query")), atol=1e-5)
