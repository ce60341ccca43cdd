"""One person's history -> the moments at which it is cut, and what is asked at each. Pure: arrays in, rows out.

Shape letters: S units of all the person's history, oldest first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lake.examples import HeldOut, Period, topics_of
from lake.labels import Level
from trainer.config import ExamplesConfig

Numbers = NDArray[np.int64]
NONE = -1


@dataclass(frozen=True)
class PersonHistory:
    """What cuts need of a history: of each unit its time (UTC microseconds), the numbers of its thread, of its title and of the words of the catalogue
    item that it acts on, and its row among labels.

    Shapes: times, threads, titles, labels, items (S,); -1 where a unit is in no thread, says nothing of what it is about, has no label, or acts on no item.
    Of all S units the example keeps those from `kept_from` on.
    """

    times: Numbers
    threads: Numbers
    titles: Numbers
    labels: Numbers
    items: Numbers
    kept_from: int

    @cached_property
    def first_in_thread(self) -> Numbers:
        """Where the person first acts in the thread of each unit, (S,); -1 for a unit in no thread."""
        return _first_places(self.threads)

    @cached_property
    def enters(self) -> NDArray[np.bool_]:
        """Whether by this unit the person enters a thread that has a title, or, in no thread, acts on a titled thing for the first time, (S,)."""
        firsts = np.where(self.threads == NONE, _first_places(self.titles), self.first_in_thread)
        return (firsts == np.arange(len(self.times))) & (self.titles != NONE)

    @cached_property
    def acts_on(self) -> NDArray[np.bool_]:
        """Whether by this unit the person acts on a catalogue item for the first time, (S,)."""
        return (_first_places(self.items) == np.arange(len(self.times))) & (self.items != NONE)

    def before(self, place: int) -> "PersonHistory":
        """The history as it was before the unit there."""
        arrays = {name: getattr(self, name)[:place] for name in ("times", "threads", "titles", "labels", "items")}
        return replace(self, **arrays)

    def may_cut_before(self, place: int) -> bool:
        """Whether the unit there is later than the one before it: the future is strictly later than the past."""
        return bool(self.times[place - 1] < self.times[place])


def held_out(config: ExamplesConfig) -> HeldOut:
    """Which people and topics, or which acts of everybody, are not trained on."""
    if config.held_out_acts:
        return HeldOut(validation_share=0, test_share=0, acts=config.held_out_acts)
    communities = tuple(sorted(set(config.held_out_communities)))
    return HeldOut(validation_share=config.validation_share, test_share=config.test_share, communities=communities, topics=topics_of(config.held_out_topics))


def person_cuts(history: PersonHistory, config: ExamplesConfig) -> list[tuple[int, bool]] | str:
    """Where the history is cut (how many of all its units lie before) and whether labels are asked for there, ascending; or why nowhere."""
    if len(history.times) - history.kept_from <= config.min_past_units:
        return "too few units"
    for_labels = set(label_places(history, config))
    places = sorted(for_labels | set(title_places(history, config)) | set(catalogue_places(history, config)))
    return [(place, place in for_labels) for place in places] or "no cut with enough units before and answers after"


def label_places(history: PersonHistory, config: ExamplesConfig) -> list[int]:
    """Cuts for labels: right before a labelled unit that has enough units before it and, itself included, enough labelled ones from it on."""
    labelled = _kept(history, history.labels != NONE)
    earliest = history.kept_from + config.min_past_units
    return _spread([
        place for number, place in enumerate(labelled)
        if place >= earliest and len(labelled) - number >= config.min_future_labels and history.may_cut_before(place)
    ], config.cuts_per_person)  # fmt: skip


def title_places(history: PersonHistory, config: ExamplesConfig) -> list[int]:
    """Cuts for titles: right before a unit by which the person enters a titled thread, enough units before and after it."""
    return _places_before(history, history.enters, config)


def catalogue_places(history: PersonHistory, config: ExamplesConfig) -> list[int]:
    """Cuts for catalogue items: right before a unit by which the person acts on one for the first time, enough units before and after it."""
    return _places_before(history, history.acts_on, config)


def _places_before(history: PersonHistory, wanted: NDArray[np.bool_], config: ExamplesConfig) -> list[int]:
    earliest, latest = history.kept_from + config.min_past_units, len(history.times) - config.min_future_units
    return _spread([place for place in _kept(history, wanted) if earliest <= place <= latest and history.may_cut_before(place)], config.cuts_per_person)


def labels_after(history: PersonHistory, cut: int, future_units: int | None) -> list[int]:
    """Labelled units of the future: the first `future_units` from the cut on."""
    return [place for place in _kept(history, history.labels != NONE) if place >= cut][:future_units]


def entered_after(history: PersonHistory, cut: int, units: int) -> list[int]:
    """Units among the next `units` by which the person enters a titled thread."""
    return (cut + np.flatnonzero(history.enters[cut : cut + units])).tolist()


def acted_on_after(history: PersonHistory, cut: int, units: int) -> list[int]:
    """Units among the next `units` by which the person acts on a catalogue item for the first time."""
    return (cut + np.flatnonzero(history.acts_on[cut : cut + units])).tolist()


def period_of(history: PersonHistory, answers: Sequence[int], split_at: int) -> Period:
    """past where all these units lie before the time split (UTC microseconds), else future."""
    return "past" if history.times[max(answers)] < split_at else "future"


def cut_row(
    history: PersonHistory, cut: int, for_labels: bool, communities: Sequence[str | None], units: Sequence[str], items: Mapping[int, Mapping[Level, str]], split_at: int,
    config: ExamplesConfig,
) -> dict[str, Any]:  # fmt: skip
    """The fields of `lake.examples.Cut` but for `cut_at`. `communities` and `units` are those of the S units; `items` the items of each label by level."""
    after = labels_after(history, cut, config.future_units) if for_labels else []
    entered = entered_after(history, cut, config.title_units)
    acted_on = acted_on_after(history, cut, config.catalogue_units)
    inside = [place for place in _kept(history, history.labels != NONE) if place < cut] if for_labels else []
    positives = [
        {"item_id": item_id, "level": level, "unit_id": units[place], "where": where, "new_thread": where == "after" and bool(history.first_in_thread[place] >= cut)}
        for where, places in (("inside", inside), ("after", after))
        for place in places
        for level, item_id in items[history.labels[place]].items()
    ]  # fmt: skip
    return {
        "history_length": cut - history.kept_from, "community": communities[cut], "positives": positives, "entered": [place - history.kept_from for place in entered],
        "hard_negatives": [], "period": period_of(history, [*after, *entered, *acted_on], split_at),
        "labelled": int((history.labels[history.kept_from : cut] != NONE).sum()), "acted_on": [place - history.kept_from for place in acted_on], "part": None,
    }  # fmt: skip


def _first_places(numbers: Numbers) -> Numbers:
    """Where each number stands first, (S,); -1 for -1."""
    distinct, first, of_unit = np.unique(numbers, return_index=True, return_inverse=True)
    return np.where(distinct == NONE, NONE, first)[of_unit]


def _kept(history: PersonHistory, wanted: NDArray[np.bool_]) -> list[int]:
    return (history.kept_from + np.flatnonzero(wanted[history.kept_from :])).tolist()


def _spread(places: Sequence[int], count: int) -> list[int]:
    """Of n places the middles of `count` equal parts, all of them where there are no more."""
    count = min(count, len(places))
    return [places[(2 * part + 1) * len(places) // (2 * count)] for part in range(count)]
