"""Answers that stood in the steps lately, their words and vectors: where hard negatives are looked for.

Which answers are in the pool, in which order and with which vectors, is the same in all processes; the words of each are held by the one that encoded it last, so
that words travel here as little as in a step. What a run does next follows from the pool, so all of it is in its checkpoints.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from lake.encoder import Encoder
from lake.examples import KINDS
from lake.token_batches import token_batches
from trainer.training.masks import Numbers, kinds_of
from trainer.training.packing import is_packing
from trainer.training.towers import embed, passes_together, token_counts


class AnswerPool:
    """Up to `size` answers of each kind, those seen longest ago first.

    Shapes: `numbers` (P,) of answers as in `trainer.training.masks`, `holders` (P,) the process that has the words of each, `vectors` (P, D); `words` are
    those of this process alone.
    """

    def __init__(self, size: int, dimension: int, accelerator: Accelerator) -> None:
        self.size, self.accelerator = size, accelerator
        self.numbers: Numbers = np.zeros(0, np.int64)
        self.holders: Numbers = np.zeros(0, np.int64)
        self.vectors = torch.zeros(0, dimension, device=accelerator.device)
        self.words: dict[int, str] = {}

    def put(self, answers: Numbers, holders: Numbers, vectors: Tensor, words: Mapping[int, str]) -> None:
        """Take in a step's distinct answers (A,), vectors (A, D); of those that are there already words and vectors are replaced. `words` are this process's."""
        old = np.flatnonzero(~np.isin(self.numbers, answers))
        numbers, owners = np.concatenate([self.numbers[old], answers]), np.concatenate([self.holders[old], holders])
        kept = _newest_of_kinds(numbers, self.size)
        all_vectors = torch.cat([self.vectors[torch.from_numpy(old).to(self.vectors.device)], vectors.detach()])
        self.numbers, self.holders, self.vectors = numbers[kept], owners[kept], all_vectors[torch.from_numpy(kept).to(all_vectors.device)]
        known = self.words | dict(words)
        self.words = {number: known[number] for number in self.numbers[self.holders == self.accelerator.process_index].tolist()}

    def refresh(self, encoder: Encoder, tokens_per_forward: int) -> None:
        """Make all vectors anew by the encoder as it is, dropout off; each process those whose words it holds."""
        encoder.model.eval()
        own = np.flatnonzero(self.holders == self.accelerator.process_index)
        texts = {place: answer_text(encoder, int(self.numbers[place]), self.words[int(self.numbers[place])]) for place in own.tolist()}
        tokens = dict(zip(texts, token_counts(encoder, list(texts.values())).tolist(), strict=True))
        vectors = torch.zeros_like(self.vectors)
        with torch.no_grad():
            groups = token_batches(tokens, tokens_per_forward, is_packing(encoder.model))
            for rows in passes_together(encoder.model, groups, texts, self.accelerator):
                vectors[rows] = embed(encoder.model, [texts[row] for row in rows], self.accelerator)
        self.vectors = self.accelerator.reduce(vectors, reduction="sum")

    def state(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint keeps but for words."""
        return {"numbers": self.numbers, "holders": self.holders, "vectors": self.vectors.cpu().numpy()}

    def own_words(self) -> NDArray[np.uint8]:
        """What a checkpoint keeps of this process's words."""
        return np.frombuffer(json.dumps(list(self.words.items())).encode(), np.uint8)

    def set_state(self, state: Mapping[str, NDArray[Any]], own_words: NDArray[np.uint8]) -> None:
        """Go on from what a checkpoint kept."""
        self.numbers, self.holders = np.array(state["numbers"], np.int64), np.array(state["holders"], np.int64)
        self.vectors = torch.from_numpy(np.array(state["vectors"])).to(self.vectors)
        self.words = dict(json.loads(own_words.tobytes()))


def answer_text(encoder: Encoder, number: int, words: str) -> str:
    """An answer as it is encoded."""
    return encoder.card.prompt(KINDS[int(kinds_of(np.array(number)))]) + words


def _newest_of_kinds(numbers: Numbers, size: int) -> Numbers:
    """Places of the last `size` of each kind, ascending."""
    kinds = kinds_of(numbers)
    return np.sort(np.concatenate([np.zeros(0, np.int64), *(np.flatnonzero(kinds == kind)[-size:] for kind in np.unique(kinds))]))
