"""A history -> two halves that are one person's and have as little else in common as we want; and what of a half is read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lake.encoder import TokenStarts
from lake.rendering import own_words

Unit = Mapping[str, Any]
History = Sequence[Unit]
Halves = tuple[History, History]
Halving = Literal["time", "communities"]
"""Halves in time; or in time and of communities of which no half has any that the other has."""
CHARS_A_TOKEN = 20
"""A token is hardly ever longer: of long words no more is cut into tokens than this."""


@dataclass(frozen=True)
class Person:
    """Somebody who is asked about, or is there to be mistaken for them. `labels`: `unit_id` of a unit of the history -> its broad label's `item_id`."""

    person_id: str
    is_asked: bool
    history: History
    labels: Mapping[str, str] = field(default_factory=dict)


def community_of(unit: Unit) -> str | None:
    """The community of a unit, told from one of the same name on another platform; None where it has none."""
    return None if unit["community"] is None else f"{unit['platform']}/{unit['community']}"


def community_counts(history: History) -> Counter[str]:
    """Community -> how many units of a history are in it."""
    return Counter(community for unit in history if (community := community_of(unit)) is not None)


def halves_of(history: History, halving: Halving) -> Halves:
    """First and second half of a history (units oldest first), in this order in time; either may be empty."""
    return time_halves(history) if halving == "time" else community_halves(history)


def time_halves(history: History) -> Halves:
    """Older and newer half. What the newer has in threads of the older is left out: a shared title would give it away."""
    first = history[: len(history) // 2]
    threads = {unit["thread_id"] for unit in first if unit["thread_id"] is not None}
    return first, [unit for unit in history[len(history) // 2 :] if unit["thread_id"] not in threads]


def community_halves(history: History) -> Halves:
    """Older and newer half of what was done in communities, of the older only what is in the first half's communities, of the newer in the second's.

    A person's communities are dealt by when they were there: those with the largest share of their units in the older half go to the first (among equals
    the busier, then by name), as many as make the smaller of the two halves largest, the fewest where it is so for several. So nothing but the history decides,
    and of a person who moves from place to place hardly a unit is lost; of one who stays everywhere at once about half of them.
    """
    placed = [unit for unit in history if unit["community"] is not None]
    older, newer = placed[: len(placed) // 2], placed[len(placed) // 2 :]
    in_older, in_newer = community_counts(older), community_counts(newer)
    both = in_older + in_newer
    earliest_first = sorted(both, key=lambda community: (-in_older[community] / both[community], -both[community], community))
    first = _first_communities(earliest_first, in_older, in_newer)
    return [unit for unit in older if community_of(unit) in first], [unit for unit in newer if community_of(unit) not in first]


def _first_communities(earliest_first: Sequence[str], in_older: Mapping[str, int], in_newer: Mapping[str, int]) -> set[str]:
    """The leading communities that make the smaller half largest."""
    first_units, second_units, best, dealt = 0, sum(in_newer.values()), 0, 0
    for number, community in enumerate(earliest_first, 1):
        first_units += in_older[community]
        second_units -= in_newer[community]
        if min(first_units, second_units) > best:
            best, dealt = min(first_units, second_units), number
    return set(earliest_first[:dealt])


def words_alone(history: History, tokens: int, token_starts: TokenStarts) -> History:
    """Of each unit the first `tokens` tokens of its own words, and nothing that says where or to what they were written.

    Of 16 units of 32 tokens each so much is read of a person by Andrews and Bishop 2019 (IUR) and Rivera-Soto et al. 2021 (LUAR). Labels are left out too.
    """
    return [_words_alone(unit, tokens, token_starts) for unit in history]


def _words_alone(unit: Unit, tokens: int, token_starts: TokenStarts) -> Unit:
    words = own_words(unit, tokens * CHARS_A_TOKEN)
    starts = token_starts(words)
    of_words = starts[starts >= 0]
    cut = words if len(of_words) <= tokens else words[: of_words[tokens]].rstrip()
    return {**unit, "community": None, "title": None, "text": cut, "context": [], "source_text": None, "label": None}
