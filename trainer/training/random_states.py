"""The states that random numbers come from in this process: torch's, on the CPU and on its GPU. Nothing in training draws from numpy's or Python's global ones."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

RandomStates = Mapping[str, Tensor]


def random_states(device: torch.device) -> dict[str, Tensor]:
    """The states as they are now."""
    states = {"cpu": torch.get_rng_state()}
    return states | {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else states


def set_random_states(states: RandomStates, device: torch.device) -> None:
    """Let the next random numbers be those that followed when these states were taken."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


@contextmanager
def replayed(states: RandomStates, device: torch.device) -> Iterator[None]:
    """In the block, random numbers as they followed these states; after it, as if the block had drawn none."""
    before = random_states(device)
    set_random_states(states, device)
    try:
        yield
    finally:
        set_random_states(before, device)
