"""Vectors -> contrastive loss and its gradients, strip by strip.

A strip is some queries against all answers of one kind. Its scores are made once, turned into the loss and into both gradients where they lie,
and thrown away: memory grows with B + A, never with B x A, and the arithmetic is that of the dense formula, without scores made twice.
Source of the idea: Gao et al. 2021, https://arxiv.org/abs/2101.06983 (the loss needs vectors alone, so its gradient can be had before the encoder's).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from conf.errors import ConfigError
from trainer.training.masks import Numbers, Pairs, Relation

Floats = NDArray[np.float64]

TEMPERATURES = [float(each) for each in np.geomspace(0.5, 0.01, 40)]
"""Those that are tried, softest first: a tenth apart."""
STRIP_SCORES = 2**24
"""Scores of a strip, 64 MiB in float32; a single query has more where there are more answers."""


@dataclass(frozen=True)
class LossSettings:
    """Which negatives are taken for false by their vectors, what repeated answers weigh, and which vectors are trained; by default none, as others, and the whole ones.

    `margin`: an answer whose cosine with a query exceeds that of the query's best positive of its kind by more than this is no negative of it. Sources: the Qwen3
    Embedding report, https://arxiv.org/abs/2506.05176 (0.1), as a mask in the batch; NV-Retriever, https://arxiv.org/abs/2407.15831 (-0.05), when mining.
    `near_duplicate`: an answer whose cosine with one of a query's positives of its kind is at least this is no negative of it: other people's words for the same.
    Both look at the vectors of this step, and no gradient goes through what they decide. `sizes`: prefixes of a vector that are trained beside the whole.

    `repeats`: an answer stands in the sum of all as often as it is a query's positive in the step, and not once. Where it stands once, whoever's it is, the encoder must learn how many people
    have it in order to score its positives, and what nearly everybody has done, which is nobody's negative either, is drawn near to all. Where it stands as often as it comes, that needs not be
    learnt: the score says how much likelier it is for this person than for anybody. Source: Menon et al. 2021, https://arxiv.org/abs/2007.07314, eq. 10 (logit adjustment), with
    the step's own counts for priors, which is what a plain loss over pairs (an answer in a column for each query that has it) comes to.
    """

    margin: float | None = None
    near_duplicate: float | None = None
    repeats: bool = False
    sizes: tuple[int, ...] = ()


PLAIN = LossSettings()


def loss_of_kinds(
    queries: Tensor, answers: Tensor, relation: Relation, kinds: Numbers, temperature: float, settings: LossSettings = PLAIN,
    *, weights: Floats | None = None, log_chances: Floats | None = None,
) -> Tensor:  # fmt: skip
    """Mean over kinds of the multi-positive InfoNCE loss of each query against all answers of that kind, a scalar.

    Shapes: queries (B, D); answers (A, D), distinct; kinds (A,), places in KINDS. All vectors are unit length, and B and A count all processes. A query without a
    positive of a kind counts nothing there, nor does a kind without any; without a positive at all the loss is 0. Kinds are apart because in one softmax
    a broad label would compete with the specific ones below it, of other people too, and masking those takes away the hardest negatives. An answer that is
    nobody's positive is a negative of every query that has not masked it: so stand hard negatives here, as in Karpukhin et al. 2020,
    https://arxiv.org/abs/2004.04906. Source of the loss: Khosla et al. 2020, eq. 2 (L_out), https://arxiv.org/abs/2004.11362.

    `weights` (P,), above 0, are grades of the pairs of `relation.positive` in their order; they count within a query and a kind, where they are made to
    sum to 1. `log_chances` (A,) are natural logarithms of the chance that an answer stands in such a step. They are taken from the scores (over the temperature) of
    negatives alone: each negative then stands for 1 / chance answers, so that the sum of exponentials estimates that over all answers there
    are. A positive is there whatever its chance, so it stands for itself. Sources: Yi et al. 2019, https://doi.org/10.1145/3298689.3346996; positives left as
    they are: Khrylchenko et al. 2025, https://arxiv.org/abs/2507.09331 (without its weights of queries).

    With `settings.sizes` it is the mean over those prefixes, brought to unit length, and the whole vectors; each prefix is masked by its own cosines. Source:
    Kusupati et al. 2022, https://arxiv.org/abs/2205.13147. Raises ConfigError on a size that the vectors do not have.
    """
    whole = queries.shape[1]
    if max(settings.sizes, default=0) > whole:
        raise ConfigError(f"trainer.matryoshka: {max(settings.sizes)} is more than the {whole} numbers of this encoder's vectors")
    parts = _parts(relation, kinds, weights, log_chances)
    sizes = sorted({*settings.sizes, whole})
    losses = [_Contrast.apply(_prefix(queries, size), _prefix(answers, size), parts, temperature, settings) for size in sizes]
    return losses[0] if len(losses) == 1 else torch.stack(losses).mean()


def best_temperature(
    queries: Tensor, answers: Tensor, relation: Relation, kinds: Numbers, settings: LossSettings = PLAIN,
    *, weights: Floats | None = None, log_chances: Floats | None = None,
) -> float:  # fmt: skip
    """The temperature of TEMPERATURES at which these vectors have the lowest loss; on ties the softest. Arguments as in `loss_of_kinds`.

    Where training begins at a sharper one, the loss is lowered fastest by letting all queries move towards their mean: what tells people apart
    shrinks, and what is common to all queries, an offset of each item, stays (benchmarks/RESULTS.md). How far cosines of a base spread
    is its own: a fixed number fits one base.
    """

    def loss(temperature: float) -> float:
        with torch.no_grad():
            return float(loss_of_kinds(queries, answers, relation, kinds, temperature, settings, weights=weights, log_chances=log_chances))

    return min(TEMPERATURES, key=loss)


@dataclass(frozen=True)
class _Part:
    """One kind of a step: its b queries (those with a positive of it) and a answers by their places in the step, and the pairs of both by places among these.

    `weights` (P,) of the positives sum to 1 in each query; `counts` (a,): of how many queries of the step each answer is a positive, 1 for none.
    """

    queries: Numbers
    answers: Numbers
    positive: Pairs
    weights: Floats
    masked: Pairs
    counts: Numbers
    log_chances: Floats | None


@dataclass(frozen=True)
class _Strip:
    """Some queries of a part, by their places in the step (b,); rows and columns of its positives and masked pairs, and the positives' weights."""

    queries: Tensor
    positive: tuple[Tensor, Tensor]
    weights: Tensor
    masked: tuple[Tensor, Tensor]


