"""The encoder as it crosses from training to serving: a SentenceTransformer folder with a card, loaded from the registry by alias."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conf.errors import EncoderError, UnreadableHistoryError
from lake import registry, rendering
from lake.config import LakeConfig
from lake.examples import HeldOut, Kind, Side
from lake.labels import LEVELS, Level
from lake.presence import require_encoder
from lake.token_batches import token_batches

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CARD_FILE = "kindred.json"
ENCODING_VERSION = "3"
"""Changes with the code that turns histories and items into vectors: vectors of other code lie in another space."""
_CONTENT_SUFFIXES = {".safetensors", ".json", ".txt", ".model"}
_NOT_IN_VECTORS = {"transformers_version", "__version__", "popularity_weights", "popularity_weights_of_base"}
"""Settings that change no vector, and so not the version: where libraries note their own versions, and by what items are ranked."""
Unit = Mapping[str, Any]
TokenStarts = Callable[[str], np.ndarray]
"""Where in a text each token begins that is encoded for it; -1 for special tokens."""
LINES_AT_ONCE = 32
TEXTS_AT_ONCE = 64
"""Of which tokens are counted together."""
TOKENS_AT_ONCE = {"cpu": 2048, "cuda": 65_536}
"""Tokens in one forward pass, by the kind of device (others as a CPU): what a processor's cache holds the numbers of, and what keeps a GPU busy."""


class EncoderCard(BaseModel):
    """What one must know to use an encoder's vectors; part of its content, so part of its version, but for what changes no vector."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_model: str = Field(description="Name of the model that was fine-tuned.")
    rendering_version: str = Field(description="Rendering of units to words that it was trained on.")
    query_format: rendering.QueryFormat = Field("units", description="What a history is rendered from.")
    max_tokens: int = Field(gt=0, description="Longest text in tokens, special tokens included.")
    own_chars: int = Field(480, gt=0, description="Characters of a unit's own words in a history.")
    context_chars: int = Field(120, ge=0, description="Characters of each context text in a history.")
    prompts: dict[Side, str] = Field({}, description="What stands before a text, by side: before a history, and before an answer of each kind.")
    dimensions: list[int] = Field([], description="Sizes to which a vector may be cut (Matryoshka); the last is its own.")
    temperature: float | None = Field(
        None,
        gt=0,
        description="Of the loss that it was trained with: by what a cosine is divided to be a natural logarithm of odds, so that log counts of items can be added; None of a base encoder.",
    )
    popularity_weights: dict[Level, float] = Field(
        {},
        description="What the logarithm of one more than an item's count weighs beside a cosine where items are ranked by what is likely, by level, as it does best for people to choose by. "
        "Where none was fitted, the temperature.",
    )
    popularity_weights_of_base: dict[Level, float] = Field({}, description="The same of its untouched base, by the same people.")
    trained_on: dict[str, int] = Field({}, description="Table -> Delta version; empty for a base encoder.")
    platforms: list[str] = Field(
        [], description="On which those acted whom it was trained or chosen on, sorted; empty where that is not known, and of a base encoder."
    )
    held_out: HeldOut | None = Field(None, description="Who and what was not trained on; None of a base encoder, which met nobody.")

    @property
    def may_have_met_anybody(self) -> bool:
        """Whether it was trained by an older program, which did not note who was held out."""
        return bool(self.trained_on) and self.held_out is None

    def popularity_weight(self, kind: Kind | None) -> float | None:
        """What the logarithm of an item's count weighs beside a cosine; None where the encoder tells nothing of it, as a base by itself."""
        return self.popularity_weights.get(kind, self.temperature) if kind in LEVELS else self.temperature

    def prompt(self, side: Side) -> str:
        """What stands before a text of a side. Titles and an app's own items are read as specific labels where the card says nothing of them."""
        instead: Side = "specific" if side in ("title", "catalogue") else side
        return self.prompts.get(side, self.prompts.get(instead, ""))


