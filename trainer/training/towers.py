"""Texts -> vectors with gradients: how the words of both sides go through the model."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from accelerate import Accelerator
from sentence_transformers import SentenceTransformer
from torch import Tensor

from lake.encoder import Encoder
from trainer.training.masks import Numbers


def token_counts(encoder: Encoder, texts: Sequence[str]) -> Numbers:
    """Tokens of each text as it is encoded, shape (T,)."""
    return np.array([min(encoder.token_count(text), encoder.card.max_tokens) for text in texts], np.int64)


def token_batches(lengths: Mapping[int, int], tokens_per_forward: int) -> list[list[int]]:
    """Keys of texts by their tokens, longest text first, in groups of at most `tokens_per_forward` padded tokens; a longer text stands alone."""
    groups: list[list[int]] = []
    for row in sorted(lengths, key=lambda row: (-lengths[row], row)):
        if not groups or (len(groups[-1]) + 1) * lengths[groups[-1][0]] > tokens_per_forward:
            groups.append([])
        groups[-1].append(row)
    return groups


def padded_tokens(lengths: Sequence[int]) -> int:
    """Tokens that go through the model for a group of texts with these tokens each, padding included."""
    return len(lengths) * max(lengths, default=0)


def embed(model: SentenceTransformer, texts: Sequence[str], accelerator: Accelerator) -> Tensor:
    """Unit-length vectors of texts (T, D), in float32 whatever the arithmetic."""
    features = {name: value.to(accelerator.device) for name, value in model.preprocess(list(texts)).items() if isinstance(value, Tensor)}
    with accelerator.autocast():
        vectors = model(features)["sentence_embedding"]
    return torch.nn.functional.normalize(vectors.float(), dim=1)
