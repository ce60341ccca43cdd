"""Loss and parameter gradients of one step; torchrun runs it on several processes for test_train_processes.py."""

import sys
from pathlib import Path

import numpy as np
import torch

from tests.hand_streams import batch_of_rows, part_of
from tests.planted_people import planted_examples
from trainer.config import TrainingConfig
from trainer.student import base_encoder
from trainer.training.gradient_cache import add_gradients
from trainer.training.loop import make_accelerator
from trainer.training.step import share_of_step

PEOPLE = 6
CASES = {"cached": ([[0], [1, 2, 3, 4, 5]], 0), "one pass": ([[0], [1, 2, 3, 4, 5]], 10_000), "all and nothing": ([range(PEOPLE), []], 0)}
"""Whose queries each of two processes holds, and how many tokens go through the model once. Six people have four topics, so parts have answers in common."""
TEMPERATURE = 0.05


def loss_and_gradients(case: str) -> dict[str, np.ndarray]:
    """Of one step. Small groups of texts, so that gradients add up over several."""
    config = TrainingConfig(max_tokens=64, tokens_per_forward=128, precision="full", answers_per_query=3)
    accelerator = make_accelerator(config)
    parts, tokens_in_one_pass = CASES[case]
    queries = parts[accelerator.process_index] if accelerator.num_processes == 2 else range(PEOPLE)
    batch = batch_of_rows(planted_examples(PEOPLE, 0), config)
    encoder = base_encoder(config, str(accelerator.device))
    share = share_of_step(encoder, part_of(batch, queries), config.tokens_per_forward, accelerator)
    loss = add_gradients(encoder, share, tokens_in_one_pass, accelerator, TEMPERATURE, dropout=False)
    gradients = {name: each.grad.cpu().numpy() for name, each in encoder.model.named_parameters() if each.grad is not None}
    sizes = {"queries": share.relation.shape[0], "answers": share.relation.shape[1], "tokens": share.counts["tokens"], "processes": accelerator.num_processes}
    return {"loss": np.array(loss), **{name: np.array(size) for name, size in sizes.items()}, **gradients}


if __name__ == "__main__":
    for name in CASES:
        found = loss_and_gradients(name)
        if torch.distributed.get_rank() == 0:
            np.savez(Path(sys.argv[1]) / f"{name}.npz", **found)  # type: ignore[arg-type]
    torch.distributed.destroy_process_group()