class Encoder:
    """A SentenceTransformer with its card. Vectors are float32 and of unit length.

    `tokens_at_once` are those of one forward pass, padding included; None is what suits the device. `bf16`: arithmetic in bfloat16, the vectors of which differ in the third digit.
    """

    def __init__(self, model: "SentenceTransformer", card: EncoderCard, version: str, tokens_at_once: int | None = None, bf16: bool = False) -> None:
        if card.rendering_version != rendering.RENDERING_VERSION:
            raise EncoderError(
                f"encoder {version} was trained on rendering {card.rendering_version}, this program renders {rendering.RENDERING_VERSION}; "
                "train again, or run the program's version that made it"
            )
        self.model, self.card, self.version, self.bf16 = model, card, version, bf16
        self.tokens_at_once = tokens_at_once or TOKENS_AT_ONCE.get(model.device.type, TOKENS_AT_ONCE["cpu"])
        self.model.max_seq_length = card.max_tokens
        if card.dimensions and self.dimension not in card.dimensions:
            raise EncoderError(
                f"encoder {version} gives vectors of {self.dimension} numbers, and its card says {', '.join(map(str, card.dimensions))}; cut them to one of "
                "these sizes, or train again with trainer.matryoshka"
            )

    @property
    def dimension(self) -> int:
        """Length D of a vector."""
        return int(self.model.get_embedding_dimension() or 0)

    def history_text(self, history: Sequence[Unit]) -> tuple[str, int]:
        """The newest units that fit the token budget as text in the card's format, and how many they are."""
        return history_text(history, self.card, self.token_starts)

    def token_starts(self, text: str) -> np.ndarray:
        """Where in a text each token begins that is encoded for it, -1 for special tokens, shape (L,); nothing is cut off."""
        encoded = self.model.tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True, truncation=False, verbose=False)
        starts = np.array(encoded["offset_mapping"], np.int64).reshape(-1, 2)[:, 0]
        return np.where(np.array(encoded["special_tokens_mask"], bool), -1, starts)

    def token_count(self, text: str) -> int:
        """Tokens that are encoded for a text, special tokens included, before it is cut to `max_tokens`."""
        return len(self.model.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def token_counts(self, texts: Sequence[str]) -> np.ndarray:
        """The same of many texts, shape (N,)."""
        parts = (texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE))
        return np.array([len(ids) for part in parts for ids in self.model.tokenizer(list(part), truncation=False, verbose=False)["input_ids"]], np.int64)

    def encode_texts(self, texts: Sequence[str], side: Side) -> np.ndarray:
        """Vectors of texts on one side, shape (N, D). Raises EncoderError where one is not finite.

        Texts of alike lengths go through the model together, `tokens_at_once` at most, so that little is padded however skewed lengths are.
        """
        prompt = self.card.prompt(side)
        lengths = np.minimum(self.token_counts(texts) + (self.token_count(prompt) if prompt else 0), self.card.max_tokens)
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for rows in token_batches(dict(enumerate(lengths.tolist())), self.tokens_at_once):
            vectors[rows] = self._vectors([texts[row] for row in rows], prompt)
        lost = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(lost):
            raise EncoderError(f"encoder {self.version}: {len(lost)} of {len(texts)} vectors are not finite; train it again, or serve the version before it")
        return vectors

    def _vectors(self, texts: Sequence[str], prompt: str) -> np.ndarray:
        """Vectors of texts that go through the model together."""
        import torch

        found = self.model.eval().preprocess(list(texts), prompt=prompt or None)
        features = {name: value.to(self.model.device) if isinstance(value, torch.Tensor) else value for name, value in found.items()}
        with torch.inference_mode(), torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.bf16):
            vectors = self.model(features)["sentence_embedding"][:, : self.dimension].float()
        return torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()

    def encode_histories(self, histories: Iterable[Sequence[Unit]]) -> np.ndarray:
        """Vectors of histories (units oldest first), shape (N, D). Raises EncoderError where labels are read and one has none: a text of nothing is nobody's."""
        return self.encode_history_texts([self.history_text(history)[0] for history in histories])

    def encode_history_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors (N, D) of texts that `history_text` gave. Raises EncoderError as `encode_histories` does."""
        if self.card.query_format in rendering.NEWEST_FIRST and (empty := texts.count("")):
            raise EncoderError(f"encoder {self.version} reads labels, and {empty} of {len(texts)} histories have none; leave them out, or label their units")
        return self.encode_texts(texts, "query")

    def encode_history(self, history: Sequence[Unit]) -> tuple[np.ndarray, int]:
        """Vector (D,) of one history (units oldest first), and of how many of its newest units it was made. Raises UnreadableHistoryError where labels are read and none has one."""
        text, encoded_units = self.history_text(history)
        if not encoded_units:
            raise UnreadableHistoryError(
                f"encoder {self.version} reads histories as {self.card.query_format!r}, and none of the {len(history)} acts has a label"
            )
        return self.encode_history_texts([text])[0], encoded_units

    def encode_items(self, texts: Sequence[str], level: Level | None) -> np.ndarray:
        """Vectors of items' words at a level, shape (N, D); an app's own item has none."""
        return self.encode_texts(texts, level or "catalogue")


def history_text(history: Sequence[Unit], card: EncoderCard, token_starts: TokenStarts) -> tuple[str, int]:
    """The newest units that fit the card's token budget as text, and how many they are; at least one where any has a line in the card's format.

    Oldest first, labels alone newest first. Units are rendered from the newest back, LINES_AT_ONCE at a time, until the budget is full, so that a history of
    millions costs no more than its tail. What fits is counted as it is encoded, with prompt, line breaks and special tokens.
    """
    prompt, newest_first = card.prompt("query"), card.query_format in rendering.NEWEST_FIRST
    room = max(1, card.max_tokens - len(token_starts(prompt)))
    lines: list[str] = []
    tokens = np.zeros(0, np.int64)
    rendered = (rendering.history_line(unit, card.query_format, card.own_chars, card.context_chars) for unit in reversed(history))
    from_newest = (line for line in rendered if line is not None)
    while tokens.sum() <= room and (older := list(islice(from_newest, LINES_AT_ONCE))):
        tokens = np.concatenate([tokens, _tokens_of_lines(older, bool(lines), newest_first, token_starts)])
        lines += older
    kept = max(min(1, len(lines)), int((tokens.cumsum() <= room).sum()))
    while kept > 1 and len(token_starts(prompt + _text_of(lines[:kept], newest_first))) > card.max_tokens:
        kept -= 1  # a tokenizer may part what lies before or behind a line otherwise where that line is the first or the last
    return _text_of(lines[:kept], newest_first), kept


def _text_of(from_newest: Sequence[str], newest_first: bool) -> str:
    return rendering.join_history(from_newest if newest_first else from_newest[::-1])


def _tokens_of_lines(from_newest: Sequence[str], follow_others: bool, newest_first: bool, token_starts: TokenStarts) -> np.ndarray:
    """How many tokens begin in each line, the line break that parts it from newer ones included, shape (lines,)."""
    newer = [""] if follow_others else []
    starts = token_starts(_text_of([*newer, *from_newest], newest_first))
    lengths = np.array([len(line) + 1 for line in from_newest])
    # Where the newest stands first, a line break stands before its line, and the first line has none.
    ends = np.cumsum(lengths) - (not follow_others) if newest_first else np.cumsum(lengths[::-1])
    counts = np.bincount(np.searchsorted(ends, starts[starts >= 0], side="right"), minlength=len(lengths))[: len(lengths)]
    return counts if newest_first else counts[::-1]


def save_encoder(model: "SentenceTransformer", card: EncoderCard, folder: Path) -> None:
    """Write a SentenceTransformer folder (safetensors) with its card."""
    settle_tokenizer(model)
    model.save(str(folder), create_model_card=False)
    (folder / CARD_FILE).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")


def settle_tokenizer(model: "SentenceTransformer") -> None:
    """Let the tokenizer forget how it was used last: a fast one saves its truncation and padding, and the version is a hash of what is saved."""
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_truncation()
        backend.no_padding()


def load_encoder(folder: Path, device: str | None = None) -> Encoder:
    """The encoder of a folder. Raises EncoderError where there is none or it does not fit."""
    card = read_card(folder)
    return Encoder(load_model(str(folder), device), card, encoder_version(folder))


def read_card(folder: Path) -> EncoderCard:
    """The card of an encoder's folder. Raises EncoderError where there is none or it does not fit."""
    try:
        return EncoderCard(**json.loads((folder / CARD_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise EncoderError(f"{folder}: no encoder of this program ({error}); expected a SentenceTransformer folder with {CARD_FILE}") from None


def load_model(path: str, device: str | None = None, attention: str | None = None) -> "SentenceTransformer":
    """The model of a folder or hub name, out of safetensors, its weights in float32 whatever they are kept in. Raises OSError or ValueError.

    Optimizers need float32: in float16 all weights are lost after one step of AdamW, in bfloat16 a small step moves few of them. Arithmetic may be
    shorter all the same (`trainer.precision`). `attention` is an implementation of it that transformers has; None takes the model's usual one.
    """
    import torch  # who asks for an encoder's version alone goes without
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    settings = {"use_safetensors": True, "dtype": torch.float32} | ({"attn_implementation": attention} if attention else {})
    return SentenceTransformer(path, device=device, model_kwargs=settings).float()


def load_registered(lake: LakeConfig, device: str | None = None) -> Encoder:
    """The encoder that the registry's alias names. Raises EncoderError where there is none."""
    return load_encoder(registered_folder(lake), device)


def registered_folder(lake: LakeConfig, name: str | None = None) -> Path:
    """Folder on this machine of a registered encoder: of a version number or alias, or of the lake's alias. Raises EncoderError where there is none."""
    require_encoder(lake)
    from mlflow.exceptions import MlflowException

    registry.connect(lake)
    uri = registry.model_uri(lake, name)
    try:
        return folder_with_card(registry.local_folder(uri), uri)
    except MlflowException as error:
        raise EncoderError(f"{uri}: no such encoder ({error.message}); it is written by 'kindred trainer train'") from None


def folder_with_card(folder: Path, name: str) -> Path:
    """The encoder's own folder, which is this one or below it. Raises EncoderError, by the name that the encoder was asked for, where there is none."""
    cards = sorted(folder.rglob(CARD_FILE))
    if not cards:
        raise EncoderError(f"{name}: no {CARD_FILE} among its files; it was not made by this program")
    return cards[0].parent


def encoder_version(folder: Path) -> str:
    """Hash of an encoder's content (weights, tokenizer, settings, card) and of the way it is asked here, 16 hex digits.

    Libraries that write their own versions into settings count nothing: an upgrade leaves an encoder what it is.
    """
    files = [(name, (folder / name).stat()) for name in content_files(folder)]
    return _content_hash(folder, tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in files))


def content_files(folder: Path) -> list[str]:
    """Paths below the folder, in order, of the files that decide an encoder's version: weights, tokenizer, settings, card."""
    found = (Path(parent) / name for parent, _, names in os.walk(folder, followlinks=True) for name in names)
    paths = sorted(path for path in found if path.suffix in _CONTENT_SUFFIXES and path.is_file())
    return [path.relative_to(folder).as_posix() for path in paths]


@lru_cache(maxsize=32)
def _content_hash(folder: Path, files: tuple[tuple[str, int, int], ...]) -> str:
    """Hash of files (path below the folder, size, time of change), worked out once in a process for as long as they stay what they are."""
    digest = hashlib.sha256(ENCODING_VERSION.encode() + b"\0")
    for name, _, _ in files:
        digest.update(name.encode() + b"\0" + file_hash(folder / name))
    return digest.hexdigest()[:16]


def file_hash(path: Path) -> bytes:
    """Hash of what counts in one of an encoder's files."""
    if path.suffix != ".json":
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    try:
        settings = json.loads(path.read_bytes())
    except ValueError:
        return hashlib.sha256(path.read_bytes()).digest()
    if isinstance(settings, dict):
        settings = {name: value for name, value in settings.items() if name not in _NOT_IN_VECTORS}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).digest()
