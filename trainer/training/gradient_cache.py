"""The loss of a step and its gradient, whatever the number of texts: memory holds one micro-batch, and every vector meets every other.

Vectors are made micro-batch by micro-batch without gradient, the loss gives each vector's gradient, and each micro-batch goes through the model
again to bring it to the weights. The second time random numbers are those of the first, so that dropout drops the same. A process whose
texts are few keeps their graphs and spares the second time: each decides for itself, the numbers are the same. Where processes share the model
(`sharding`) they decide together, and a process with fewer micro-batches goes through it with empty ones.
Source: Gao et al. 2021, https://arxiv.org/abs/2101.06983.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn import Parameter

from lake.encoder import Encoder
from trainer.training.loss import PLAIN, Floats, LossSettings, best_temperature, loss_of_kinds
from trainer.training.mining import Miner
from trainer.training.random_states import RandomStates, random_states, replayed
from trainer.training.sharding import is_sharded, largest
from trainer.training.step import Share
from trainer.training.towers import embed, passes_together

SOFTEST = 0.16
"""Where a base cannot tell a step's answers apart at all (titles that people of one community and time enter), the best fit is no contrast, from which nothing
is learnt. This is the softest that fitted a base's scores of labels (benchmarks/RESULTS.md)."""
BUCKET_NUMBERS = 2**26
"""Numbers of a bucket of gradients, 256 MiB in float32: what is reduced at once; a longer parameter has one for itself."""


@dataclass(frozen=True)
class Pass:
    """One micro-batch that went through the model: its vectors, with or without their graph, and the random states before."""

    rows: list[int]
    vectors: Tensor
    states: RandomStates


def add_gradients(
    encoder: Encoder, share: Share, tokens_in_one_pass: int, accelerator: Accelerator, temperature: float, dropout: bool = False,
    settings: LossSettings = PLAIN, log_chances: Floats | None = None, miner: Miner | None = None,
) -> float:  # fmt: skip
    """The loss of a step; its gradient is set on each process's parameters alike. `settings` and `log_chances` as in `loss_of_kinds`.

    With a miner hard negatives join the step between the passes; nothing is taken from their scores, since they are there by choice and not by chance.
    """
    encoder.model.train(dropout)
    passes = first_passes(encoder, share, keeps_graphs(encoder, share, tokens_in_one_pass, accelerator), accelerator)
    vectors = all_vectors(passes, share, encoder.dimension, accelerator)
    if miner is not None:
        answers_before, taken = len(share.answers), len(share.own.rows)
        share = miner.extend(vectors)
        passes += first_passes(encoder, share, keeps_graphs(encoder, share, tokens_in_one_pass, accelerator), accelerator, taken)
        vectors = all_vectors(passes, share, encoder.dimension, accelerator)
        share = miner.mask_too_near(vectors, answers_before)
        log_chances = None if log_chances is None else np.concatenate([log_chances, np.zeros(len(share.answers) - answers_before)])
    vectors.requires_grad_()
    queries, answers = vectors.split(share.relation.shape)
    loss = loss_of_kinds(queries, answers, share.relation, share.kinds, temperature, settings, weights=share.weights, log_chances=log_chances)
    (gradient,) = torch.autograd.grad(loss, vectors)
    for each in passes:
        again = each.vectors if each.vectors.requires_grad else _second_pass(encoder, share, each, accelerator)
        again.backward(gradient[each.rows])
    trained = [each for each in encoder.model.parameters() if each.requires_grad]
    if is_sharded(encoder.model):
        fill_gradients(trained)  # each pass has summed its own already
    else:
        sum_gradients(trained, accelerator)
    return float(loss.item())


def fitting_temperature(encoder: Encoder, share: Share, accelerator: Accelerator, settings: LossSettings = PLAIN) -> float:
    """The temperature at which the encoder's scores of a step, as it is, fit best, none softer than SOFTEST; the same on each process. Dropout is off."""
    encoder.model.eval()
    vectors = all_vectors(first_passes(encoder, share, False, accelerator), share, encoder.dimension, accelerator)
    queries, answers = vectors.split(share.relation.shape)
    return min(SOFTEST, best_temperature(queries, answers, share.relation, share.kinds, settings, weights=share.weights))


def keeps_graphs(encoder: Encoder, share: Share, tokens_in_one_pass: int, accelerator: Accelerator) -> bool:
    """Whether this process's texts are few enough to go through the model once; those of all where they share the model."""
    return not largest(share.own.computed_tokens > tokens_in_one_pass, encoder.model, accelerator)


def first_passes(encoder: Encoder, share: Share, keeps: bool, accelerator: Accelerator, taken: int = 0) -> list[Pass]:
    """This process's micro-batches but for the first `taken`, each once through the model, whose graph is kept or not."""
    passes = []
    with torch.set_grad_enabled(keeps):
        for rows in passes_together(encoder.model, share.own.rows[taken:], share.own.texts, accelerator):
            states = random_states(accelerator.device)
            passes.append(Pass(rows, _vectors(encoder, share, rows, accelerator), states))
    return passes


def all_vectors(passes: Iterable[Pass], share: Share, dimension: int, accelerator: Accelerator) -> Tensor:
    """Vectors of the step's queries, then its answers, without gradient, (B + A, D): each process knows its own rows, all get the sum."""
    vectors = torch.zeros(sum(share.relation.shape), dimension, device=accelerator.device)
    for each in passes:
        vectors[each.rows] = each.vectors.detach()
    return accelerator.reduce(vectors, reduction="sum")


def sum_gradients(parameters: Iterable[Parameter], accelerator: Accelerator) -> None:
    """Each parameter's gradient summed over processes, in few large reductions; one that a process did not touch counts as zero there."""
    for bucket in _buckets(parameters):
        fill_gradients(bucket)
        if accelerator.num_processes > 1:
            gradients = [each.grad for each in bucket if each.grad is not None]
            summed = accelerator.reduce(torch.cat([each.flatten() for each in gradients]), reduction="sum")
            for gradient, numbers in zip(gradients, summed.split([each.numel() for each in gradients]), strict=True):
                gradient.copy_(numbers.view_as(gradient))


def fill_gradients(parameters: Iterable[Parameter]) -> None:
    """Set the gradient of parameters that no text went through to zero."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)


def _second_pass(encoder: Encoder, share: Share, first: Pass, accelerator: Accelerator) -> Tensor:
    """The vectors of the first pass, with their graph."""
    with replayed(first.states, accelerator.device):
        return _vectors(encoder, share, first.rows, accelerator)


def _vectors(encoder: Encoder, share: Share, rows: list[int], accelerator: Accelerator) -> Tensor:
    return embed(encoder.model, [share.own.texts[row] for row in rows], accelerator)


def _buckets(parameters: Iterable[Parameter]) -> Iterator[list[Parameter]]:
    """Parameters of one dtype in turn, BUCKET_NUMBERS numbers together."""
    bucket: list[Parameter] = []
    for parameter in parameters:
        is_full = sum(each.numel() for each in bucket) + parameter.numel() > BUCKET_NUMBERS
        if bucket and (is_full or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(parameter)
    if bucket:
        yield bucket
