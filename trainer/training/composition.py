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

    Of each batch, `near_share` are groups of `group_size` (the last may be smaller, of two at least) that follow each other in time in one community; where
    there are not enough of them, strangers take their places. Shapes: communities, times (Q,).
    """
    if not len(times) or not batches:
        return [np.zeros(0, np.int64)] * batches
    sizes = [len(part) for part in np.array_split(times, batches)]
    wanted = [_group_sizes(round(size * near_share), group_size) for size in sizes]
    runs = _runs(communities, times, generator)
    groups: list[list[Numbers]] = [[] for _ in sizes]
    taken = np.zeros(len(times), bool)
    for batch, size in sorted(((batch, size) for batch, each in enumerate(wanted) for size in each), key=lambda pair: -pair[1]):
        group = _take(runs, size, generator)
        if group is None:
            continue
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


def _runs(communities: Numbers, times: Numbers, generator: np.random.Generator) -> list[Numbers]:
    """The queries of each community in time, as one array each, in random order."""
    order = np.lexsort((times, communities))
    borders = np.flatnonzero(np.diff(communities[order])) + 1
    runs = np.split(order, borders)
    return [runs[place] for place in generator.permutation(len(runs))]


def _take(runs: list[Numbers], size: int, generator: np.random.Generator) -> Numbers | None:
    """A group of neighbours out of a run, which is left without them; None where no run is that long. Longer runs give more often."""
    lengths = np.array([len(run) for run in runs], float)
    lengths[lengths < size] = 0
    if not lengths.sum():
        return None
    chosen = int(generator.choice(len(runs), p=lengths / lengths.sum()))
    run = runs[chosen]
    start = int(generator.integers(len(run) - size + 1))
    # What stays is one run: its two sides are neighbours now, which over a whole epoch keeps the groups near, and all but the last few people in one.
    runs[chosen] = np.concatenate([run[:start], run[start + size :]])
    return run[start : start + size]
