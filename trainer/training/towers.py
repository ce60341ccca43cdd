"""Texts -> vectors with gradients: how the words of both sides go through the model."""

from collections.abc import Mapping, Sequence

import torch
from accelerate import Accelerator
from sentence_transformers import SentenceTransformer
from torch import Tensor

from lake.encoder import Encoder


def token_batches(encoder: Encoder, texts: Mapping[int, str], tokens_per_forward: int) -> list[list[int]]:
    """Keys of texts, longest text first, in groups of at most `tokens_per_forward` padded tokens; a longer text stands alone."""
    lengths = {row: min(encoder.token_count(text), encoder.card.max_tokens) for row, text in texts.items()}
    groups: list[list[int]] = []
    for row in sorted(texts, key=lambda row: (-lengths[row], row)):
        if not groups or (len(groups[-1]) + 1) * lengths[groups[-1][0]] > tokens_per_forward:
            groups.append([])
        groups[-1].append(row)
    return groups


def embed(model: SentenceTransformer, texts: Sequence[str], accelerator: Accelerator) -> Tensor:
    """Unit-length vectors of texts (T, D), in float32 whatever the arithmetic."""
    features = {name: value.to(accelerator.device) for name, value in model.preprocess(list(texts)).items() if isinstance(value, Tensor)}
    with accelerator.autocast():
        vectors = model(features)["sentence_embedding"]
    return torch.nn.functional.normalize(vectors.float(), dim=1)
