"""What fits an encoder is counted as it is encoded: the newest units are never cut off, whatever the tokenizer."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from lake.encoder import Encoder, EncoderCard
from lake.rendering import RENDERING_VERSION, QueryFormat, history_line
from trainer.student import load_base
from trainer.training.batches import TrainingBatch
from trainer.training.step import query_texts

WORDS = [
    "rye",
    "loaf",
    "caraway",
    "sourdough",
    "starter",
    "smells",
    "odd",
    "Verstappen",
    "qualifying",
    "at",
    "Spa,",
    "東京",
    "naïve",
    "café",
    "🙂",
    "don't",
    "—",
    "(really?)",
    "https://example.org/a_b?c=d",
    "x²",
    "£5",
]


def units(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Units of one to twelve words; a few have none but signs."""
    random = Random(seed)
    texts = [" ".join(random.choices(WORDS, k=random.randint(1, 12))) for _ in range(count)]
    return [
        {
            "platform": "p", "community": "tea", "title": None, "text": text, "context": [], "created_at": datetime(2023, 1, 1, tzinfo=UTC),
            **({"label": {"specific": text[:40], "broad": random.choice(WORDS)}} if number % 3 else {"source_text": f"<p>{text}</p>"}),
        }
        for number, text in enumerate(texts)
    ]  # fmt: skip


def byte_level(folder: Path) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, trained on the spot, that sets a token before and one behind a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=["<s>", "</s>", "<pad>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([unit["text"] for unit in units(300, seed=1)], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


@pytest.fixture(scope="module")
def word_piece() -> SentenceTransformer:
    return load_base("all-MiniLM-L6-v2", 512, "cpu")


@pytest.fixture(params=["word piece", "byte level"])
def model(request: pytest.FixtureRequest, word_piece: SentenceTransformer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SentenceTransformer:
    """Only its tokenizer is asked."""
    if request.param == "byte level":
        monkeypatch.setattr(word_piece[0], "processor", byte_level(tmp_path))
        assert word_piece.tokenizer.bos_token == "<s>"
    return word_piece


def test_a_batch_may_read_less_of_a_history_than_the_encoder(word_piece: SentenceTransformer) -> None:
    encoder = Encoder(word_piece, EncoderCard(base_model="m", rendering_version=RENDERING_VERSION, max_tokens=512), "v")
    none = np.zeros(0, np.int64)
    whole = TrainingBatch([units(100)], none, [], [none], [none], none, none)
    (text,), (less,) = query_texts(encoder, whole), query_texts(encoder, replace(whole, max_tokens=64))
    assert text == encoder.history_text(units(100))[0]
    assert text.endswith("\n" + less)
    assert encoder.token_count(less) <= 64 < encoder.token_count(text) <= 512
    (one,) = query_texts(encoder, replace(whole, max_tokens=12))  # fewer than the newest unit has
    assert less.endswith(one + less.rpartition(one)[2])
    assert encoder.token_count(one) <= 12 < encoder.token_count(encoder.history_text(units(100)[-1:])[0])


@pytest.mark.parametrize("query_format", ["units", "brief", "labels", "mixed", "raw"])
@pytest.mark.parametrize("prompt", ["", "What somebody did, oldest first:\n"])
@pytest.mark.parametrize("max_tokens", [16, 64, 512, 4096])
def test_as_many_of_the_newest_units_as_fit_are_encoded_to_their_end(
    model: SentenceTransformer, max_tokens: int, prompt: str, query_format: QueryFormat
) -> None:  # fmt: skip
    card = EncoderCard(base_model="m", rendering_version=RENDERING_VERSION, max_tokens=max_tokens, prompts={"query": prompt}, query_format=query_format)
    encoder = Encoder(model, card, "v")
    history = units(700)
    text, count = encoder.history_text(history)
    newest_first = [line for unit in reversed(history) if (line := history_line(unit, query_format)) is not None]

    def of_newest(lines: int) -> str:
        return "\n".join(newest_first[:lines] if query_format == "labels" else newest_first[:lines][::-1])

    assert text == of_newest(count)
    assert encoder.token_count(prompt + text) <= max_tokens or count == 1
    assert count == len(newest_first) or encoder.token_count(prompt + of_newest(count + 1)) > max_tokens
    encoded = model.tokenizer(prompt + text, truncation=True, max_length=max_tokens)["input_ids"]
    assert count == 1 or encoded == model.tokenizer(prompt + text)["input_ids"]