def _parts(relation: Relation, kinds: Numbers, weights: Floats | None, log_chances: Floats | None) -> list[_Part]:
    """The kinds that have a positive."""
    kinds_of_positives = kinds[relation.positive.answers]
    weights = np.ones(len(kinds_of_positives)) if weights is None else weights
    parts = []
    for kind in np.unique(kinds_of_positives):
        of_kind = kinds_of_positives == kind
        queries, answers = np.unique(relation.positive.queries[of_kind]), np.flatnonzero(kinds == kind)
        positive, masked = (_among(pairs, queries, answers, relation.shape) for pairs in (relation.positive, relation.masked))
        shares = weights[of_kind] / np.bincount(positive.queries, weights[of_kind])[positive.queries]
        counts = np.maximum(1, np.bincount(positive.answers, minlength=len(answers)))
        parts.append(_Part(queries, answers, positive, shares, masked, counts, None if log_chances is None else log_chances[answers]))
    return parts


def _among(pairs: Pairs, queries: Numbers, answers: Numbers, shape: tuple[int, int]) -> Pairs:
    """The pairs of these queries and answers, by their places among them."""
    places = [np.full(size, -1) for size in shape]
    for of_all, chosen in zip(places, (queries, answers), strict=True):
        of_all[chosen] = np.arange(len(chosen))
    rows, columns = places[0][pairs.queries], places[1][pairs.answers]
    kept = (rows >= 0) & (columns >= 0)
    return Pairs(rows[kept], columns[kept])


