"""Loss and parameter gradients of one step; torchrun runs it on several processes for test_train_processes.py."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.hand_streams import batch_of_rows, part_of
from tests.planted_people import planted_examples
from trainer.config import TrainingConfig
from trainer.student import base_encoder
from trainer.training.gradient_cache import add_gradients
from trainer.training.loop import make_accelerator
from trainer.training.mining import Miner, MiningSettings
from trainer.training.pool import AnswerPool
from trainer.training.step import share_of_step

PEOPLE = 6
MINED, GRADED = "mined", "graded"
CASES = {
    "cached": ([[0], [1, 2, 3, 4, 5]], 0), "one pass": ([[0], [1, 2, 3, 4, 5]], 10_000), "all and nothing": ([range(PEOPLE), []], 0),
    MINED: ([[0], [1, 2, 3, 4, 5]], 0), GRADED: ([[0], [1, 2, 3, 4, 5]], 0),
}  # fmt: skip
"""Whose queries each of two processes holds, and how many tokens go through the model once. Six people have four topics, so parts have answers in common. Where
hard negatives are mined, they come from a step before of six other people, and their vectors are made anew in between."""
TEMPERATURE = 0.05


def with_grades(row: dict[str, Any]) -> dict[str, Any]:
    """An example whose positives were judged, each otherwise."""
    cut = row["cuts"][0]
    positives = [positive | {"grade": (1 + place % 7) / 7} for place, positive in enumerate(cut["positives"])]
    return row | {"cuts": [cut | {"positives": positives}]}


def loss_and_gradients(case: str) -> dict[str, np.ndarray]:
    """Of one step. Small groups of texts, so that gradients add up over several."""
    config = TrainingConfig(max_tokens=64, tokens_per_forward=128, precision="full", answers_per_query=3, weigh_by_grade=case == GRADED)
    accelerator = make_accelerator(config)
    parts, tokens_in_one_pass = CASES[case]
    queries = parts[accelerator.process_index] if accelerator.num_processes == 2 else range(PEOPLE)
    encoder = base_encoder(config, str(accelerator.device))
    pool = AnswerPool(100, encoder.dimension, accelerator)
    rows = [with_grades(row) for row in planted_examples(2 * PEOPLE, 0)]
    for people in (rows[PEOPLE:], rows[:PEOPLE]) if case == MINED else (rows[:PEOPLE],):
        batch = part_of(batch_of_rows(people, config), queries)
        share = share_of_step(encoder, batch, config.tokens_per_forward, accelerator)
        miner = Miner(encoder, batch, share, pool, MiningSettings(2, 0.95), config.tokens_per_forward) if case == MINED else None
        pool.refresh(encoder, config.tokens_per_forward)
        encoder.model.zero_grad()
        loss = add_gradients(encoder, share, tokens_in_one_pass, accelerator, TEMPERATURE, dropout=False, miner=miner)
        share = miner.share if miner else share
    gradients = {name: each.grad.cpu().numpy() for name, each in encoder.model.named_parameters() if each.grad is not None}
    sizes = {"queries": share.relation.shape[0], "answers": share.relation.shape[1], "tokens": share.counts["tokens"], "processes": accelerator.num_processes}
    sizes["mined"] = int(np.round(share.counts.get("mined_per_query", 0) * PEOPLE))
    return {"loss": np.array(loss), **{name: np.array(size) for name, size in sizes.items()}, **gradients}


if __name__ == "__main__":
    for name in CASES:
        found = loss_and_gradients(name)
        if torch.distributed.get_rank() == 0:
            np.savez(Path(sys.argv[1]) / f"{name}.npz", **found)  # type: ignore[arg-type]
    torch.distributed.destroy_process_group()
