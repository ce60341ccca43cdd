"""Vectors -> contrastive loss."""

import torch
from torch import Tensor

from trainer.masks import MASKED, POSITIVE


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
