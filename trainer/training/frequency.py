"""How often answers stand in a step, learnt while training: the chances that the loss takes from the scores of negatives."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from trainer.training.masks import Numbers

PLACES = 2**22
"""Counts that are kept: 16 MiB, whatever there is to answer."""


class Sightings:
    """In how many of the steps so far answers stood. `state` is all that there is, for a checkpoint.

    Answers whose numbers are the same modulo PLACES share a count, which is then too high for either; numbers are made of hashes, so that those are any two.
    Source: Yi et al. 2019, https://doi.org/10.1145/3298689.3346996, section 4; there a moving average, for a stream that changes; here the plain share, since the
    tables of a training stay as they are.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.counts = np.zeros(PLACES, np.int32)

    def state(self) -> dict[str, NDArray[np.int64] | NDArray[np.int32]]:
        """What a checkpoint keeps."""
        return {"steps": np.array([self.steps], np.int64), "counts": self.counts}

    def set_state(self, state: Mapping[str, NDArray[np.int64]]) -> None:
        """Go on from what a checkpoint kept."""
        self.steps, self.counts = int(state["steps"][0]), np.array(state["counts"], np.int32)

    def log_chances(self, answers: Numbers) -> NDArray[np.float64]:
        """Count a step of these distinct answers (A,). For each the natural logarithm of the share of steps, this one included, in which it stood."""
        places = answers % PLACES
        self.steps += 1
        self.counts[np.unique(places)] += 1
        return np.log(self.counts[places] / self.steps)
