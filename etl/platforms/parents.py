"""Item -> the item above it, over all files of a dump, and from there what is at the top: for platforms whose comments do not say their thread.

A dump's items have numbers, so that one array holds them all: 4 bytes an item (Hacker News: 45 million, 180 MB).
"""

from collections.abc import Iterable

import numpy as np

MOST_IDS = 2**27
"""Ids from here on are taken for damage: three times what Hacker News has, twice what Stack Overflow has."""
CYCLE = -1
_ITEMS_AT_ONCE = 2**20
_MOST_JUMPS = 27  # each doubles how far up an item points


def parent_table(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The parent of each item by its id, 0 where it has none or is in no file; of two parents the later. Shape: (largest id + 1,), int32.

    `pairs` are (ids, parents) of some items that have one; those that no item can have (below 1, from MOST_IDS on) are left out.
    """
    table = np.zeros(MOST_IDS, dtype=np.int32)  # costs memory only where it is written to
    largest = 0
    for ids, parents in pairs:
        known = (ids > 0) & (ids < MOST_IDS) & (parents > 0) & (parents < MOST_IDS)
        if known.any():
            table[ids[known]] = parents[known]
            largest = max(largest, int(ids[known].max()), int(parents[known].max()))
    return table[: largest + 1]


def climb_to_tops(table: np.ndarray) -> None:
    """Turn a table of parents into one of tops, in place: where the chain of parents ends, CYCLE where it does not, 0 for what has no parent."""
    for _ in range(_MOST_JUMPS):
        if sum(_jump(table, start) for start in range(0, len(table), _ITEMS_AT_ONCE)) == 0:
            return
    for start in range(0, len(table), _ITEMS_AT_ONCE):
        part = table[start : start + _ITEMS_AT_ONCE]
        below = np.flatnonzero(part)
        part[below[table[part[below]] != 0]] = CYCLE


def top_of(table: np.ndarray, item: int) -> int | None:
    """The top above an item, in a table of tops; the item itself where nothing is known of it, None where it hangs in a cycle."""
    top = int(table[item]) if item < len(table) else 0
    return None if top == CYCLE else top or item


def _jump(table: np.ndarray, start: int) -> int:
    """Let some items point to where their parents point; how many of them moved."""
    part = table[start : start + _ITEMS_AT_ONCE]
    below = np.flatnonzero(part)
    further = table[part[below]]
    moving = np.flatnonzero(further)
    part[below[moving]] = further[moving]
    return len(moving)
