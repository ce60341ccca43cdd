"""The student before training: a sentence encoder whose positions reach the configured number of tokens, with the prompts and pooling that are asked for."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn
from transformers.utils import is_flash_attn_2_available

from conf.errors import ConfigError
from lake.encoder import Encoder, EncoderCard, encoder_version, load_model, save_encoder
from lake.examples import KINDS, Side
from lake.models import model_path
from lake.rendering import RENDERING_VERSION
from trainer.adapters import add_adapters, merge_adapters
from trainer.config import TrainingConfig
from trainer.fingerprint import uses_bf16

QUERY_PROMPTS, ANSWER_PROMPTS = ("query", "search_query"), ("document", "passage", "corpus", "search_document")
"""Names under which bases ship the prompts of the two sides; the first that says something counts."""
POOLING_MODES = {"mean": "mean", "cls": "cls", "last": "lasttoken"}


def base_encoder(config: TrainingConfig, device: str | None = None) -> Encoder:
    """The untouched base as an encoder, on the same rendering, prompts, pooling and token budget as what is trained from it."""
    model, card = _base(config, device)
    return Encoder(model, card, content_version(model, card))


def _base(config: TrainingConfig, device: str | None) -> tuple[SentenceTransformer, EncoderCard]:
    model = load_base(config.base_model, config.max_tokens, device, _usual_attention(config))
    set_pooling(model, config)
    prompts = sided_prompts(config.prompts if config.prompts is not None else shipped_prompts(model))
    set_prompts(model, prompts)
    card = EncoderCard(
        base_model=config.base_model, rendering_version=RENDERING_VERSION, max_tokens=config.max_tokens, own_chars=config.own_chars,
        context_chars=config.context_chars, prompts=prompts, query_format=config.query_format,
    )  # fmt: skip
    return model, card


def base_of(encoder: Encoder, device: str | None = None) -> Encoder:
    """The untouched base of an encoder, which reads the same texts and makes a vector of tokens as it does. Raises ConfigError as `load_base` does."""
    weights = encoder.card.popularity_weights_of_base
    own = encoder.card.model_copy(
        update={"temperature": None, "popularity_weights": weights, "trained_on": {}, "platforms": [], "held_out": None, "dimensions": []}
    )
    model = load_base(own.base_model, own.max_tokens, device)
    for pooling, of_encoder in zip(_poolings(model), _poolings(encoder.model), strict=False):
        pooling.pooling_mode = of_encoder.pooling_mode
    set_prompts(model, own.prompts)
    return Encoder(model, own, content_version(model, own))


def _poolings(model: SentenceTransformer) -> list[Any]:
    return [module for module in model if isinstance(module, Pooling)]


def student_encoder(config: TrainingConfig, device: str | None = None) -> Encoder:
    """The base as it goes into training: adapters where they alone are trained, and the attention that training computes with. `finish` takes both away.

    Its card names the sizes to which the trained vectors may be cut, and it has no version yet: its weights are about to change. Raises ConfigError for a size
    that is more than the vectors have.
    """
    encoder = with_sizes(Encoder(*_base(config, device), version="in training"), config.matryoshka)
    transformer: Any = encoder.model[0].auto_model
    if config.lora_rank is not None:
        add_adapters(encoder.model, config, config.lora_rank)
    wanted = config.attention == "flash_attention_2"
    if wanted or (config.attention == "auto" and uses_bf16(config) and transformer.device.type == "cuda" and is_flash_attn_2_available()):
        try:
            transformer.set_attn_implementation("flash_attention_2")
        except (ImportError, ValueError) as error:
            if wanted:
                raise ConfigError(f"trainer.attention 'flash_attention_2': {type(transformer).__name__} cannot have it here ({error})") from None
    return encoder


def with_sizes(encoder: Encoder, sizes: Sequence[int]) -> Encoder:
    """The encoder with a card that says to which sizes its vectors may be cut; without any, as it is. Raises ConfigError for one that is more than they have."""
    if max(sizes, default=0) > encoder.dimension:
        raise ConfigError(
            f"trainer.matryoshka: {max(sizes)} is more than the {encoder.dimension} numbers of the vectors of {encoder.card.base_model!r}; "
            "leave it out, or choose another trainer.base_model"
        )
    dimensions = sorted({*sizes, encoder.dimension}) if sizes else []
    return Encoder(encoder.model, encoder.card.model_copy(update={"dimensions": dimensions}), encoder.version)


def finish(model: SentenceTransformer, config: TrainingConfig) -> None:
    """Make a plain model of one that was trained, in place: adapters merged into its weights, attention as the base has it."""
    merge_adapters(model)
    transformer: Any = model[0].auto_model
    transformer.set_attn_implementation(_usual_attention(config))


def _usual_attention(config: TrainingConfig) -> str | None:
    """The attention outside of training, where vectors are computed in float32; None is the model's own choice."""
    return config.attention if config.attention in ("sdpa", "eager") else None


