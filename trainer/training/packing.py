"""Texts of different lengths as one row without padding, where a model's attention can be kept within each text.

Follows "Attention interface" in the documentation of transformers: an attention function is registered under a name of ours, and models that look it
up there hand through to it where texts begin and end. With FlashAttention the model's own one is kept, which takes the bounds of texts itself.
"""

import inspect
import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import groupby
from typing import Any

import torch
from accelerate import Accelerator
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import Tensor, nn

from conf.errors import ConfigError
from trainer.config import TrainingConfig

logger = logging.getLogger(__name__)

ATTENTION = "kindred_packed"
"""Name of our attention function among those of transformers."""
Run = tuple[int, int]
"""Neighbouring texts of one length in a row: tokens of each, how many."""
_MARK = "kindred_packs"
"""Attribute of a model with FlashAttention that gets texts packed; others are known by their attention function."""


def choose_packing(model: SentenceTransformer, config: TrainingConfig, accelerator: Accelerator) -> bool:
    """Whether the model gets texts packed from here on. Raises ConfigError where it is asked to and cannot.

    auto packs on a CPU, as measured (benchmarks/RESULTS.md), and on a GPU with FlashAttention.
    """
    cheaper = uses_flash(model) or accelerator.device.type == "cpu"
    if config.packing == "padded" or config.attention == "eager" or (config.packing == "auto" and not cheaper):
        return False
    reason = obstacle(model, accelerator)
    if reason and config.packing == "packed":
        raise ConfigError(f"trainer.packing 'packed': {reason}; set it to 'auto' or 'padded'")
    if reason:
        logger.info("texts are padded: %s", reason)
        return False
    start_packing(model)
    return True


def is_packing(model: SentenceTransformer) -> bool:
    """Whether the model gets texts packed."""
    return _attention(model) == ATTENTION or (uses_flash(model) and getattr(model, _MARK, False))


def start_packing(model: SentenceTransformer) -> None:
    """Let the model get texts packed; padded ones keep their vectors. Raises ValueError where its attention cannot be replaced."""
    if uses_flash(model):
        setattr(model, _MARK, True)
        return
    _register()
    _transformer(model).set_attn_implementation(ATTENTION)
    if _attention(model) != ATTENTION:
        raise ValueError(f"{type(_transformer(model)).__name__} has an attention of its own")


def uses_flash(model: SentenceTransformer) -> bool:
    """Whether the model's attention is FlashAttention."""
    return "flash" in _attention(model)


def obstacle(model: SentenceTransformer, accelerator: Accelerator) -> str | None:
    """Why this model cannot take texts packed; None where it can, which is tried: the same vectors, packed or padded."""
    first, *others = model
    if not isinstance(first, Transformer) or first.transformer_task != "feature-extraction":
        return f"its first module is {type(first).__name__}"
    if not others or not isinstance(others[0], Pooling) or not all(_is_after_pooling(each) for each in others[1:]):
        return f"its modules after the transformer ({', '.join(type(each).__name__ for each in others)}) are not a pooling and what changes one vector"
    parameters = inspect.signature(first.auto_model.forward).parameters
    if "position_ids" not in parameters or not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return f"{type(first.auto_model).__name__} takes no positions, or no bounds of texts"
    if not set(getattr(first.config, "layer_types", None) or []) <= {"full_attention", "sliding_attention"}:
        return f"{type(first.auto_model).__name__} has layers that are not attention"
    return _difference(model, accelerator)


def packed_vectors(model: SentenceTransformer, features: Mapping[str, Any]) -> Tensor:
    """Vectors (T, D) of padded features, computed in one row without padding, in the order of the texts."""
    mask = features["attention_mask"].bool()
    lengths = mask.sum(dim=1)
    positions = (mask.cumsum(dim=1) - 1)[mask] + first_position(_transformer(model))
    bounds = nn.functional.pad(lengths.cumsum(dim=0), (1, 0)).to(torch.int32)
    row = {"input_ids": features["input_ids"][mask].unsqueeze(0), "position_ids": positions.unsqueeze(0), "attention_mask": None}
    hidden = _transformer(model)(**row, **_bounds(model, lengths, bounds)).last_hidden_state
    found = {"token_embeddings": hidden, "cu_seq_lens_q": bounds} | {name: value for name, value in features.items() if name == "prompt_length"}
    for module in list(model)[1:]:
        found = module(found)
    return found["sentence_embedding"]


def runs_of(lengths: Sequence[int]) -> list[Run]:
    """Neighbours of one length, in order."""
    return [(length, len(list(group))) for length, group in groupby(lengths)]


def first_position(transformer: Any) -> int:
    """The position of a text's first token: 0, but behind the padding index in RoBERTa's family."""
    for module in transformer.modules():
        padding = getattr(module, "padding_idx", None)
        if isinstance(padding, int) and isinstance(getattr(module, "position_embeddings", None), nn.Embedding):
            return padding + 1
    return 0


