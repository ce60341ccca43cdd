"""How popular answers are, learnt while training, and what of it the encoder is to learn.

The score that a contrastive loss teaches is how much likelier an answer is for this person than among the negatives that it stood against. What stands in a step is every answer
once, whether one person's or everybody's, and what everybody did is nobody's negative: so an encoder left alone learns which answers are popular as well, and
a category that nearly everybody has is pulled to all alike. `trainer.popularity` says what to do about it:
- `sampled`: nothing.
- `learned`: negatives weigh by one over their chance to stand in a step, so that scores come to say how likely an answer is among all answers. Source: Yi et al. 2019,
  https://doi.org/10.1145/3298689.3346996, section 4; there a moving average, for a stream that changes; here the plain share, since the tables of a training stay as they are. A positive
  is there whatever its chance, so it stands for itself: Khrylchenko et al. 2025, https://arxiv.org/abs/2507.09331 (without its weights of queries).
- `left_out`: the logarithm of how often an answer was a positive is added to its score in the loss alone, so that scores come to say how much likelier it is for this person than for anybody.
  Source: Menon et al. 2021, https://arxiv.org/abs/2007.07314, eq. 10 (logit adjustment), with counts of training so far for the priors.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.config import Popularity
from trainer.training.masks import Numbers, Relation

PLACES = 2**22
"""Counts that are kept: 16 MiB, whatever there is to answer."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Offsets:
    """What the loss adds to scores (over the temperature) of answers (A,): where they are negatives, and where they are positives."""

    negatives: Floats
    positives: Floats


class Sightings:
    """How often answers came in the steps so far. `state` is all that there is, for a checkpoint.

    Answers whose numbers are the same modulo PLACES share a count, which is then too high for either; numbers are made of hashes, so that those are any two.
    """

    def __init__(self, popularity: Popularity) -> None:
        self.popularity = popularity
        self.steps = 0
        self.counts = np.zeros(PLACES, np.int32)

    def state(self) -> dict[str, NDArray[np.int64] | NDArray[np.int32]]:
        """What a checkpoint keeps."""
        return {"steps": np.array([self.steps], np.int64), "counts": self.counts}

    def set_state(self, state: Mapping[str, NDArray[np.int64]]) -> None:
        """Go on from what a checkpoint kept."""
        self.steps, self.counts = int(state["steps"][0]), np.array(state["counts"], np.int32)

    def count(self, answers: Numbers, of_step: Relation) -> None:
        """Take in a step of these distinct answers (A,): that they stood in it, or, under `left_out`, of how many queries each was a positive."""
        self.steps += 1
        places = answers % PLACES
        if self.popularity == "left_out":
            np.add.at(self.counts, places[of_step.positive.answers], 1)
        else:
            self.counts[np.unique(places)] += 1

    def offsets(self, answers: Numbers, drawn: int) -> Offsets:
        """For answers of a step that was counted, of which the first `drawn` stood there by chance and further ones by choice (hard negatives)."""
        counts = self.counts[answers % PLACES].astype(np.float64)
        if self.popularity == "left_out":
            popular = np.log1p(counts)  # as if each had been met once before: what was never a positive has a share too
            return Offsets(popular, popular)
        rare = np.zeros(len(answers))
        rare[:drawn] = -np.log(counts[:drawn] / self.steps)
        return Offsets(rare, np.zeros(len(answers)))
