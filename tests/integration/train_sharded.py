"""What a model in pieces (FSDP2) computes and holds; accelerate launch runs it on two processes for test_train_sharded.py.

Usage: train_sharded.py FOLDER, in which the encoders of `write_encoders` lie.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import nn
from torch.distributed.tensor import DTensor
from torch.optim import AdamW, Optimizer

from tests.encoder_folders import bert_folder, modernbert_folder, projection
from tests.hand_streams import HandStream, batch_of_rows, part_of
from tests.planted_people import planted_examples
from trainer.config import TrainerConfig
from trainer.student import student_encoder
from trainer.training.checkpoints import Checkpoints, Progress
from trainer.training.gradient_cache import add_gradients
from trainer.training.loop import make_accelerator, train
from trainer.training.packing import choose_packing
from trainer.training.sharding import all_tensors, gathered, is_sharded, shard, whole_model
from trainer.training.step import share_of_step

PEOPLE, CACHED, ONE_PASS = 6, 0, 10_000
SKEWED, ALL_AND_NOTHING = ([0], [1, 2, 3, 4, 5]), (range(PEOPLE), [])
PROMPTS = {"query": "What next? ", "specific": "Label: ", "broad": "Category: "}
Found = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A model, how texts go through it, and whose queries each of two processes holds."""

    encoder: str
    packing: str
    tokens_in_one_pass: int = CACHED
    parts: tuple[Sequence[int], Sequence[int]] = SKEWED
    settings: dict[str, Any] = field(default_factory=dict)

    def config(self, folder: Path) -> TrainerConfig:
        """Small groups of texts, so that processes have different numbers of them."""
        return TrainerConfig(
            base_model=str(folder / self.encoder / "encoder"), packing=self.packing, max_tokens=64, tokens_per_forward=128, answers_per_query=3,
            people_per_batch=PEOPLE, temperature=0.05, learning_rate=1e-3, precision="full", tokens_in_one_pass=self.tokens_in_one_pass, **self.settings,
        )  # fmt: skip


CASES = {
    "BERT padded": Case("bert", "padded"),
    "BERT packed in one pass": Case("bert", "packed", ONE_PASS),
    "BERT, few enough for one pass on one process alone": Case("bert", "packed", 150),
    "BERT, one process without texts": Case("bert", "packed", 150, ALL_AND_NOTHING),
    "ModernBERT packed": Case("modernbert", "packed"),
    "ModernBERT padded in one pass": Case("modernbert", "padded", ONE_PASS),
    "ModernBERT, prompts that no vector counts": Case("prompts", "padded", settings={"prompts": PROMPTS}),
    "BERT with a layer behind it": Case("projection", "packed"),
    "BERT with adapters": Case("bert", "packed", settings={"lora_rank": 4}),
}
TRAINED = ("BERT padded", "ModernBERT packed", "BERT with adapters")
"""Cases that are trained too, for more than a step."""


def write_encoders(folder: Path) -> None:
    """The encoders of all cases, each in a folder of its name."""
    bert_folder(folder / "bert")
    modernbert_folder(folder / "modernbert")
    modernbert_folder(folder / "prompts", pooling="mean", include_prompt=False)
    bert_folder(folder / "projection", projection())


def loss_and_gradients(case: Case, folder: Path) -> Found:
    """Of one step, whole; and what this process did in it."""
    config = case.config(folder)
    accelerator = make_accelerator(config)
    encoder = student_encoder(config, "cpu")
    choose_packing(encoder.model, config, accelerator)
    shard(encoder.model, accelerator)
    own = range(PEOPLE) if accelerator.num_processes == 1 else case.parts[accelerator.process_index]
    batch = part_of(batch_of_rows(planted_examples(PEOPLE, 0), config), own)
    share = share_of_step(encoder, batch, config.tokens_per_forward, accelerator)
    loss = add_gradients(encoder, share, case.tokens_in_one_pass, accelerator, 0.05)
    gradients = gathered({name: each.grad for name, each in encoder.model.named_parameters() if each.grad is not None}, keep=True)
    facts = {"loss": loss, "processes": accelerator.num_processes, "groups": len(share.own.rows), "tokens": share.own.computed_tokens}
    return {name: each.numpy() for name, each in gradients.items()} | {name: np.array(fact) for name, fact in facts.items()}


