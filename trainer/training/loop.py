"""The training loop on 1 to N processes, with cached gradients and negatives of all processes, gone on with from a checkpoint.

Each process iterates over its own part of every step. In a step it encodes its share (`step`, `shares`), all vectors meet in one reduction, every process
computes the same loss of them, and parameter gradients are summed in another (`gradient_cache`). So N processes take the step that one would take of all
parts, whatever their sizes, and neither the batch nor a query's negatives are bounded by memory. Dropout is off unless the settings turn it
on: with it, each process draws its own random numbers, and N processes no longer do what one would.

Of Accelerate this uses the processes and their devices as `accelerate launch` or `torchrun` made them, gathering and reducing over them, and the arithmetic of
the forward pass (autocast). `prepare` is not called. It would wrap the model in DDP, which reduces in the backward pass of each micro-batch, or of the last
alone (`no_sync`), and takes the mean; processes have different numbers of micro-batches here, some none, and the loss is already that of all
processes, so gradients must be summed, once, after the last. The rate is a function of the step's number, so a prepared scheduler, which counts steps of its
own and N a step, would be wrong. FSDP2 is the exception: its own configuration in Accelerate has the model sharded (`sharding`), and gradients are summed pass by pass.
"""

import math
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from accelerate import Accelerator
from torch.optim import AdamW, Optimizer

from conf.errors import EncoderError
from lake.encoder import Encoder
from trainer.config import TrainingConfig
from trainer.fingerprint import uses_bf16
from trainer.training.batches import TrainingBatch
from trainer.training.checkpoints import Checkpoints, Progress
from trainer.training.frequency import Sightings
from trainer.training.gradient_cache import add_gradients, fitting_temperature
from trainer.training.loss import LossSettings
from trainer.training.mining import Miner, MiningSettings
from trainer.training.negatives import negatives_by_nearness
from trainer.training.packing import choose_packing
from trainer.training.pool import AnswerPool
from trainer.training.sharding import clip_gradients, shard, sharding_asked
from trainer.training.step import Share, share_of_step

NEAR_DAYS = 45
"""Negatives of people whose cuts lie no further apart are counted as near in time."""


class Stream(Protocol):
    """One process's parts of all steps. Every process has as many, empty ones among them."""

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        ...

    def learning_rate(self, step: int) -> float:
        """The rate of a step, counted from 1."""
        ...

    def batches(self, position: dict[str, int]) -> Iterator[tuple[TrainingBatch, dict[str, int]]]:
        """What follows a position ({} is the beginning), each part with the position right after it."""
        ...


@dataclass(frozen=True)
class Step:
    """One step that was taken, counted from 1 over the whole training. `counts` are over all processes."""

    number: int
    loss: float
    learning_rate: float
    gradient_norm: float
    temperature: float
    counts: dict[str, float]

    def metrics(self) -> dict[str, float]:
        """All of it by name, as it is logged."""
        return {
            "loss": self.loss, "learning_rate": self.learning_rate, "gradient_norm": self.gradient_norm, "temperature": self.temperature, **self.counts,
        }  # fmt: skip


def make_accelerator(config: TrainingConfig) -> Accelerator:
    """Accelerate with the configured arithmetic; seeds, devices and sharding are the caller's environment. Raises ConfigError as `sharding_asked` does."""
    plugin = sharding_asked(config)
    accelerator = Accelerator(mixed_precision="bf16" if uses_bf16(config) else "no", cpu=not torch.cuda.is_available(), fsdp_plugin=plugin)
    accelerator.state.fsdp_plugin = plugin
    return accelerator