def load_base(name: str, max_tokens: int, device: str | None = None, attention: str | None = None) -> SentenceTransformer:
    """A sentence encoder that takes `max_tokens` tokens. Raises ConfigError where there is none, it cannot be extended, or does not say where tokens begin."""
    path = model_path(name)
    try:
        model = load_model(path, device, attention)
    except (OSError, ValueError) as error:
        raise ConfigError(f"trainer.base_model {name!r}: no sentence encoder could be loaded from {path} ({error})") from None
    if not getattr(model.tokenizer, "is_fast", False):
        raise ConfigError(
            f"trainer.base_model {name!r}: its tokenizer ({type(model.tokenizer).__name__}) does not say where in a text its tokens begin, which histories "
            "are cut by; choose a base with a tokenizer.json"
        )
    read_plain_text(model)
    extend_positions(model, max_tokens)
    model.max_seq_length = max_tokens
    return model


def read_plain_text(model: SentenceTransformer) -> None:
    """Let texts be read as they are, in place, where the library would put them into the chat template that a tokenizer happens to have.

    Encoders made of chat models keep its template; it was no part of their training, and histories are cut by tokens that do not count it.
    """
    transformer: Any = model[0]
    modalities = getattr(transformer, "modality_config", {})
    if "text" in modalities and "message" in modalities:
        transformer.modality_config = {name: each for name, each in modalities.items() if name != "message"}
        transformer.input_formatter.supported_modalities = list(transformer.modality_config)


def set_pooling(model: SentenceTransformer, config: TrainingConfig) -> None:
    """Let tokens become one vector as the settings say, in place. Raises ConfigError where the base has no pooling of one vector that could be replaced."""
    if config.pooling == "auto":
        return
    found = _poolings(model)
    if len(found) != 1 or not isinstance(found[0].pooling_mode, str):
        raise ConfigError(f"trainer.pooling {config.pooling!r}: {config.base_model!r} does not make one vector by one pooling; set it to 'auto'")
    found[0].pooling_mode = POOLING_MODES[config.pooling]


def shipped_prompts(model: SentenceTransformer) -> dict[Side, str]:
    """The prompts that a base's folder has for a query and for what answers it; its default one on both sides where it has neither."""
    query, answer = (next((found for name in names if (found := model.prompts.get(name))), "") for names in (QUERY_PROMPTS, ANSWER_PROMPTS))
    if not query and not answer:
        query = answer = model.prompts.get(model.default_prompt_name or "") or ""
    return {"query": query, "specific": answer, "broad": answer}


def sided_prompts(prompts: Mapping[Side, str]) -> dict[Side, str]:
    """A prompt for each side, titles and an app's own items like specific labels unless given; nothing where all are empty."""
    sides: tuple[Side, ...] = ("query", *KINDS)
    instead: dict[Side, Side] = {"title": "specific", "catalogue": "specific"}
    found = {side: prompts.get(side, prompts.get(instead.get(side, side), "")) for side in sides}
    return found if any(found.values()) else {}


def set_prompts(model: SentenceTransformer, prompts: Mapping[Side, str]) -> None:
    """Note the prompts in the model, in place, so that its folder says what it is used with to those who do not read the card either."""
    model.default_prompt_name = None
    model.prompts = {"document": prompts.get("specific", ""), "query": ""}
    model.prompts.update(prompts.items())


def content_version(model: SentenceTransformer, card: EncoderCard) -> str:
    """The `encoder_version` that the model has once it is saved."""
    with tempfile.TemporaryDirectory() as folder:
        save_encoder(model, card, Path(folder))
        return encoder_version(Path(folder))


def extend_positions(model: SentenceTransformer, max_tokens: int) -> None:
    """Lengthen a table of learned positions to `max_tokens`, in place; positions that are there keep their vectors.

    Models whose positions already reach, or that compute them (rotary), are left alone but for the tokenizer's limit. Raises ConfigError for a
    table of a layout that is not BERT's.
    """
    transformer: Any = model[0].auto_model
    positions = getattr(transformer.config, "max_position_embeddings", None)
    if positions is not None and positions < max_tokens:
        embeddings = getattr(transformer, "embeddings", None)
        table = getattr(embeddings, "position_embeddings", None)
        if not isinstance(table, nn.Embedding) or table.padding_idx is not None or not hasattr(embeddings, "position_ids"):
            raise ConfigError(
                f"trainer.max_tokens {max_tokens}: {transformer.config.model_type} takes {positions} tokens and only BERT's table of positions can be "
                f"extended; set trainer.max_tokens to {positions} or choose another base"
            )
        _replace_table(embeddings, extended_table(table.weight.data, max_tokens))
        transformer.config.max_position_embeddings = max_tokens
    model.tokenizer.model_max_length = max(max_tokens, positions or 0)


def extended_table(table: torch.Tensor, length: int) -> torch.Tensor:
    """A position table (P, D) of `length` rows: the first P as they are, then copies of all but the first.

    Copies, not interpolation: texts of up to P tokens keep their vectors exactly, and neighbours stay as far apart as the attention heads
    learned. The first row belongs to [CLS] alone.
    """
    copies = -(-max(0, length - len(table)) // (len(table) - 1))
    return torch.cat([table, *[table[1:]] * copies])[:length].clone()


def _replace_table(embeddings: Any, table: torch.Tensor) -> None:
    embeddings.position_embeddings = nn.Embedding.from_pretrained(table, freeze=False)
    ids = torch.arange(len(table), device=table.device).unsqueeze(0)
    embeddings.register_buffer("position_ids", ids, persistent=False)
    embeddings.register_buffer("token_type_ids", torch.zeros_like(ids), persistent=False)