@dataclass
class Watch:
    """Stands where checkpoints would, and sees what this process holds of the model and of the optimizer's state."""

    held: tuple[float, float] = (0, 0)

    def resume(self, *told: Any) -> Progress:
        """The beginning."""
        return Progress(temperature=0.05)

    def save_if_due(self, model: nn.Module, optimizer: Optimizer, *told: Any, is_last: bool) -> None:
        """Looks."""
        moments = [each for state in optimizer.state.values() for each in state.values() if each.dim()]
        self.held = held_share(list(model.parameters())), held_share(moments)


def held_share(tensors: Sequence[torch.Tensor]) -> float:
    """The share of the numbers of these tensors that this process holds."""
    own = sum((each.to_local() if isinstance(each, DTensor) else each).numel() for each in tensors)
    return own / sum(each.numel() for each in tensors)


def trained(case: Case, folder: Path) -> Found:
    """Weights of the whole model after six steps, each step's loss and gradient norm, and the shares of parameters and moments that this process holds."""
    config, watch = case.config(folder), Watch()
    accelerator = make_accelerator(config)
    stream = HandStream(planted_examples(3 * PEOPLE, 0), config, 2, accelerator.process_index, accelerator.num_processes)
    encoder = student_encoder(config, "cpu")
    steps = list(train(encoder, stream, config, accelerator, watch))  # type: ignore[arg-type]
    assert is_sharded(encoder.model) == (accelerator.num_processes == 2)
    model = whole_model(encoder.model, lambda: student_encoder(config, "cpu").model, keep=True)
    assert model is not None
    weights = gathered(all_tensors(model), keep=True)
    facts = {"losses": [step.loss for step in steps], "norms": [step.gradient_norm for step in steps], "held": watch.held}
    return {name: each.numpy() for name, each in weights.items()} | {name: np.array(fact) for name, fact in facts.items()}


def two_groups(folder: Path) -> Found:
    """Whether pieces of an optimizer's state come back from a checkpoint where it has two groups of parameters, and how many came."""
    config = CASES["BERT padded"].config(folder)
    accelerator = make_accelerator(config)
    checkpoints = Checkpoints(folder / "two-groups", config, accelerator)
    (before, optimizer), (after, fresh) = (sharded_with_groups(config) for _ in range(2))
    for number, parameter in enumerate(before.parameters()):
        parameter.grad = torch.full_like(parameter, 1 + number / 100)
    optimizer.step()
    checkpoints.save(before, optimizer, Progress(1))
    assert checkpoints.resume(after, fresh).step == 1
    same = [
        torch.equal(one.to_local(), two.to_local()) and torch.equal(optimizer.state[one]["exp_avg"].to_local(), fresh.state[two]["exp_avg"].to_local())
        for one, two in zip(before.parameters(), after.parameters(), strict=True)
    ]
    return {"same": np.array(same), "decay": np.array([group["weight_decay"] for group in fresh.param_groups])}


def sharded_with_groups(config: TrainerConfig) -> tuple[SentenceTransformer, Optimizer]:
    """A model in pieces, and an optimizer that has its matrices and its vectors in two groups."""
    model = student_encoder(config, "cpu").model
    shard(model, make_accelerator(config))
    groups = [[each for each in model.parameters() if (each.dim() == 1) == is_vector] for is_vector in (False, True)]
    return model, AdamW([{"params": groups[0], "weight_decay": 0.1}, {"params": groups[1], "weight_decay": 0.0}], fused=True)


if __name__ == "__main__":
    folder, rank = Path(sys.argv[1]), make_accelerator(TrainerConfig(precision="full")).process_index
    for name, case in CASES.items():
        np.savez(folder / f"{name}-{rank}.npz", **loss_and_gradients(case, folder))  # type: ignore[arg-type]
        if name in TRAINED:
            np.savez(folder / f"{name} trained-{rank}.npz", **trained(case, folder))  # type: ignore[arg-type]
    np.savez(folder / f"groups-{rank}.npz", **two_groups(folder))  # type: ignore[arg-type]
    torch.distributed.destroy_process_group()
