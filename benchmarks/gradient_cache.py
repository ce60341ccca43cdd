"""What it saves to keep a step's graphs instead of caching its gradient: CPU seconds of loss and gradient, MiniLM, one thread.

    python -m benchmarks.gradient_cache

32 histories of up to 256 tokens with four answers each, made of a few words. Each figure is the least of three runs.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import torch

from lake.examples import answer_key
from trainer.config import TrainingConfig
from trainer.student import base_encoder
from trainer.training.batches import TrainingBatch, Unit
from trainer.training.gradient_cache import add_gradients
from trainer.training.loop import make_accelerator
from trainer.training.masks import answer_numbers, keys_of
from trainer.training.step import share_of_step

HISTORIES, ANSWERS_EACH, TOKENS, RUNS = 32, 4, 256, 3
WORDS = ["garden", "tomato", "race", "engine", "bread", "dough", "moon", "telescope", "water", "stone", "light", "paper", "river", "music", "window"]


def made_batch(generator: np.random.Generator) -> TrainingBatch:
    """Histories of twelve units of thirty words, and answers of five."""
    histories: list[Sequence[Unit]] = [[made_unit(number, " ".join(generator.choice(WORDS, 30))) for number in range(12)] for _ in range(HISTORIES)]
    texts = {answer_key(text): text for text in (" ".join(generator.choice(WORDS, 5)) for _ in range(HISTORIES * ANSWERS_EACH))}
    keys = np.array(sorted(texts), np.int64)
    positives = np.array_split(answer_numbers(keys, 0), HISTORIES)
    return TrainingBatch(
        histories, answer_numbers(keys, 0), [texts[key] for key in keys.tolist()], positives, [keys_of(each) for each in positives],
        communities=np.arange(HISTORIES), times=np.zeros(HISTORIES, np.int64),
    )  # fmt: skip


def made_unit(number: int, text: str) -> Unit:
    """A unit of a history, one a day."""
    created_at = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(days=number)
    return {
        "unit_id": str(number), "starts_session": False, "created_at": created_at, "platform": "reddit", "action": "comment", "community": "talk",
        "title": None, "text": text, "context": [],
    }  # fmt: skip


def main() -> None:
    """Print both costs and their ratio for two sizes of a micro-batch."""
    torch.set_num_threads(1)
    config = TrainingConfig(max_tokens=TOKENS, precision="full")
    encoder, accelerator, batch = base_encoder(config, "cpu"), make_accelerator(config), made_batch(np.random.default_rng(0))
    for tokens_per_forward in (2048, 8192):
        share = share_of_step(encoder, batch, tokens_per_forward, accelerator)
        costs: dict[int, list[float]] = {0: [], share.own.computed_tokens: []}
        for _ in range(RUNS):
            for tokens_in_one_pass, found in costs.items():
                began = time.process_time()
                add_gradients(encoder, share, tokens_in_one_pass, accelerator, 0.1, dropout=False)
                found.append(time.process_time() - began)
                encoder.model.zero_grad()
        cached, kept = (min(found) for found in costs.values())
        sizes = f"{share.own.tokens} tokens in {len(share.own.rows)} micro-batches"
        print(f"{sizes}: cached {cached:.2f}, graphs kept {kept:.2f} CPU s, ratio {kept / cached:.2f}")


if __name__ == "__main__":
    main()
