"""Which cuts, and which items of their futures, a figure is about: all of them, or a slice.

Shape letters: B queries (cuts), A items.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from lake.examples import Kind, answer_key
from lake.labels import LEVELS
from trainer.evaluation.questions import Questions

Popularity = Literal["head items", "torso items", "tail items"]
POPULARITIES: tuple[Popularity, ...] = get_args(Popularity)
Novelty = Literal["items met in training", "items new since training"]
NOVELTIES: tuple[Novelty, ...] = get_args(Novelty)
Topicality = Literal["known topics", "new topics", "other topics", "the same topics, trained on"]
KNOWN, NEW, OTHER, SAME = get_args(Topicality)
"""Topics that an encoder was trained with and without; and, where topics are told apart without being held out from it, which is a control, the others and those."""
Length = Literal[
    "history of 1-2", "history of 3-5", "history of 6-10", "history of 11-20", "history of 21-50", "history of 51-100", "history of over 100",
]  # fmt: skip
LENGTHS: tuple[Length, ...] = get_args(Length)
LONGEST = (2, 5, 10, 20, 50, 100)
"""Units in the longest history of each of LENGTHS but the last."""
Slice = Literal["all cuts", "future period", Novelty, Topicality, Popularity, Length]
SLICES: tuple[Slice, ...] = get_args(Slice)


@dataclass(frozen=True)
class Part:
    """The queries (B,) that count, and the items (A,) that do in their futures: others are neither looked for nor met in a contest, but stand in the list all the same."""

    queries: np.ndarray
    items: np.ndarray


def periods(questions: Questions, level: Kind, min_queries: int) -> dict[Slice, Part]:
    """All cuts; and the future period, only where it has enough of them, and not all."""
    every_item, in_future = np.ones(len(questions.levels[level].texts), bool), questions.periods == "future"
    found: dict[Slice, Part] = {"all cuts": Part(np.ones(len(in_future), bool), every_item)}
    return found | ({"future period": Part(in_future, every_item)} if min_queries <= in_future.sum() < len(in_future) else {})


def novelties(questions: Questions, level: Kind, counts: np.ndarray) -> dict[Slice, Part]:
    """Items that training people have, and those that none has: `counts` (A,). Nothing where no future has one of the latter."""
    every_query, is_new = np.ones(len(questions.person), bool), counts == 0
    if not is_new[questions.levels[level].futures.item].any():
        return {}
    return {name: Part(every_query, items) for name, items in zip(NOVELTIES, (~is_new, is_new), strict=True)}


@dataclass(frozen=True)
class ToldApart:
    """Topics that are told apart: the `answer_key`s (N,), ascending, of their labels, how many broad labels they are of how many, and whether they were held out from the encoder."""

    keys: np.ndarray
    broad: int
    broad_in_all: int
    are_held_out: bool

    @property
    def names(self) -> tuple[Topicality, Topicality]:
        """What the slices of the other topics and of these are called."""
        return (KNOWN, NEW) if self.are_held_out else (OTHER, SAME)

    def among(self, texts: Sequence[str]) -> np.ndarray:
        """Whether each of the items (A,) with these words is of these topics."""
        return np.isin(np.array([answer_key(text) for text in texts], np.int64), self.keys)


def topicalities(questions: Questions, level: Kind, topics: ToldApart | None) -> dict[Slice, Part]:
    """Labels of the other topics, and of those that are told apart. Nothing where there are none, or no future has any of one side."""
    if topics is None or level not in LEVELS:
        return {}
    every_query, are_such = np.ones(len(questions.person), bool), topics.among(questions.levels[level].texts)
    sides = dict(zip(topics.names, (~are_such, are_such), strict=True))
    asked = questions.levels[level].futures.item
    return {name: Part(every_query, items) for name, items in sides.items()} if all(items[asked].any() for items in sides.values()) else {}


def slices(questions: Questions, level: Kind, counts: np.ndarray | None) -> dict[Slice, Part]:
    """Cuts by the length of the history before them, and items by how often training people have them: `counts` (A,); None where nobody was counted.

    What nobody of them and no cut belongs to is left out.
    """
    every_query, every_item = np.ones(len(questions.histories), bool), np.ones(len(questions.levels[level].texts), bool)
    length = np.searchsorted(LONGEST, [len(history) for history in questions.histories])
    found: dict[Slice, Part] = {name: Part(length == number, every_item) for number, name in enumerate(LENGTHS)}
    if counts is not None:
        band = popularity_bands(counts)
        found |= {name: Part(every_query, band == number) for number, name in enumerate(POPULARITIES)}
    return {name: part for name, part in found.items() if part.queries.any() and part.items.any()}


def popularity_bands(counts: np.ndarray) -> np.ndarray:
    """0, 1 or 2 for each item (A,): in the head, torso or tail, which share all that was counted by thirds, as nearly as equally frequent items allow.

    Items of one count stand together, where the middle of what they have together falls. What was never counted is tail.
    """
    distinct, of_item, items = np.unique(counts, return_inverse=True, return_counts=True)
    mass = distinct * items
    more_frequent = mass.sum() - mass.cumsum()
    middle = (more_frequent + mass / 2) / max(1, mass.sum())
    return np.where(distinct > 0, np.searchsorted([1 / 3, 2 / 3], middle, "right"), 2)[of_item]
