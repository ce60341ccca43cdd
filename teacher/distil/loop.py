"""The training of a small causal language model on lessons: one process, one device, gone on with from a checkpoint.

Loss is taken of the tokens of answers alone, and only for them are the chances of the next token computed: a small model has more numbers in its table of words than in a quarter of its layers.
Nothing is left to chance but the order of lessons, which the seed decides: dropout is off. So a run that was killed goes on to the same weights.

Of Accelerate this uses the device and the arithmetic of the forward pass (autocast); models of this size need no second process.

Shape letters: B lessons of a batch, L tokens, V words of the vocabulary.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import AdamW

from conf.errors import TeacherError
from teacher.config import DistilConfig
from teacher.distil.batches import all_batches, epoch_batches
from teacher.distil.checkpoints import Checkpoints
from teacher.distil.lessons import Lesson, Lessons, tokens_of_lessons

IGNORED = -100
"""In place of a token that is not learned."""


@dataclass(frozen=True)
class Step:
    """One step that was taken, counted from 1 of `of`; the held-out loss where it was looked at after it."""

    number: int
    of: int
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens_per_second: float
    held_out_loss: float | None = None

    def metrics(self) -> dict[str, float]:
        """What of it is logged, by name."""
        names = ("loss", "learning_rate", "gradient_norm", "tokens_per_second", "held_out_loss")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def make_accelerator(config: DistilConfig) -> Accelerator:
    """Accelerate with the configured arithmetic, on a GPU where there is one."""
    return Accelerator(mixed_precision="bf16" if uses_bf16(config) else "no", cpu=not torch.cuda.is_available())


def uses_bf16(config: DistilConfig) -> bool:
    """Whether the forward pass is computed in bf16 on this machine."""
    if config.precision != "auto":
        return config.precision == "bf16"
    return torch.cuda.is_available() or _processor_has_bf16()


def _processor_has_bf16() -> bool:
    try:
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    except AttributeError:
        return False


def train(model: Any, lessons: Lessons, config: DistilConfig, accelerator: Accelerator, checkpoints: Checkpoints) -> Iterator[Step]:
    """Fine-tune the model in place, yielding each step as it is taken, from the newest checkpoint on; when it ends, the model is the one of the lowest held-out loss.

    It ends early where `patience` looks at that loss in a row found none lower, or `hours` are over. Raises TeacherError before a step of numbers that are not finite.
    """
    model.to(accelerator.device).eval()  # eval: without dropout
    steps = all_batches(lessons.learned, config.tokens_per_step, config.seed, config.epochs)
    optimizer = AdamW([each for each in model.parameters() if each.requires_grad], lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    progress = checkpoints.resume(model, optimizer)
    watched, until = lessons.held_out[: config.loss_contents], time.monotonic() + 3600 * (config.hours or math.inf)
    for number, batch in enumerate(steps[progress.step :], progress.step + 1):
        if progress.looks_without_gain >= config.patience:
            break
        step = _take_step(model, optimizer, batch, config, accelerator, number, len(steps))
        if number % config.evaluation_steps == 0 or number == len(steps):
            progress = progress.after_look(number, held_out_loss(model, watched, config.tokens_per_step, accelerator))
            checkpoints.save(model, optimizer, progress)
            step = replace(step, held_out_loss=progress.newest_loss)
        yield step
        if step.held_out_loss is not None and time.monotonic() > until:
            break
    checkpoints.load_best(model, progress)


def learned_until(lessons: Lessons, config: DistilConfig, step: int) -> int:
    """How many contents a training has learned from after so many steps."""
    steps = all_batches(lessons.learned, config.tokens_per_step, config.seed, config.epochs)
    return len({lesson.content for batch in steps[:step] for lesson in batch})


def _take_step(model: Any, optimizer: AdamW, batch: Sequence[Lesson], config: DistilConfig, accelerator: Accelerator, number: int, of: int) -> Step:
    began_at = time.monotonic()
    loss = loss_sum(model, batch, accelerator) / sum(len(lesson.answer) for lesson in batch)
    loss.backward()
    norm, value = float(torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_gradient_norm)), float(loss.detach())
    _check_finite(number, loss=value, gradient=norm)
    rate = learning_rate(number, of, config)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad()
    return Step(number, of, value, rate, norm, tokens_of_lessons(batch) / max(time.monotonic() - began_at, 1e-9))


def learning_rate(step: int, of: int, config: DistilConfig) -> float:
    """The rate of a step, counted from 1: a straight line up, then half a cosine down to nothing."""
    rising = math.ceil(config.warmup_share * of)
    if step <= rising:
        return config.learning_rate * step / rising
    return config.learning_rate * (1 + math.cos(math.pi * (step - rising) / max(1, of - rising + 1))) / 2


def held_out_loss(model: Any, lessons: Sequence[Lesson], max_tokens: int, accelerator: Accelerator) -> float:
    """Mean loss of a token of an answer."""
    with torch.no_grad():
        total = sum(float(loss_sum(model, batch, accelerator)) for batch in epoch_batches(lessons, max_tokens, 0, 0))
    return total / sum(len(lesson.answer) for lesson in lessons)


def loss_sum(model: Any, batch: Sequence[Lesson], accelerator: Accelerator) -> Tensor:
    """Sum over all tokens of answers of how little the model expected them, a scalar."""
    tokens, mask, expected = (each.to(accelerator.device) for each in padded(batch))
    written = (expected != IGNORED).any(dim=0).nonzero().squeeze(1)  # places at which some lesson has a token of its answer
    with accelerator.autocast():
        chances = model(tokens, attention_mask=mask, use_cache=False, logits_to_keep=written).logits  # (B, places, V)
    return cross_entropy(chances.flatten(0, 1).float(), expected[:, written].flatten(), ignore_index=IGNORED, reduction="sum")


def padded(batch: Sequence[Lesson]) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, mask and what is expected next at each place, IGNORED where it is no token of an answer; each (B, L), padded on the right."""
    length = max(lesson.length for lesson in batch)
    tokens, mask = torch.zeros((len(batch), length), dtype=torch.long), torch.zeros((len(batch), length), dtype=torch.long)
    expected = torch.full((len(batch), length), IGNORED)
    for row, lesson in enumerate(batch):
        tokens[row, : lesson.length] = torch.tensor(lesson.question + lesson.answer)
        mask[row, : lesson.length] = 1
        expected[row, len(lesson.question) - 1 : lesson.length - 1] = torch.tensor(lesson.answer)
    return tokens, mask, expected


def _check_finite(step: int, **numbers: float) -> None:
    lost = [name for name, value in numbers.items() if not math.isfinite(value)]
    if lost:
        raise TeacherError(
            f"distil: the {lost[0]} of step {step} is {numbers[lost[0]]}; nothing is registered. Lower teacher.distil.learning_rate, set teacher.distil.precision to 'full', "
            "or choose another teacher.distil.base"
        )
