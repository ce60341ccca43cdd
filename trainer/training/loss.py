"""Vectors -> contrastive loss."""

import numpy as np
import torch
from torch import Tensor

from trainer.training.masks import MASKED, POSITIVE, Numbers, Relation

TEMPERATURES = [float(each) for each in np.geomspace(0.5, 0.01, 40)]
"""Those that are tried, softest first: a tenth apart."""


def contrastive_loss(queries: Tensor, answers: Tensor, relation: Tensor, temperature: float) -> Tensor:
    """Mean multi-positive InfoNCE loss of each query against all distinct answers, a scalar.

    Shapes: queries (B, D); answers (A, D); relation (B, A), POSITIVE, NEGATIVE or MASKED. All vectors are unit length, and B
    and A count all processes. A query without a positive counts nothing; without any such query the loss is 0.
    Source: Khosla et al. 2020, eq. 2 (L_out).
    """
    positive = relation == POSITIVE
    scores = (queries @ answers.T / temperature).masked_fill(relation == MASKED, -torch.inf)
    counted = positive.any(dim=1)
    if not counted.any():
        return (queries.sum() + answers.sum()) * 0.0
    scores, positive = scores[counted], positive[counted]
    log_chances = scores - scores.logsumexp(dim=1, keepdim=True)
    per_query = -log_chances.masked_fill(~positive, 0.0).sum(dim=1) / positive.sum(dim=1)
    return per_query.mean()


def loss_of_kinds(queries: Tensor, answers: Tensor, relation: Relation, kinds: Numbers, temperature: float) -> Tensor:
    """Mean over kinds of the contrastive loss among the answers of that kind alone, a scalar. A kind without a positive counts nothing.

    Shapes as in `contrastive_loss`; kinds (A,) are places in KINDS. In one softmax over all kinds a broad label would compete with the
    specific ones below it, of other people too, and masking those takes away the hardest negatives.
    """
    related = torch.from_numpy(relation.dense()).to(queries.device)
    of_kinds = [torch.from_numpy(kinds == kind).to(queries.device) for kind in np.unique(kinds)]
    asked = [chosen for chosen in of_kinds if (related[:, chosen] == POSITIVE).any()]
    if not asked:
        return contrastive_loss(queries, answers, related, temperature)
    return torch.stack([contrastive_loss(queries, answers[chosen], related[:, chosen], temperature) for chosen in asked]).mean()


def best_temperature(queries: Tensor, answers: Tensor, relation: Relation, kinds: Numbers) -> float:
    """The temperature of TEMPERATURES at which these vectors have the lowest loss; on ties the softest. Shapes as in `loss_of_kinds`.

    Where training begins at a sharper one, the loss is lowered fastest by letting all queries move towards their mean: what tells people apart
    shrinks, and what is common to all queries, an offset of each item, stays (benchmarks/RESULTS.md). How far cosines of a base spread
    is its own: a fixed number fits one base.
    """
    return min(TEMPERATURES, key=lambda temperature: float(loss_of_kinds(queries, answers, relation, kinds, temperature)))
