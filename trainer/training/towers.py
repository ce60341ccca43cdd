"""Texts -> vectors with gradients: how the words of both sides go through the model."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from accelerate import Accelerator
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import Tensor

from lake.encoder import Encoder
from trainer.training.masks import Numbers
from trainer.training.packing import is_packing, packed_vectors
from trainer.training.sharding import is_sharded, largest

STAND_IN = "a"
"""What goes through the model where there is no text, since others' do."""


def token_counts(encoder: Encoder, texts: Sequence[str]) -> Numbers:
    """Tokens of each text as it is encoded, shape (T,)."""
    return np.array([min(encoder.token_count(text), encoder.card.max_tokens) for text in texts], np.int64)


def embed(model: SentenceTransformer, texts: Sequence[str], accelerator: Accelerator, packed: bool | None = None) -> Tensor:
    """Unit-length vectors of texts (T, D) with their prompts, in float32 whatever the arithmetic. `packed`: in one row without padding; None as the model gets them.

    No texts go through the model too, and so does the gradient of their vectors (0, D), which is zero.
    """
    if not texts:
        return embed(model, [STAND_IN], accelerator, packed)[:0]
    packs = is_packing(model) if packed is None else packed
    groups = _by_prompt(model, texts)
    vectors = torch.cat([_vectors(model, [texts[row] for row in rows], prompt, accelerator, packs) for prompt, rows in groups.items()])
    in_order = torch.tensor([row for rows in groups.values() for row in rows], device=vectors.device).argsort()
    return torch.nn.functional.normalize(vectors[in_order].float(), dim=1)


def passes_together(model: SentenceTransformer, groups: list[list[int]], texts: Mapping[int, str], accelerator: Accelerator) -> list[list[int]]:
    """Groups of keys of texts as they go through the model: as they are. Where processes share the model they go as often as the one with most: each group with
    one prompt, and empty ones behind them."""
    if not is_sharded(model):
        return groups
    single = [[group[place] for place in places] for group in groups for places in _by_prompt(model, [texts[key] for key in group]).values()]
    return single + [[] for _ in range(largest(len(single), model, accelerator) - len(single))]


def _vectors(model: SentenceTransformer, texts: Sequence[str], prompt: str, accelerator: Accelerator, packed: bool) -> Tensor:
    """Vectors of texts that begin with one prompt (T, D)."""
    found = model.preprocess([text.removeprefix(prompt) for text in texts], prompt=prompt or None)
    features = {name: value.to(accelerator.device) for name, value in found.items() if isinstance(value, Tensor)}
    features |= {name: value for name, value in found.items() if name == "prompt_length"}
    with accelerator.autocast():
        return packed_vectors(model, features) if packed else model(features)["sentence_embedding"]


def _by_prompt(model: SentenceTransformer, texts: Sequence[str]) -> dict[str, list[int]]:
    """Places of texts by the longest of the model's prompts that they begin with; all by none where prompts count in a vector like other words."""
    if all(each.include_prompt for each in model if isinstance(each, Pooling)):
        return {"": list(range(len(texts)))}
    prompts = [prompt for prompt in model.prompts.values() if prompt]
    groups: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        groups.setdefault(max(filter(text.startswith, prompts), key=len, default=""), []).append(place)
    return groups
