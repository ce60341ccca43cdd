"""Who stands beside whom in a batch. Pure: places and times in, numbers of queries out.

Negatives that neither era nor place tells apart teach what is personal; strangers teach era and place. A batch holds both: groups of people who act in one
community at nearly one time, and strangers, drawn from everybody.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def composed_batches(
    communities: Numbers, times: Numbers, batches: int, near_share: float, group_size: int, generator: np.random.Generator
) -> list[Numbers]:  # fmt: skip
    """All Q queries, each once, in batches of nearly equal size; a query's community (a number) and time say whom it is near. In random order.

    Of each batch, `near_share` are groups of `group_size` (the last may be smaller, of two at least) that follow each other in time in one community. Where
    a community has no more so large, strangers take their places. Shapes: communities, times (Q,).
    """
    if not len(times) or not batches:
        return [np.zeros(0, np.int64)] * batches
    sizes = [len(part) for part in np.array_split(times, batches)]
    wanted = [(batch, size) for batch, people in enumerate(sizes) for size in _group_sizes(round(people * near_share), group_size)]
    neighbours = iter(sorted(_neighbours(communities, times, group_size, generator), key=len, reverse=True))
    groups: list[list[Numbers]] = [[] for _ in sizes]
    taken = np.zeros(len(times), bool)
    for batch, size in sorted(wanted, key=lambda pair: -pair[1]):
        group = next(neighbours, np.zeros(0, np.int64))[:size]
        if len(group) == size:
            taken[group] = True
            groups[batch].append(group)
    strangers = generator.permutation(np.flatnonzero(~taken))
    ends = np.cumsum([size - sum(map(len, of_batch)) for size, of_batch in zip(sizes, groups, strict=True)])
    parts = np.split(strangers, ends[:-1])
    found = [np.concatenate([*of_batch, part]) for of_batch, part in zip(groups, parts, strict=True)]
    return [found[place] for place in generator.permutation(batches)]


def _group_sizes(people: int, group_size: int) -> Sequence[int]:
    sizes = [group_size] * (people // group_size) + [people % group_size]
    return [size for size in sizes if size > 1]


def _neighbours(communities: Numbers, times: Numbers, size: int, generator: np.random.Generator) -> list[Numbers]:
    """The queries of each community in time, parted into `size` that follow each other; where the first part ends is random. In random order."""
    order = np.lexsort((times, communities))
    found: list[Numbers] = []
    for run in np.split(order, np.flatnonzero(np.diff(communities[order])) + 1):
        found += np.split(run, np.arange(generator.integers(size) if len(run) > size else 0, len(run), size))
    return [found[place] for place in generator.permutation(len(found))]
