"""Loss and parameter gradients of one global batch; torchrun runs it on several processes for test_train_processes.py."""

import sys
from pathlib import Path

import numpy as np
import torch

from lake.examples import EXAMPLES
from lake.labels import ITEMS
from lake.schema import rows_table
from tests.planted_people import all_items, planted_examples
from trainer.config import TrainingConfig
from trainer.student import base_encoder
from trainer.training.batches import make_batch, training_set
from trainer.training.loop import add_gradients, make_accelerator

PEOPLE = 5
TEMPERATURE = 0.05


def loss_and_gradients() -> dict[str, np.ndarray]:
    """Five people, so that two processes get uneven shares; small groups of texts, so that gradients add up over several."""
    config = TrainingConfig(max_tokens=64, tokens_per_forward=128, precision="full")
    accelerator = make_accelerator(config)
    training = training_set(rows_table(EXAMPLES, planted_examples(PEOPLE, 0)), rows_table(ITEMS, all_items()), "past", 1)
    batch = make_batch(training, np.arange(PEOPLE), 3, np.random.default_rng(1))
    encoder = base_encoder(config, str(accelerator.device))
    encoder.model.eval()
    loss = add_gradients(encoder, batch, config, accelerator, TEMPERATURE)
    gradients = {name: each.grad.cpu().numpy() for name, each in encoder.model.named_parameters() if each.grad is not None}
    return {"loss": np.array(loss), "processes": np.array(accelerator.num_processes), **gradients}


if __name__ == "__main__":
    found = loss_and_gradients()
    if torch.distributed.get_rank() == 0:
        np.savez(Path(sys.argv[1]), **found)  # type: ignore[arg-type]
    torch.distributed.destroy_process_group()