def train(
    encoder: Encoder, stream: Stream, config: TrainingConfig, accelerator: Accelerator, checkpoints: Checkpoints | None = None
) -> Generator[Step, None, float | None]:
    """Fine-tune the encoder's model in place, yielding each step as it is taken; with checkpoints, from the newest on. A sharded one is left sharded (`whole_model`).
    Gives back the temperature of the loss.

    A step is in a checkpoint only after whoever iterates has asked for the next one. Raises EncoderError before a step of numbers that are not finite.
    """
    torch.manual_seed(config.seed + accelerator.process_index)
    model = encoder.model.to(accelerator.device)
    choose_packing(model, config, accelerator)
    shard(model, accelerator)
    parameters = [each for each in model.parameters() if each.requires_grad]
    optimizer = AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)  # a sixth of the plain one's CPU seconds
    sightings = Sightings() if config.popularity == "learned" else None
    pool = AnswerPool(config.mining_pool, encoder.dimension, accelerator) if config.mined_negatives else None
    begun = checkpoints.resume(model, optimizer, sightings, pool) if checkpoints else Progress(temperature=config.temperature)
    temperature, began_at = begun.temperature, time.monotonic()
    for number, (batch, position) in enumerate(stream.batches(begun.position), begun.step + 1):
        share = share_of_step(encoder, batch, config.tokens_per_forward, accelerator)
        temperature = temperature or fitting_temperature(encoder, share, accelerator, loss_settings(config))
        log_chances = sightings.log_chances(share.answers) if sightings else None
        miner = miner_of_step(encoder, batch, share, pool, config, number) if pool else None
        loss = add_gradients(encoder, share, tokens_in_one_pass(config), accelerator, temperature, config.dropout, loss_settings(config), log_chances, miner)
        share = miner.share if miner else share
        norm = clip_gradients(parameters, config.max_gradient_norm)
        check_finite(number, loss=loss, gradient=norm)
        rate = stream.learning_rate(number)
        _take_step(optimizer, rate)
        yield Step(number, loss, rate, norm, temperature, _counts(share, time.monotonic() - began_at))
        if checkpoints:
            checkpoints.save_if_due(model, optimizer, Progress(number, temperature, position), sightings, pool, is_last=number == stream.steps)
        began_at = time.monotonic()
    return temperature


def miner_of_step(encoder: Encoder, batch: TrainingBatch, share: Share, pool: AnswerPool, config: TrainingConfig, number: int) -> Miner:
    """What looks for the hard negatives of a step, counted from 1; every `mining_steps` steps the pool's vectors are made anew before it."""
    if number > 1 and (number - 1) % config.mining_steps == 0:
        pool.refresh(encoder, config.tokens_per_forward)
    return Miner(encoder, batch, share, pool, MiningSettings(config.mined_negatives, config.mining_threshold), config.tokens_per_forward)


def tokens_in_one_pass(config: TrainingConfig) -> int:
    """Padded tokens of a process's texts up to which they go through the model once, with gradient, and not twice."""
    return config.tokens_per_forward if config.tokens_in_one_pass is None else config.tokens_in_one_pass


def check_finite(step: int, **numbers: float) -> None:
    """Raise EncoderError where one of a step's numbers is not finite: the weights are still those of the step before."""
    lost = [name for name, value in numbers.items() if not math.isfinite(value)]
    if lost:
        raise EncoderError(
            f"training: the {lost[0]} of step {step} is {numbers[lost[0]]}; nothing is registered. Lower trainer.learning_rate, set trainer.precision to "
            "'full', or choose another trainer.base_model"
        )


def loss_settings(config: TrainingConfig) -> LossSettings:
    """What the loss takes for a false negative, what repeated answers weigh, and which sizes it trains."""
    return LossSettings(config.margin, config.near_duplicate, config.popularity == "left_out", tuple(config.matryoshka))


def _take_step(optimizer: Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad()


def _counts(share: Share, seconds: float) -> dict[str, float]:
    """Of a step that took so long, waiting for its batch included."""
    negatives = negatives_by_nearness(share.relation, share.kinds, share.communities, share.times, NEAR_DAYS)
    return {**share.counts, **negatives, "tokens_per_second": share.counts["tokens"] / max(seconds, 1e-9)}
