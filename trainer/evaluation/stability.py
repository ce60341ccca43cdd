"""What changes for people where one encoder takes the place of another: who is near them, what is best for them, and where their vectors lie. Pure: vectors in, numbers out.

Two encoders that agree on everything may have spaces that are turned against each other. So vectors are compared as they are, and after the one rotation that brings the first encoder's
nearest to the other's: it is found by items and by other people, never by those who are compared, since whom it was fitted to it brings together however little they have in common.
Source: Schönemann 1966, https://doi.org/10.1007/BF02289451 (orthogonal Procrustes).
Shape letters: P people, A items, D and E sizes of the two encoders' vectors, K neighbours.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lake.examples import Kind
from trainer.config import EvaluationConfig
from trainer.evaluation import metrics
from trainer.evaluation.geometry import BLOCK_ROWS, nearest_others, overlap_of_best
from trainer.evaluation.numbers import Number, with_interval
from trainer.evaluation.scores import BEST

FOLDS = 10
"""Parts of the people, each of which is rotated by what the others and the items say."""
Changed = Literal["ten nearest people", "ten best items", "cosine of a person's vectors", "cosine after the best rotation"]


class Stability(BaseModel):
    """One number on two encoders: a mean over people with its interval, NaN where it cannot be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    one: str = Field(description="An encoder as it was asked for.")
    other: str = Field(description="Another.")
    metric: Changed = Field(description="Of the ten of one encoder the share that is among the ten of the other; or a mean cosine.")
    of: Kind | None = Field(description="Kind of the items; None of what is no item.")
    mean: Number
    low: Number
    high: Number
    chance: Number = Field(description="What two encoders share that know nothing; NaN of cosines.")
    people: int

    def __str__(self) -> str:
        name = self.metric if self.of is None else f"{self.metric}, {self.of}"
        value = "-" if math.isnan(self.mean) else with_interval(self)
        return f"{name:<36}{value}" + ("" if math.isnan(self.chance) else f"   (by chance {self.chance:.3f})")


@dataclass(frozen=True)
class Space:
    """What one encoder makes of the same people, (P, D), and of the same items, (A, D) by kind; all of unit length."""

    name: str
    people: np.ndarray
    items: Mapping[Kind, np.ndarray]


def stability(one: Space, other: Space, config: EvaluationConfig) -> Iterator[Stability]:
    """All that is told of two encoders."""

    def score(metric: Changed, of: Kind | None, values: np.ndarray, chance: float = math.nan) -> Stability:
        found = metrics.bootstrap_mean(values, config.bootstrap_samples, config.interval, config.seed)
        return Stability(
            one=one.name, other=other.name, metric=metric, of=of, mean=found.mean, low=found.low, high=found.high, chance=chance, people=found.people
        )

    people = len(one.people)
    yield score("ten nearest people", None, overlap_of_best(*(nearest_others(space.people, BEST) for space in (one, other))), _chance(people - 1))
    for kind in one.items:
        best = [best_items(space.people, space.items[kind]) for space in (one, other)]
        yield score("ten best items", kind, overlap_of_best(*best), _chance(len(one.items[kind])))
    same_size = one.people.shape[1] == other.people.shape[1]
    yield score("cosine of a person's vectors", None, (one.people * other.people).sum(axis=1) if same_size else np.full(people, np.nan))
    yield score("cosine after the best rotation", None, rotated_cosines(one, other))


def _chance(candidates: int) -> float:
    return min(1.0, BEST / candidates) if candidates > 0 else math.nan


def best_items(people: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Indexes (P, K) of the ten items (A, D), or all where there are fewer, nearest to each of the people (P, D), in no order; a block of people at a time."""
    best = min(BEST, len(items))
    blocks = [people[start : start + BLOCK_ROWS] @ items.T for start in range(0, len(people), BLOCK_ROWS)] if best else []
    return (
        np.concatenate([np.argpartition(scores, len(items) - best)[:, len(items) - best :] for scores in blocks]) if blocks else np.zeros((len(people), 0), int)
    )


def rotated_cosines(one: Space, other: Space) -> np.ndarray:
    """Cosine (P,) of each person's vector by one encoder, rotated, with that by the other; NaN where fewer vectors than numbers in each would have to tell the rotation."""
    fold = np.arange(len(one.people)) % FOLDS
    fitted = sum(len(vectors) for vectors in one.items.values()) + len(fold) - np.bincount(fold, minlength=FOLDS).max(initial=0)
    if fitted < max(one.people.shape[1], other.people.shape[1]):
        return np.full(len(fold), np.nan)
    together = one.people.T @ other.people + sum(one.items[kind].T @ other.items[kind] for kind in one.items)
    found = np.full(len(fold), np.nan)
    for number in np.unique(fold):
        these = fold == number
        rotated = one.people[these] @ rotation(together - one.people[these].T @ other.people[these])
        lengths = np.linalg.norm(rotated, axis=1) * np.linalg.norm(other.people[these], axis=1)
        found[these] = (rotated * other.people[these]).sum(axis=1) / lengths
    return found


def rotation(together: np.ndarray) -> np.ndarray:
    """The matrix (D, E) of orthogonal rows or columns that brings vectors (N, D) nearest to others (N, E), given the product (D, E) of the one, transposed, and the other."""
    left, _, right = np.linalg.svd(together.astype(np.float64), full_matrices=False)
    return left @ right


def stability_text(found: Sequence[Stability], people: int, interval: float) -> str:
    """A block a pair of encoders."""
    lines = [
        f"{people} people whom none of the encoders met; means over them and {interval:.0%} intervals.",
        "Of the ten by one encoder the share that is among the ten by the other; cosines of the two vectors of the same person, as they are and after the rotation",
        "that items and other people tell.",
    ]
    for one, other in dict.fromkeys((score.one, score.other) for score in found):
        lines += ["", f"{one} and {other}", *(f"  {score}" for score in found if (score.one, score.other) == (one, other))]
    return "\n".join(lines)
