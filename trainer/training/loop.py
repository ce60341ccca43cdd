"""The training loop on 1 to N processes, with cached gradients and negatives of all processes.

The model is not wrapped in DDP: each process embeds its share of the texts of one global batch, all vectors meet in an all-reduce, every
process computes the same loss of them, and parameter gradients are summed. So N processes take the step that one would take, whatever the
shares, and neither the batch nor a query's negatives are bounded by memory. Dropout stays off (the model is in eval mode): both passes of the
cached gradient, and one process and many, must see the same function. Source: Gao et al. 2021, https://arxiv.org/abs/2101.06983.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from sentence_transformers import SentenceTransformer
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from conf.errors import EncoderError
from lake.encoder import Encoder
from lake.examples import KINDS
from trainer.config import TrainingConfig
from trainer.fingerprint import uses_bf16
from trainer.training.batches import TrainingBatch, TrainingSet, epoch_batches, epoch_steps
from trainer.training.loss import best_temperature, loss_of_kinds
from trainer.training.masks import Numbers, Relation, kinds_of, relation
from trainer.training.packing import choose_packing
from trainer.training.towers import embed, token_batches


@dataclass(frozen=True)
class Step:
    """One step that was taken, counted from 1 over all epochs."""

    epoch: int
    number: int
    loss: float
    learning_rate: float
    gradient_norm: float
    temperature: float


def make_accelerator(config: TrainingConfig) -> Accelerator:
    """Accelerate with the configured arithmetic; seeds and devices are the caller's environment."""
    return Accelerator(mixed_precision="bf16" if uses_bf16(config) else "no", cpu=not torch.cuda.is_available())


def total_steps(training: TrainingSet, config: TrainingConfig) -> int:
    """Steps of the whole training."""
    return config.epochs * epoch_steps(len(training), config.people_per_batch)


def train(encoder: Encoder, training: TrainingSet, config: TrainingConfig, accelerator: Accelerator) -> Iterator[Step]:
    """Fine-tune the encoder's model in place, yielding each step as it is taken. Raises EncoderError before a step of numbers that are not finite."""
    torch.manual_seed(config.seed)
    model = encoder.model.to(accelerator.device).eval()
    choose_packing(model, config, accelerator)
    parameters = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = _warm_up_and_decay(optimizer, total_steps(training, config), config.warmup_share)
    number, temperature = 0, config.temperature
    for epoch in range(config.epochs):
        for batch in epoch_batches(training, config.people_per_batch, config.answers_per_query, config.seed, epoch):
            number += 1
            temperature = temperature or fitting_temperature(encoder, batch, config, accelerator)
            loss = add_gradients(encoder, batch, config, accelerator, temperature)
            norm = float(torch.nn.utils.clip_grad_norm_(parameters, config.max_gradient_norm))
            check_finite(number, loss=loss, gradient=norm)
            rate = float(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            yield Step(epoch + 1, number, loss, rate, norm, temperature)


def check_finite(step: int, **numbers: float) -> None:
    """Raise EncoderError where one of a step's numbers is not finite: the weights are still those of the step before."""
    lost = [name for name, value in numbers.items() if not math.isfinite(value)]
    if lost:
        raise EncoderError(
            f"training: the {lost[0]} of step {step} is {numbers[lost[0]]}; nothing is registered. Lower trainer.learning_rate, set trainer.precision to "
            "'full', or choose another trainer.base_model"
        )


def fitting_temperature(encoder: Encoder, batch: TrainingBatch, config: TrainingConfig, accelerator: Accelerator) -> float:
    """The temperature at which the encoder's scores of a global batch, as it is, fit best; the same on each process."""
    texts = _own_texts(encoder, batch, accelerator)
    vectors = _all_vectors(encoder, texts, token_batches(encoder, texts, config.tokens_per_forward), batch, accelerator)
    return best_temperature(*_queries_and_answers(vectors, batch), *_relation_and_kinds(batch))


def add_gradients(
    encoder: Encoder, batch: TrainingBatch, config: TrainingConfig, accelerator: Accelerator, temperature: float
) -> float:  # fmt: skip
    """The loss of a global batch; its gradient is set on each process's parameters alike."""
    texts = _own_texts(encoder, batch, accelerator)
    groups = token_batches(encoder, texts, config.tokens_per_forward)
    vectors = _all_vectors(encoder, texts, groups, batch, accelerator).requires_grad_()
    loss = loss_of_kinds(*_queries_and_answers(vectors, batch), *_relation_and_kinds(batch), temperature)
    (gradient,) = torch.autograd.grad(loss, vectors)
    for rows in groups:
        (embed(encoder.model, [texts[row] for row in rows], accelerator) * gradient[rows]).sum().backward()
    _sum_gradients(encoder.model, accelerator)
    return float(loss.item())


def _own_texts(encoder: Encoder, batch: TrainingBatch, accelerator: Accelerator) -> dict[int, str]:
    """This process's share of the texts by their row in the batch's vectors (queries, then answers); histories are rendered here, once."""
    prompts = encoder.card.prompts
    kinds, texts = kinds_of(batch.answers), {}
    for query in range(accelerator.process_index, len(batch.histories), accelerator.num_processes):
        texts[query] = prompts.get("query", "") + encoder.history_text(batch.histories[query])[0]
    for answer in range(accelerator.process_index, len(batch.answers), accelerator.num_processes):
        texts[len(batch.histories) + answer] = prompts.get(KINDS[kinds[answer]], "") + batch.texts[answer]
    return texts


def _all_vectors(encoder: Encoder, texts: Mapping[int, str], groups: Sequence[list[int]], batch: TrainingBatch, accelerator: Accelerator) -> Tensor:
    """Vectors of the batch's queries, then its answers, without gradient, (B + A, D): each process embeds its own texts, all get the sum."""
    vectors = torch.zeros(len(batch.histories) + len(batch.answers), encoder.dimension, device=accelerator.device)
    with torch.no_grad():
        for rows in groups:
            vectors[rows] = embed(encoder.model, [texts[row] for row in rows], accelerator)
    return accelerator.reduce(vectors, reduction="sum")


def _queries_and_answers(vectors: Tensor, batch: TrainingBatch) -> tuple[Tensor, Tensor]:
    queries, answers = vectors.split([len(batch.histories), len(batch.answers)])
    return queries, answers


def _relation_and_kinds(batch: TrainingBatch) -> tuple[Relation, Numbers]:
    return relation(batch.positives, batch.done, batch.answers), kinds_of(batch.answers)


def _sum_gradients(model: SentenceTransformer, accelerator: Accelerator) -> None:
    """Each parameter's gradient summed over processes; one that a process did not touch counts as zero there."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = accelerator.reduce(own, reduction="sum")


def _warm_up_and_decay(optimizer: torch.optim.Optimizer, steps: int, warmup_share: float) -> LambdaLR:
    warmup = round(steps * warmup_share)

    def factor(step: int) -> float:
        return (step + 1) / (warmup + 1) if step < warmup else (steps - step) / max(1, steps - warmup)

    return LambdaLR(optimizer, factor)
