"""Examples -> batches: people with one cut each, positives drawn for them, distinct answers and their relation.

A batch is a function of (seed, epoch, step) alone: every process makes the same one and takes its own part of it.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conf.errors import ContractError
from lake.examples import KINDS, answer_key
from trainer.training.masks import KIND_PLACES, Numbers

logger = logging.getLogger(__name__)

Unit = Mapping[str, Any]
Periods = Literal["past", "all"]


@dataclass(frozen=True)
class Answers:
    """All N items that are labels: their ids, words, kinds (places in KINDS) and the keys of their words."""

    item_ids: pa.Array
    texts: list[str]
    kinds: Numbers
    keys: Numbers

    def places(self, item_ids: pa.Array) -> Numbers:
        """Where items stand among all. Raises ContractError on an item that is not there."""
        found = pc.index_in(item_ids.cast(pa.large_string()), value_set=self.item_ids)
        if found.null_count:
            raise ContractError(f"items: {found.null_count} items of examples are not there; run 'kindred teacher items' and 'kindred trainer examples' again")
        return found.to_numpy(zero_copy_only=False).astype(np.int64)


@dataclass(frozen=True)
class TrainingSet:
    """P people to train on. `donors` says whose labels a person is taught: their own, unless labels are shuffled.

    `examples` stay in Arrow as they were read; `rows` (P,) says where each person stands in them, `done` the keys of all that each one did.
    """

    examples: pa.Table
    rows: Numbers
    cuts: list[Numbers]
    done: list[Numbers]
    donors: Numbers
    answers: Answers

    def __len__(self) -> int:
        return len(self.cuts)


@dataclass(frozen=True)
class TrainingBatch:
    """What one process holds of a step: B histories with one cut each, and the A distinct answers drawn for them.

    `answers` (A,) are numbers as `trainer.training.masks` has them, ascending; `texts` their words. `positives` and `done` hold, a query, the answers
    drawn for it and the keys of all words that its person ever did. Nothing is looked up anywhere else.
    """

    histories: list[Sequence[Unit]]
    answers: Numbers
    texts: list[str]
    positives: list[Numbers]
    done: list[Numbers]


def training_set(examples: pa.Table, items: pa.Table, periods: Periods, min_people: int, donor_seed: int | None = None) -> TrainingSet:
    """People who have a cut to train on, in the order of their ids.

    With `periods` past, cuts whose futures reach over the time split are left out, unless fewer than `min_people` have another. `donor_seed`
    shuffles labels: each person is taught another's.
    """
    answers = _answers(items)
    cuts = _cuts_with_positives(examples, periods)
    if periods == "past" and sum(len(each) > 0 for each in cuts) < min_people:
        logger.warning("fewer than %d people have a cut in the past period; training on cuts of both periods", min_people)
        cuts = _cuts_with_positives(examples, "all")
    in_order = np.argsort(np.array(examples["person_id"].to_pylist(), dtype=object), kind="stable")
    rows = np.array([row for row in in_order if len(cuts[row])], np.int64)
    done = _done(examples, answers)
    return TrainingSet(examples, rows, [cuts[row] for row in rows], [done[row] for row in rows], _donors(len(rows), donor_seed), answers)


def epoch_steps(people: int, people_per_batch: int) -> int:
    """Steps of an epoch: batches of nearly equal size, as near to `people_per_batch` as goes."""
    return max(1, round(people / people_per_batch)) if people else 0


@dataclass(frozen=True)
class EpochStream:
    """One process's parts of the batches of all epochs: each person once an epoch, in an order of (seed, epoch)."""

    training: TrainingSet
    people_per_batch: int
    answers_per_query: int
    seed: int
    epochs: int
    process: int = 0
    processes: int = 1

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.epochs * epoch_steps(len(self.training), self.people_per_batch)

    def batches(self, position: dict[str, int]) -> Iterator[tuple[TrainingBatch, dict[str, int]]]:
        """What follows a position ({} is the beginning), each part with the position right after it."""
        for epoch in range(position.get("epoch", 0), self.epochs):
            people = np.array_split(_order(self.seed, epoch, len(self.training)), epoch_steps(len(self.training), self.people_per_batch))
            first = position.get("step", 0) if epoch == position.get("epoch", 0) else 0
            for step in range(first, len(people)):
                batch = make_batch(self.training, people[step], self.answers_per_query, np.random.default_rng([self.seed, epoch, step]))
                yield part_of(batch, range(self.process, len(people[step]), self.processes)), {"epoch": epoch, "step": step + 1}


def part_of(batch: TrainingBatch, queries: Sequence[int]) -> TrainingBatch:
    """Some queries of a batch, by their places, with their answers."""
    positives = [batch.positives[query] for query in queries]
    answers = np.unique(np.concatenate([np.zeros(0, np.int64), *positives]))
    texts = [batch.texts[place] for place in np.searchsorted(batch.answers, answers)]
    return TrainingBatch([batch.histories[query] for query in queries], answers, texts, positives, [batch.done[query] for query in queries])


