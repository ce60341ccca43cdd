"""`examples` -> one process's parts of all steps, read as they are needed and made while the step before is computed.

A *phase* is a part of training with one rise and fall of the learning rate; it visits people by *source* (titles, labels, catalogue), each a number of epochs, and the steps of its
sources are mixed evenly. In an epoch of a source each person who has an answer of it comes once, at one cut, drawn by (seed, phase, source, epoch). Row groups of the
table are dealt to processes; each reads its own, in an order drawn anew each epoch, as *windows* of bounded bytes, and composes its batches within
a window (`composition`). Neighbours in the table are neighbours in community and time, so that a window has both groups and strangers.

All of it is a function of settings, table version, number of processes and step: a position is the number of steps of each phase that are taken.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from queue import Queue
from threading import Thread
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conf.errors import ConfigError, ContractError
from lake.config import LakeConfig
from lake.examples import EXAMPLES
from lake.rendering import NEWEST_FIRST, READS_LABELS
from lake.schema import arrow_schema
from lake.table_files import open_parquet
from trainer.config import TrainingConfig
from trainer.training.batches import TrainingBatch, batch_of
from trainer.training.composition import composed_batches
from trainer.training.cuts_table import SOURCES, Cuts, Numbers, RowGroup, Source

logger = logging.getLogger(__name__)
Value = TypeVar("Value")
_COLUMNS = ["history", "labelled", "cuts", "did", "acted_on", "candidates"]
_BATCHES_AHEAD = 2


@dataclass(frozen=True)
class Window:
    """Some row groups of one process, the people of theirs who come now, each as a place among all cuts, in the order of the groups, and the number of steps they are for."""

    groups: Numbers
    cuts: Numbers
    steps: int


@dataclass(frozen=True)
class ExampleStream:
    """One process's parts of all steps of a training. `cuts` are those of everybody, the same in all processes."""

    lake: LakeConfig
    config: TrainingConfig
    cuts: Cuts
    process: int = 0
    processes: int = 1

    @cached_property
    def phase_steps(self) -> list[int]:
        """Steps of each phase."""
        return [sum(self.source_steps(source) * epochs for source, epochs in phase.epochs.items()) for phase in self.config.phases]

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return sum(self.phase_steps)

    def learning_rate(self, step: int) -> float:
        """The rate of a step, counted from 1: it rises over the warm-up of its phase and falls in a line to 0 at its end."""
        for phase, steps in zip(self.config.phases, self.phase_steps, strict=True):
            if step <= steps:
                return (phase.learning_rate or self.config.learning_rate) * rate_factor(step, steps, self.config.warmup_share)
            step -= steps
        return 0.0

    def warn_of_row_groups(self) -> None:
        """Say where the table's row groups cannot be held or shared out as the settings ask: Delta's OPTIMIZE merges them."""
        largest = max((group.bytes for group in self.cuts.groups), default=0) >> 20
        if largest >= self.config.window_mb:
            logger.warning(
                "examples: a row group of %d MiB is more than trainer.window_mb; if the table was optimized, run 'kindred trainer examples' anew", largest
            )
        if len(self.cuts.groups) < self.processes:
            logger.warning("examples: %d row groups for %d processes: some have nobody to train on", len(self.cuts.groups), self.processes)

    def check_processes(self) -> None:
        """Raise ConfigError where a process would have less than two people in a step: some of its parts would be empty, and a step might have nobody."""
        if self.processes > 1 and self.config.people_per_batch < 2 * self.processes:
            raise ConfigError(
                f"trainer.people_per_batch {self.config.people_per_batch}: on {self.processes} processes expected {2 * self.processes} at least, two people for "
                "each in a step; raise it, or start fewer processes"
            )

    @cached_property
    def people(self) -> dict[Source, int]:
        """How many people have a cut with an answer of each source."""
        return {source: len(np.unique(self.cuts.person[places])) for source, places in self.asked.items()}

    @cached_property
    def asked(self) -> dict[Source, Numbers]:
        """Places of the cuts that have an answer of each source, of the past alone if that is asked for and enough people have one."""
        return {source: self._asked(source) for source in SOURCES}

    def _asked(self, source: Source) -> Numbers:
        asks = self.cuts.asks[source] & self.readable & self.cuts.of_people(self.config.people_share)
        if self.config.train_on_periods == "past":
            past = np.flatnonzero(asks & self.cuts.is_past)
            if len(np.unique(self.cuts.person[past])) >= min(self.config.people_per_batch, len(np.unique(self.cuts.person[asks]))):
                return past
            logger.warning(
                "fewer than %d people have %s to train on in the past period; training on cuts of both periods", self.config.people_per_batch, source
            )
        return np.flatnonzero(asks)

    @cached_property
    def readable(self) -> NDArray[np.bool_]:
        """Whether there is anything to read before each cut: under `labels` none but units that have one are."""
        return self.cuts.labelled > 0 if self.config.query_format in NEWEST_FIRST else np.ones(len(self.cuts.person), bool)

    @property
    def unread_people(self) -> int:
        """How many people have cuts, and nothing to read before any of them."""
        return len(np.unique(self.cuts.person)) - len(np.unique(self.cuts.person[self.readable]))

    def check_labels(self) -> None:
        """Raise ContractError where the format reads labels, and no cut has any before it."""
        if self.config.query_format not in READS_LABELS or (self.cuts.labelled > 0).any():
            return
        older = bool((self.cuts.labelled < 0).any())
        found = (
            "an older Kindred made them, and they do not say which cuts have labels before them"
            if older
            else "no cut of a person to train on has a label before it"
        )
        raise ContractError(
            f"examples: trainer.query_format {self.config.query_format!r} reads labels, but {found}; {'' if older else 'label more, then '}run 'kindred trainer examples'"
        )

    def source_steps(self, source: Source) -> int:
        """Steps of one epoch of a source: batches of nearly equal size, as near to `people_per_batch` as goes."""
        people = self.people[source]
        return max(1, round(people / self.config.people_per_batch)) if people else 0

    def batches(self, position: dict[str, int]) -> Iterator[tuple[TrainingBatch, dict[str, int]]]:
        """What follows a position ({} is the beginning), each part with the position right after it."""
        yield from ahead(self._batches(position), _BATCHES_AHEAD)

    def _batches(self, position: dict[str, int]) -> Iterator[tuple[TrainingBatch, dict[str, int]]]:
        for number in range(position.get("phase", 0), len(self.config.phases)):
            taken = position.get("step", 0) if number == position.get("phase", 0) else 0
            order = self._sources_in_turn(number)
            of_sources = {source: self._source_batches(number, source, sum(each == source for each in order[:taken]), len(set(order))) for source in set(order)}
            for step in range(taken, len(order)):
                yield replace(next(of_sources[order[step]]), max_tokens=self.config.phases[number].max_tokens), {"phase": number, "step": step + 1}

    def _sources_in_turn(self, number: int) -> list[Source]:
        """Which source each step of a phase is of: those of each spread evenly."""
        phase = self.config.phases[number]
        steps = {source: self.source_steps(source) * epochs for source, epochs in phase.epochs.items()}
        places = sorted(((step + 0.5) / count, SOURCES.index(source)) for source, count in steps.items() for step in range(count))
        return [SOURCES[source] for _, source in places]

    def _source_batches(self, number: int, source: Source, taken: int, sources: int) -> Iterator[TrainingBatch]:
        """This process's parts of the steps of a source in a phase of so many sources, from the one after `taken` on."""
        steps = self.source_steps(source)
        for epoch in range(taken // steps if steps else 0, self.config.phases[number].epochs[source]):
            seed = [self.config.seed, number, SOURCES.index(source), epoch]
            skipped = taken - epoch * steps if epoch == taken // steps else 0
            for place, window in enumerate(self.windows(source, np.random.default_rng(seed), sources)):
                if skipped >= window.steps:
                    skipped -= window.steps
                    continue
                yield from self._window_batches(window, source, [*seed, place], skipped)
                skipped = 0

    def windows(self, source: Source, generator: np.random.Generator, sources: int = 1) -> Iterator[Window]:
        """One epoch of this process: its row groups of those that hold somebody to visit, in random order, and one cut of each. All windows together have the epoch's steps.

        Where the steps of so many sources are mixed, each holds a window, of its part of `window_mb`.
        """
        chosen = _one_a_person(self.cuts.person, self.asked[source], generator)
        counts = np.bincount(self.cuts.group[chosen], minlength=len(self.cuts.groups))
        ends = np.cumsum(counts)  # people, and so what is chosen of them, stand in the order of row groups
        order = generator.permutation(np.flatnonzero(counts))
        dealt = _dealt(order, counts, self.processes)[self.process]
        mine = int(counts[dealt].sum())
        steps, limit = self.source_steps(source), self.config.window_mb * 2**20 / sources
        done, taken, groups, cuts, size = 0, 0, [], [], 0.0
        for place, group in enumerate(dealt):
            groups.append(group)
            cuts.append(chosen[ends[group] - counts[group] : ends[group]])
            size += self.cuts.groups[group].bytes * counts[group] / self.cuts.groups[group].people
            done += len(cuts[-1])
            due = round(steps * done / mine)
            is_last = place == len(dealt) - 1
            if is_last or (size >= limit and taken < due < steps):  # the last window has a step at least
                yield Window(np.array(groups), np.concatenate(cuts), steps - taken if is_last else due - taken)
                taken, groups, cuts, size = due, [], [], 0.0
        if not len(dealt):
            yield Window(np.zeros(0, np.int64), np.zeros(0, np.int64), steps)

    def _window_batches(self, window: Window, source: Source, seed: Sequence[int], skipped: int) -> Iterator[TrainingBatch]:
        rows = self._read(window)
        near_share = 0.0 if self.config.shuffle_labels else self.config.near_share
        group_size = max(2, self.config.near_people // self.processes)
        places = composed_batches(
            self.cuts.community[window.cuts], self.cuts.time[window.cuts], window.steps, near_share, group_size, np.random.default_rng(seed)
        )  # fmt: skip
        for step in range(skipped, window.steps):
            cuts = window.cuts[places[step]]
            yield batch_of(rows, places[step].tolist(), self.cuts.cut[cuts].tolist(), source, self.config, np.random.default_rng([*seed, step]))

    def _read(self, window: Window) -> pa.Table:
        """The people of the window's cuts, in their order. Of a row group no more is kept than those."""
        tables = [self._read_people(self.cuts.groups[group], self.cuts.row[window.cuts[self.cuts.group[window.cuts] == group]]) for group in window.groups]
        return pa.concat_tables(tables) if tables else pa.table({})

    def _read_people(self, group: RowGroup, rows: Numbers) -> pa.Table:
        people = open_parquet(self.lake, EXAMPLES, group.path).read_row_group(group.number, columns=_COLUMNS)
        for name in (name for name in _COLUMNS if name not in people.column_names):  # an older Kindred's table lacks the later columns
            people = people.append_column(name, pa.nulls(len(people), arrow_schema(EXAMPLES).field(name).type))
        return people if len(rows) == len(people) else people.take(pa.array(rows))


def rate_factor(step: int, steps: int, warmup_share: float) -> float:
    """What the peak is multiplied by at a step, counted from 1, of so many."""
    warmup = round(steps * warmup_share)
    return step / (warmup + 1) if step <= warmup else (steps - step + 1) / max(1, steps - warmup)


def ahead(values: Iterator[Value], count: int) -> Iterator[Value]:
    """The same values, up to `count` of them made before they are asked for, in a thread of their own. An exception comes where its value would have."""
    made: Queue[tuple[str, Any]] = Queue(maxsize=count)
    given_up = False

    def make() -> None:
        try:
            for value in values:
                made.put(("value", value))
                if given_up:
                    return
            made.put(("end", None))
        except BaseException as failure:
            made.put(("failure", failure))

    Thread(target=make, daemon=True, name="batches").start()
    try:
        while True:
            kind, value = made.get()
            if kind == "end":
                return
            if kind == "failure":
                raise value
            yield value
    finally:
        given_up = True
        while not made.empty():
            made.get_nowait()


def _one_a_person(person: Numbers, places: Numbers, generator: np.random.Generator) -> Numbers:
    """Of these cuts one of each person, drawn at random, in the order of people."""
    shuffled = generator.permutation(places)
    _, first = np.unique(person[shuffled], return_index=True)
    return np.asarray(shuffled[first])


def _dealt(order: Numbers, people: Numbers, processes: int) -> list[Numbers]:
    """Row groups in this order, each given to the process that has the fewest people so far."""
    loads, dealt = [0] * processes, [[] for _ in range(processes)]  # type: list[int], list[list[int]]
    for group in order.tolist():
        least = loads.index(min(loads))
        dealt[least].append(group)
        loads[least] += int(people[group])
    return [np.array(groups, np.int64) for groups in dealt]
