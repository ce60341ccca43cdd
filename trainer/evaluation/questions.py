"""Examples and items -> what an encoder is asked, as arrays: each cut is a query, the items of its future are the answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lake.labels import LEVELS, Level

Futures = Literal["all", "new"]
FUTURES: tuple[Futures, ...] = ("all", "new")


@dataclass(frozen=True)
class LevelAnswers:
    """The items of one level, and what each query has of them as indexes into the items, in time; what was done twice stands twice.

    `futures["new"]` holds the part of `futures["all"]` in threads new to the person at the cut.
    """

    item_ids: list[str]
    texts: list[str]
    pasts: list[np.ndarray]
    futures: dict[Futures, list[np.ndarray]]

    def asked_items(self) -> np.ndarray:
        """Items of anybody's future, ascending: all that a personal AUC needs scores of."""
        return np.unique(np.concatenate([np.zeros(0, np.int64), *self.futures["all"]]))


@dataclass(frozen=True)
class Questions:
    """B queries of P people. `histories` are the pasts, units oldest first; `person` says whose each query is."""

    person_ids: list[str]
    person: np.ndarray
    histories: list[Sequence[Mapping[str, Any]]]
    periods: np.ndarray
    levels: dict[Level, LevelAnswers]

    @property
    def people(self) -> int:
        """P."""
        return len(self.person_ids)


def questions_of(examples: Iterable[Mapping[str, Any]], items: Sequence[Mapping[str, Any]]) -> Questions:
    """The questions of some people among the items made of labels; items of apps are no answers. Order is the examples'."""
    examples = list(examples)
    cuts = [(number, example, cut) for number, example in enumerate(examples) for cut in example["cuts"]]
    return Questions(
        person_ids=[example["person_id"] for example in examples],
        person=np.array([number for number, _, _ in cuts], np.int64),
        histories=[example["history"][: cut["history_length"]] for _, example, cut in cuts],
        periods=np.array([cut["period"] for _, _, cut in cuts], dtype=object),
        levels={level: _level_answers(level, [cut for _, _, cut in cuts], items) for level in LEVELS},
    )


def _level_answers(level: Level, cuts: Sequence[Mapping[str, Any]], items: Sequence[Mapping[str, Any]]) -> LevelAnswers:
    of_level = [item for item in items if item["level"] == level]
    position = {item["item_id"]: index for index, item in enumerate(of_level)}
    answers = [[positive for positive in cut["positives"] if positive["level"] == level and positive["item_id"] in position] for cut in cuts]

    def indexes(positives: Iterable[Mapping[str, Any]]) -> np.ndarray:
        return np.array([position[positive["item_id"]] for positive in positives], np.int64)

    after = [[positive for positive in positives if positive["where"] == "after"] for positives in answers]
    return LevelAnswers(
        item_ids=[item["item_id"] for item in of_level],
        texts=[item["text"] for item in of_level],
        pasts=[indexes(positive for positive in positives if positive["where"] == "inside") for positives in answers],
        futures={
            "all": [indexes(positives) for positives in after],
            "new": [indexes(positive for positive in positives if positive["new_thread"]) for positives in after],
        },
    )