def attend_within_texts(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, sliding_window: int | None = None,
    runs: Sequence[Run] | None = None, **settings: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Attention of each text of a packed row within itself, (1, L, H, d), of query (1, H, L, d), key and value alike. Without `runs` as sdpa has it.

    `sliding_window`: how far apart two tokens may not be, as FlashAttention's integration in transformers counts.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if runs is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
    causal = settings.pop("is_causal", None)
    causal = getattr(module, "is_causal", True) if causal is None else causal
    parts = []
    # one split: its gradient is put together once, where each slice has a gradient as long as the row
    of_runs = (each[0].split([length * count for length, count in runs], dim=1) for each in (query, key, value))
    for (length, count), *of_run in zip(runs, *of_runs, strict=True):
        own_query, own_key, own_value = (each.unflatten(1, (count, length)).transpose(0, 1) for each in of_run)
        window = _window(length, sliding_window, causal, query.device) if sliding_window is not None and length > sliding_window else None
        found, _ = sdpa_attention_forward(module, own_query, own_key, own_value, window, is_causal=causal, **settings)
        parts.append(found.flatten(0, 1))
    return torch.cat(parts).unsqueeze(0), None


def _window(length: int, reach: int, causal: bool, device: torch.device) -> Tensor:
    """Which tokens see which, (1, 1, length, length): those nearer than `reach`, and none behind itself where causal."""
    places = torch.arange(length, device=device)
    apart = places[:, None] - places[None, :]
    return ((apart < reach) & (apart >= 0) if causal else apart.abs() < reach)[None, None]


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(ATTENTION, attend_within_texts)
    AttentionMaskInterface.register(ATTENTION, _padding_mask)


def _padding_mask(attention_mask: Tensor | None = None, **settings: Any) -> Tensor | None:
    """The mask of padded texts as sdpa has it; packed ones have none."""
    from transformers.masking_utils import sdpa_mask

    return None if attention_mask is None else sdpa_mask(attention_mask=attention_mask, **settings)


def _bounds(model: SentenceTransformer, lengths: Tensor, bounds: Tensor) -> dict[str, Any]:
    """Where texts begin and end, in the words of the model's attention function. Raises ValueError where it would let texts see each other."""
    if not is_packing(model):
        raise ValueError(f"attention {_attention(model)!r} does not keep packed texts apart; start_packing comes first")
    if _attention(model) == ATTENTION:
        return {"runs": runs_of(lengths.tolist())}
    longest = int(lengths.max())
    return {"cu_seq_lens_q": bounds, "cu_seq_lens_k": bounds, "max_length_q": longest, "max_length_k": longest}


def _transformer(model: SentenceTransformer) -> Any:
    return model[0].auto_model


def _attention(model: SentenceTransformer) -> str:
    """Name of the model's attention among those of transformers."""
    return str(_transformer(model).config._attn_implementation or "")


def _is_after_pooling(module: nn.Module) -> bool:
    return isinstance(module, Dense | Normalize) and module.module_input_name == module.module_output_name == "sentence_embedding"


def _difference(model: SentenceTransformer, accelerator: Accelerator) -> str | None:
    """What is found where short texts, and one longer than a local window, are embedded packed and padded; None where they have the same vectors.

    In float32, where the two ways differ by rounding alone; FlashAttention cannot compute in it.
    """
    before, modes = _attention(model), [(module, module.training) for module in model.modules()]
    model.eval()  # dropout would draw other numbers for a row
    window = getattr(model[0].config, "sliding_window", None) or 0
    texts = ["word " * count for count in (3, min(2 * window + 40, model.max_seq_length or 40), 12)]
    features = {name: value.to(accelerator.device) for name, value in model.preprocess(texts).items() if isinstance(value, Tensor)}
    arithmetic = accelerator.autocast() if uses_flash(model) else nullcontext()
    try:
        with torch.no_grad(), arithmetic:
            padded = model(dict(features))["sentence_embedding"]
            start_packing(model)
            packed = packed_vectors(model, features)
    except (ValueError, TypeError, RuntimeError, KeyError, AttributeError) as error:
        return f"{type(_transformer(model)).__name__} does not take a packed row ({type(error).__name__}: {error})"
    finally:
        _transformer(model).set_attn_implementation(before)
        setattr(model, _MARK, False)
        for module, trains in modes:
            module.training = trains
    apart = float((nn.functional.normalize(padded.float()) - nn.functional.normalize(packed.float())).abs().max())
    allowed = 1e-4 if packed.dtype == torch.float32 else 0.05
    return None if apart <= allowed else f"{type(_transformer(model)).__name__} gives other vectors packed than padded (apart by {apart:.2g})"
