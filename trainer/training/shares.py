"""Who encodes which answer of a step: each exactly once, on a process that holds its words, so that no process waits long for another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.training.masks import Numbers

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """What a process tells the others of its part of a step: tokens of its b histories (b,), its a answers, ascending, and their tokens (a,)."""

    query_tokens: Numbers
    answers: Numbers
    answer_tokens: Numbers


def encoders_of_answers(parts: Sequence[Part]) -> tuple[Numbers, Numbers]:
    """The step's distinct answers (A,), ascending, and the process that encodes each (A,).

    Histories lie where they were read, answers of one process alone there too. The others go, longest first, to where they add least to the squares of the
    processes' sums of n and of n^2, n being the tokens of a text: what a text costs grows with both, in shares that depend on the model.
    """
    answers, places = np.unique(np.concatenate([part.answers for part in parts]), return_inverse=True)
    holders = np.repeat(np.arange(len(parts)), [len(part.answers) for part in parts])
    held, tokens = np.zeros((len(parts), len(answers)), bool), np.zeros((len(parts), len(answers)), np.int64)
    held[holders, places], tokens[holders, places] = True, np.concatenate([part.answer_tokens for part in parts])
    encoders, shared = held.argmax(axis=0), held.sum(axis=0) > 1
    loads = np.array([_loads(part.query_tokens).sum(axis=0) for part in parts])
    np.add.at(loads, encoders[~shared], _loads(tokens.max(axis=0)[~shared]))
    totals = np.maximum(1, loads.sum(axis=0) + _loads(tokens.max(axis=0)[shared]).sum(axis=0))
    for answer in sorted(np.flatnonzero(shared), key=lambda answer: (-tokens[:, answer].max(), answer)):
        able = np.flatnonzero(held[:, answer])
        added = _loads(tokens[able, answer])
        chosen = (((2 * loads[able] + added) / totals) * (added / totals)).sum(axis=1).argmin()
        encoders[answer] = able[chosen]
        loads[able[chosen]] += added[chosen]
    return answers, encoders


def _loads(tokens: Numbers) -> Floats:
    """n and n^2 of each text, shape (T, 2)."""
    return np.stack([tokens, tokens**2], axis=1).astype(np.float64)