def _strips(part: _Part, like: Tensor) -> Iterator[_Strip]:
    """The part's queries in order, as tensors on the device of `like` and in its precision."""
    step = max(1, STRIP_SCORES // len(part.answers))
    for first in range(0, len(part.queries), step):
        end = min(first + step, len(part.queries))
        positive, masked = (slice(*np.searchsorted(pairs.queries, [first, end])) for pairs in (part.positive, part.masked))
        yield _Strip(
            torch.from_numpy(part.queries[first:end]).to(like.device),
            _cells(part.positive, positive, first, like.device),
            torch.from_numpy(part.weights[positive]).to(like),
            _cells(part.masked, masked, first, like.device),
        )


def _cells(pairs: Pairs, chosen: slice, first: int, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(pairs.queries[chosen] - first).to(device), torch.from_numpy(pairs.answers[chosen]).to(device)


class _Contrast(torch.autograd.Function):
    """The mean loss of parts; gradients are made together with it, where somebody wants them."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, answers: Tensor, parts: list[_Part], temperature: float, settings: LossSettings) -> Tensor:
        gradients = (torch.zeros_like(queries), torch.zeros_like(answers)) if any(ctx.needs_input_grad) else None
        loss = queries.new_zeros(())
        for part in parts:
            loss += _add_part(queries, answers, part, temperature, settings, 1 / len(parts), gradients)
        ctx.save_for_backward(*(gradients or ()))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        of_queries, of_answers = ctx.saved_tensors
        return gradient * of_queries, gradient * of_answers, None, None, None


def _add_part(
    queries: Tensor, answers: Tensor, part: _Part, temperature: float, settings: LossSettings, share: float, gradients: tuple[Tensor, Tensor] | None,
) -> Tensor:  # fmt: skip
    """`share` of the mean loss of the part's queries; its gradients are added to `gradients`, of all queries and all answers."""
    of_kind = torch.from_numpy(part.answers).to(queries.device)
    own_answers = answers[of_kind]
    own_gradients = torch.zeros_like(own_answers)
    log_chances = None if part.log_chances is None else torch.from_numpy(part.log_chances).to(queries)
    log_counts = torch.from_numpy(np.log(part.counts)).to(queries) if settings.repeats else None
    loss, of_each = queries.new_zeros(()), share / len(part.queries)
    for strip in _strips(part, queries):
        sharp_queries = queries[strip.queries] / temperature
        scores, own_scores = _scores(sharp_queries, own_answers, strip, log_chances, log_counts, temperature, settings)
        highest = scores.amax(dim=1, keepdim=True)
        sums = scores.sub_(highest).exp_().sum(dim=1, keepdim=True)
        log_sums = (highest + sums.log()).squeeze(1)
        loss += of_each * (strip.weights * (log_sums[strip.positive[0]] - own_scores)).sum()
        if gradients:
            of_scores = scores.mul_(of_each / sums)
            of_scores.index_put_(strip.positive, strip.weights * -of_each, accumulate=True)
            gradients[0].index_add_(0, strip.queries, of_scores @ own_answers, alpha=1 / temperature)
            own_gradients.addmm_(of_scores.T, sharp_queries)
    if gradients:
        gradients[1].index_copy_(0, of_kind, own_gradients)
    return loss


def _scores(
    sharp_queries: Tensor, answers: Tensor, strip: _Strip, log_chances: Tensor | None, log_counts: Tensor | None, temperature: float, settings: LossSettings,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Scores of a strip over the temperature (b, a), -inf where an answer is masked, and those of the positives. `sharp_queries` are over the temperature."""
    scores = sharp_queries @ answers.T
    own_scores = scores[strip.positive]
    _mask_false_negatives(scores, own_scores, answers, strip, temperature, settings)
    if log_chances is not None:
        scores -= log_chances
    if log_counts is not None:
        scores += log_counts
        own_scores = own_scores + log_counts[strip.positive[1]]
    scores[strip.masked] = -torch.inf
    scores[strip.positive] = own_scores
    return scores, own_scores


def _mask_false_negatives(scores: Tensor, own_scores: Tensor, answers: Tensor, strip: _Strip, temperature: float, settings: LossSettings) -> None:
    """Set scores (b, a) of answers that are no negatives by `settings` to -inf; positives among them too, whose scores are `own_scores`."""
    rows, columns = strip.positive
    if settings.margin is not None:
        best = scores.new_full((len(scores),), -torch.inf).scatter_reduce(0, rows, own_scores, "amax")
        scores.masked_fill_(scores > (best + settings.margin / temperature).unsqueeze(1), -torch.inf)
    if settings.near_duplicate is not None:
        hidden = torch.zeros_like(scores, dtype=torch.bool)
        starts = torch.searchsorted(rows, torch.arange(len(scores), device=rows.device))
        places = torch.arange(len(rows), device=rows.device) - starts[rows]
        for place in range(int(places.max()) + 1):
            chosen = places == place
            hidden[rows[chosen]] |= answers[columns[chosen]] @ answers.T >= settings.near_duplicate
        scores.masked_fill_(hidden, -torch.inf)


def _prefix(vectors: Tensor, size: int) -> Tensor:
    """The first `size` numbers of vectors, at unit length."""
    return vectors if size == vectors.shape[1] else torch.nn.functional.normalize(vectors[:, :size], dim=1)
