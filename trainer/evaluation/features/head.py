"""What makes of vectors a guess: one small network, the same for every row and every task, that is never told about the people it is asked about.

Settings are these constants, and nothing is tuned to a task: one hidden layer, inputs made mean 0 and spread 1 by the people trained on, so many steps of AdamW over all of them at once.
Vectors are of hundreds of numbers and people are hundreds, so it is the early end that keeps it from learning people by heart. The steps were chosen on invented vectors, where 60 at 3e-3 were as good as
any tried, and weight decay from 0.3 to 10 made no difference.

Shape letters: P people, N of them trained on, D numbers of a vector, K classes, F heads, H hidden numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import nll_loss

from trainer.evaluation.metrics import check_numbers

HIDDEN, STEPS, LEARNING_RATE, WEIGHT_DECAY = 64, 60, 3e-3, 0.3
LOGISTIC_C, LOGISTIC_STEPS = 10.0, 300
"""Of the logistic regression that reads words: one over its weight decay, and its steps at most."""
NO_SPREAD = 1e-6
"""Of a number that is the same for everybody trained on; it tells nothing."""
Head = Callable[[Any, np.ndarray, Sequence[np.ndarray], int], np.ndarray]
"""Vectors (P, D), classes (P,) from 0, whom each head is trained on (F times indexes), seed -> logarithms (F, P, K) of the chances of each class."""


def stratified_folds(target: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold (P,) of each person, drawn by the seed; each class (target (P,), from 0) is spread over all folds as evenly as can be."""
    order = np.random.default_rng(seed).permutation(len(target))
    fold = np.empty(len(target), np.int64)
    fold[order[np.argsort(target[order], kind="stable")]] = np.arange(len(target)) % folds
    return fold


def out_of_fold_scores(head: Head, inputs: Any, target: np.ndarray, folds: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores (3, P, K) of everybody by heads trained on other folds: on all of these people, on one half of them, and on the other; and the folds (P,). The same for the same seed."""
    dealt = stratified_folds(target, 2 * folds, seed)
    fold, half = dealt % folds, dealt // folds
    of_all = head(inputs, target, [np.flatnonzero(fold != number) for number in range(folds)], seed)
    of_halves = head(inputs, target, [np.flatnonzero((fold != number) & (half == side)) for side in (0, 1) for number in range(folds)], seed)
    everybody = np.arange(len(target))
    return np.stack([of_all[fold, everybody], of_halves[fold, everybody], of_halves[folds + fold, everybody]]), fold


def network_scores(inputs: np.ndarray, target: np.ndarray, trained: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """The head of all rows but of words. All heads are trained side by side, and have nothing in common but where they begin. Raises ValueError for vectors that are no numbers."""
    check_numbers(inputs)
    vectors, places, weights = torch.from_numpy(inputs).float(), *_padded(trained)
    mean, scale = _standard(vectors[places], weights)
    learnt, wanted = (vectors[places] - mean) * scale, torch.from_numpy(target)[places]
    layers = _first_layers(len(trained), inputs.shape[1], int(target.max()) + 1, seed)
    optimizer = torch.optim.AdamW(layers, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(STEPS):
        loss = (nll_loss(_log_chances(learnt, layers).transpose(1, 2), wanted, reduction="none") * weights).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return _log_chances((vectors - mean) * scale, layers).numpy()


def _padded(trained: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Indexes (F, N) of whom each head is trained on, and what each weighs (F, N): 0 where a head has fewer than another."""
    longest = max(map(len, trained))
    places = np.stack([np.resize(people, longest) for people in trained])
    weights = np.stack([(np.arange(longest) < len(people)) / len(people) for people in trained])
    return torch.from_numpy(places), torch.from_numpy(weights).float()


def _standard(learnt: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and one over the spread, (F, 1, D) each, of inputs (F, N, D); 0 in the place of the latter where these are all alike."""
    mean = (weights[:, :, None] * learnt).sum(dim=1, keepdim=True)
    spread = (weights[:, :, None] * (learnt - mean) ** 2).sum(dim=1, keepdim=True).sqrt()
    return mean, torch.where(spread > NO_SPREAD * (1 + mean.abs()), 1 / spread, 0.0)


def _first_layers(heads: int, size: int, classes: int, seed: int) -> list[torch.Tensor]:
    """Weights and offsets of both layers, (F, D, H), (F, 1, H), (F, H, K), (F, 1, K), alike in all heads; no class is preferred yet."""
    drawn = torch.randn(size, HIDDEN, generator=torch.Generator().manual_seed(seed)) / size**0.5
    layers = (drawn, torch.zeros(1, HIDDEN), torch.zeros(HIDDEN, classes), torch.zeros(1, classes))
    return [layer.repeat(heads, 1, 1).requires_grad_() for layer in layers]


def _log_chances(inputs: torch.Tensor, layers: Sequence[torch.Tensor]) -> torch.Tensor:
    """(F, N, K)."""
    first, first_offset, second, second_offset = layers
    return torch.log_softmax(torch.relu(inputs @ first + first_offset) @ second + second_offset, dim=2)


def logistic_scores(inputs: csr_matrix, target: np.ndarray, trained: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """The head that reads words, which are many and mostly absent: logistic regression. A class that a head never met has no chance."""
    scores = np.full((len(trained), len(target), int(target.max()) + 1), -np.inf)
    for of_head, people in zip(scores, trained, strict=True):
        met = np.unique(target[people])
        of_head[:, met] = 0.0
        if len(met) > 1:
            model = LogisticRegression(C=LOGISTIC_C, max_iter=LOGISTIC_STEPS, random_state=seed).fit(inputs[people], target[people])
            with np.errstate(divide="ignore"):  # a chance too small for a number is none
                of_head[:, met] = model.predict_log_proba(inputs)
    return scores