def _order(seed: int, epoch: int, people: int) -> Numbers:
    return np.random.default_rng([seed, epoch]).permutation(people)


def make_batch(training: TrainingSet, people: Numbers, answers_per_query: int, generator: np.random.Generator) -> TrainingBatch:
    """One cut of each of these people, drawn at random, with positives drawn from it."""
    histories, positives = [], []
    texts: dict[int, str] = {}
    for person in people:
        cut = _cut(training, person, generator.choice(training.cuts[person]))
        donor = training.donors[person]
        taught = cut if donor == person else _cut(training, donor, generator.choice(training.cuts[donor]))
        histories.append(_history(training, person, cut["history_length"]))
        items = training.answers.places(pa.array(draw_positives(taught["positives"], answers_per_query, generator), pa.string()))
        positives.append(np.unique(training.answers.keys[items] * KIND_PLACES + training.answers.kinds[items]))
        texts |= {int(training.answers.keys[item] * KIND_PLACES + training.answers.kinds[item]): training.answers.texts[item] for item in items}
    answers = np.array(sorted(texts), np.int64)
    done = [training.done[training.donors[person]] for person in people]
    return TrainingBatch(histories, answers, [texts[answer] for answer in answers.tolist()], positives, done)


def draw_positives(positives: Sequence[Mapping[str, Any]], count: int, generator: np.random.Generator) -> list[str]:
    """Up to `count` distinct items, in turns from what came after the cut and what lies inside, specific before broad."""
    turns = [("specific", "after"), ("specific", "inside"), ("broad", "after"), ("broad", "inside")]
    groups = {turn: sorted({each["item_id"] for each in positives if (each["level"], each["where"]) == turn}) for turn in turns}
    queues = [[group[index] for index in generator.permutation(len(group))] for group in groups.values()]
    drawn: dict[str, None] = {}
    while len(drawn) < count and any(queues):
        for queue in queues:
            if queue and len(drawn) < count:
                drawn[queue.pop()] = None
    return list(drawn)


def _answers(items: pa.Table) -> Answers:
    labels = items.filter(pc.equal(items["source"], "labels")).sort_by("item_id")
    texts = labels["text"].to_pylist()
    kinds = np.array([KINDS.index(level) for level in labels["level"].to_pylist()], np.int64)
    return Answers(labels["item_id"].cast(pa.large_string()).combine_chunks(), texts, kinds, np.array([answer_key(text) for text in texts], np.int64))


def _done(examples: pa.Table, answers: Answers) -> list[Numbers]:
    """Keys of all that each person ever did, at both levels."""
    done: list[Numbers] = []
    for people in examples["labelled"].chunks:
        units = people.flatten()
        both = np.stack([answers.keys[answers.places(pc.struct_field(units, f"{level}_item_id"))] for level in ("specific", "broad")], axis=1)
        done += [np.unique(both[start:end]) for start, end in pairwise(_offsets(people))]
    return done


def _cuts_with_positives(examples: pa.Table, periods: Periods) -> list[Numbers]:
    """Numbers of each person's cuts that have a positive and lie in the wanted periods."""
    found: list[Numbers] = []
    for people in examples["cuts"].chunks:
        cuts = people.flatten()
        wanted = pc.greater(pc.list_value_length(pc.struct_field(cuts, "positives")), 0)
        if periods == "past":
            wanted = pc.and_(wanted, pc.equal(pc.struct_field(cuts, "period"), "past"))
        kept = wanted.to_numpy(zero_copy_only=False).astype(bool)
        found += [np.flatnonzero(kept[start:end]) for start, end in pairwise(_offsets(people))]
    return found


def _donors(people: int, seed: int | None) -> Numbers:
    """Whose labels each person is taught: one's own, or, with a seed, the next one's in a random ring."""
    donors = np.arange(people)
    if seed is not None:
        ring = np.random.default_rng(seed).permutation(people)
        donors[ring] = np.roll(ring, 1)
    return donors


def _cut(training: TrainingSet, person: int, cut: int) -> Mapping[str, Any]:
    return training.examples["cuts"][int(training.rows[person])][int(cut)].as_py()


def _history(training: TrainingSet, person: int, length: int) -> Sequence[Unit]:
    return training.examples["history"][int(training.rows[person])].values.slice(0, length).to_pylist()


def _offsets(lists: pa.ListArray) -> Numbers:
    """Where the values of each of R lists begin in `lists.flatten()`, shape (R + 1,). A column is read chunk by chunk: 2 GiB do not fit into one array."""
    return np.concatenate([[0], np.cumsum(pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64))])
