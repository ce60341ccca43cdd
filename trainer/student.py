"""The student before training: a sentence encoder whose positions reach the configured number of tokens."""

import tempfile
from pathlib import Path
from typing import Any

import torch
import yaml
from sentence_transformers import SentenceTransformer
from torch import nn

from conf.errors import ConfigError
from lake.encoder import Encoder, EncoderCard, encoder_version, load_model, save_encoder
from lake.models import local_model_folder, model_path
from lake.rendering import RENDERING_VERSION, plain
from trainer.config import TrainingConfig


def base_encoder(config: TrainingConfig, device: str | None = None) -> Encoder:
    """The untouched base as an encoder, on the same rendering and token budget as what is trained from it."""
    card = EncoderCard(
        base_model=config.base_model, rendering_version=RENDERING_VERSION, max_tokens=config.max_tokens, own_chars=config.own_chars,
        context_chars=config.context_chars,
    )  # fmt: skip
    model = load_base(config.base_model, config.max_tokens, device)
    return Encoder(model, card, content_version(model, card))


def base_of(card: EncoderCard, device: str | None = None) -> Encoder:
    """The untouched base of an encoder, which reads the same texts. Raises ConfigError as `load_base` does."""
    own = card.model_copy(update={"trained_on": {}, "held_out": None})
    model = load_base(card.base_model, card.max_tokens, device)
    return Encoder(model, own, content_version(model, own))


def base_licence(name: str) -> str | None:
    """What the base's own folder says of its licence: `license` of its README, else the first words of a licence file; None where it says nothing or is not here."""
    folder = local_model_folder(name)
    if folder is None:
        return None
    return _licence_of_readme(folder / "README.md") or next(filter(None, map(_first_line, sorted(folder.glob("LICEN[CS]E*")))), None)


def _licence_of_readme(readme: Path) -> str | None:
    """`license` of the front matter, with the name and link that a licence of one's own has."""
    try:
        before, front_matter, _ = readme.read_text(encoding="utf-8").split("---\n", 2)
        stated = None if before.strip() else yaml.safe_load(front_matter)
    except (OSError, ValueError, yaml.YAMLError):
        return None
    words = [stated.get(key) for key in ("license", "license_name", "license_link")] if isinstance(stated, dict) else []
    return ", ".join(str(word) for word in words if word) or None


def _first_line(path: Path) -> str | None:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((plain(line, 200) for line in lines if line.strip()), None)


def load_base(name: str, max_tokens: int, device: str | None = None) -> SentenceTransformer:
    """A sentence encoder that takes `max_tokens` tokens. Raises ConfigError where there is none, it cannot be extended, or does not say where tokens begin."""
    path = model_path(name)
    try:
        model = load_model(path, device)
    except (OSError, ValueError) as error:
        raise ConfigError(f"trainer.base_model {name!r}: no sentence encoder could be loaded from {path} ({error})") from None
    if not getattr(model.tokenizer, "is_fast", False):
        raise ConfigError(
            f"trainer.base_model {name!r}: its tokenizer ({type(model.tokenizer).__name__}) does not say where in a text its tokens begin, which histories "
            "are cut by; choose a base with a tokenizer.json"
        )
    extend_positions(model, max_tokens)
    model.max_seq_length = max_tokens
    return model


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
