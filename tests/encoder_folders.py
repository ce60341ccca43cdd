"""Sentence-transformers folders of the shapes of bases that are not at hand: their architecture, random weights, a real tokenizer."""

from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    ModernBertConfig,
    ModernBertModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3Model,
)

from lake.models import model_path
from tests.planted_people import TOPICS

WINDOW = 16
"""Tokens that a layer with local attention of the ModernBERT shape reads, half to each side."""
CHAT = "{% for message in messages %}<|user|>{{ message['content'] }}{% endfor %}"


def bert_folder(folder: Path, *modules: torch.nn.Module) -> Path:
    """As MiniLM, but small: a table of 64 positions, its WordPiece, the mean of tokens, and what else is to follow."""
    tokenizer = AutoTokenizer.from_pretrained(model_path("all-MiniLM-L6-v2"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=2, max_position_embeddings=64, initializer_range=0.2,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return _write(folder, BertModel(config), tokenizer, [Pooling(64, "mean"), *modules], None, None)


def modernbert_folder(folder: Path, pooling: str = "cls", prompts: dict[str, str] | None = None, include_prompt: bool = True, layers: int = 3) -> Path:
    """As gte-modernbert-base: rotary positions, every third layer sees all and the others a window; MiniLM's WordPiece; 8,192 tokens."""
    tokenizer = AutoTokenizer.from_pretrained(model_path("all-MiniLM-L6-v2"))
    torch.manual_seed(0)
    config = ModernBertConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=layers, num_attention_heads=2, local_attention=WINDOW, initializer_range=0.2,
        pad_token_id=tokenizer.pad_token_id, cls_token_id=tokenizer.cls_token_id, sep_token_id=tokenizer.sep_token_id,
        bos_token_id=tokenizer.cls_token_id, eos_token_id=tokenizer.sep_token_id,
    )  # fmt: skip
    return _write(folder, ModernBertModel(config), tokenizer, [Pooling(64, pooling, include_prompt)], prompts, None)


def qwen3_folder(folder: Path, padding_side: str = "left", prompts: dict[str, str] | None = None, default_prompt: str | None = None) -> Path:
    """As Qwen3-Embedding: causal, grouped heads, the last token speaks, a byte-level BPE that ends a text and carries a chat template; 32,768 tokens."""
    tokenizer = byte_level(padding_side)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=2, initializer_range=0.2, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        max_position_embeddings=32768, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return _write(folder, Qwen3Model(config), tokenizer, [Pooling(64, "lasttoken"), Normalize()], prompts, default_prompt)


def byte_level(padding_side: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer as Qwen3-Embedding has one, trained on the spot: it sets a token behind a text and none before."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator([text for texts in TOPICS.values() for text in texts], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>", padding_side=padding_side, chat_template=CHAT
    )


def with_modules(source: Path, folder: Path, *modules: torch.nn.Module) -> Path:
    """A folder's transformer with other modules behind it."""
    SentenceTransformer(modules=[Transformer(str(source)), *modules], device="cpu").save(str(folder), create_model_card=False)
    return folder


def projection() -> Dense:
    """A layer from 64 to 32, drawn alike each time."""
    torch.manual_seed(1)
    return Dense(64, 32)


def _write(
    folder: Path, transformer: Any, tokenizer: PreTrainedTokenizerBase, modules: list[torch.nn.Module], prompts: dict[str, str] | None, default: str | None
) -> Path:  # fmt: skip
    parts = folder / "parts"
    transformer.save_pretrained(parts)
    tokenizer.save_pretrained(parts)
    model = SentenceTransformer(modules=[Transformer(str(parts)), *modules], device="cpu", prompts=prompts, default_prompt_name=default)
    model.save(str(folder / "encoder"), create_model_card=False)
    return folder / "encoder"
