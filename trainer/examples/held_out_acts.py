"""Where acts, and not people, are held out: everybody is trained on with what lies before them, and asked about the catalogue items acted on for the first time after it.

The protocols of the literature on sequential recommendation: leave one out (`last`), and a global split in time (`later`). Pure: arrays in, rows out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lake.examples import HeldOutActs, Split
from trainer.examples.cuts import NONE, PersonHistory

MIN_ITEMS = 3
"""Catalogue items that a person must have acted on for the last two to be held out."""


@dataclass(frozen=True)
class HeldOutFrom:
    """Of a history of S units: those before `choose` are trained on, encoders are chosen by what is acted on from there on, and judged by what is from `judge` on.

    Where choose is S, nothing is held out of this person.
    """

    choose: int
    judge: int


def held_out_from(history: PersonHistory, acts: HeldOutActs, choose_at: int, judge_at: int) -> HeldOutFrom:
    """Where the held-out acts of a history begin; the two moments (UTC microseconds) count under `later` alone."""
    if acts == "later":
        choose, judge = np.searchsorted(history.times, [choose_at, judge_at], "left")
        return HeldOutFrom(int(choose), int(judge))
    places = np.flatnonzero(history.acts_on)
    if len(places) < MIN_ITEMS:
        return HeldOutFrom(len(history.times), len(history.times))
    return HeldOutFrom(int(places[-2]), int(places[-1]))


def held_out_cuts(history: PersonHistory, held_out: HeldOutFrom, communities: Sequence[str | None], min_past_units: int) -> list[tuple[int, dict[str, Any]]]:
    """A cut to choose by and one to judge by, each with its place among all units, and with the fields of `lake.examples.Cut` but for `cut_at`.

    One without enough units before, or without an item after, is left out. Under `last` ties in time go by the order of the history: an answer may be of the very second
    of what was done before it, since many people say what they know all at once.
    """
    parts: tuple[tuple[Split, int, int], ...] = (("validation", held_out.choose, held_out.judge), ("test", held_out.judge, len(history.times)))
    found = []
    for part, start, end in parts:
        acted_on = (start + np.flatnonzero(history.acts_on[start:end]) - history.kept_from).tolist()
        if acted_on and start - history.kept_from >= min_past_units:
            labelled = int((history.labels[history.kept_from : start] != NONE).sum())
            found.append((start, {
                "history_length": start - history.kept_from, "community": communities[start], "positives": [], "entered": [], "hard_negatives": [],
                "period": "future", "labelled": labelled, "acted_on": acted_on, "part": part,
            }))  # fmt: skip
    return found
