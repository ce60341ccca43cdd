"""Examples and items -> what an encoder is asked, as arrays: each cut is a query, the items of its future are the answers.

Items are the teacher's labels, or, of people whom no teacher read as well, the titles of threads that they enter next.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.examples import Kind, answer_key, title_answer
from lake.labels import LEVELS
from lake.rendering import QueryFormat, is_readable, with_label
from lake.units import thread_title

Futures = Literal["all", "new"]
FUTURES: tuple[Futures, ...] = ("all", "new")
Example = Mapping[str, Any]
AskedCut = tuple[Example, Mapping[str, Any]]
"""A cut, and whose it is."""
UNITS_ALONE: frozenset[QueryFormat] = frozenset({"units"})
SECONDS_OF_A_COMMUNITY = 10_000 * 366 * 86_400
"""Length of a community's stretch on the line of places: all times that Python knows fit into it, so that no window reaches from one into the next."""


class InFutures:
    """What stands in futures, with whether each of it was done in a thread new to the person, `in_new_thread` (N,)."""

    in_new_thread: np.ndarray

    def of(self, futures: Futures) -> np.ndarray:
        """Whether each counts among such futures (N,)."""
        return self.in_new_thread if futures == "new" else np.ones(len(self.in_new_thread), bool)


@dataclass(frozen=True)
class FutureLabels(InFutures):
    """Labels after the cuts, query by query and in time; all arrays (L,). What was done twice stands twice.

    `place` is where and when a label's unit was, as one number: communities (of one platform; a platform, for units without one) lie behind
    each other on one line of seconds, each with its own stretch of it, so that near in place means the same community at about the same time.
    """

    query: np.ndarray
    item: np.ndarray
    place: np.ndarray
    in_new_thread: np.ndarray


@dataclass(frozen=True)
class LevelAnswers:
    """The items of one kind, what each query has of them in its past, as indexes into the items in time, when that was (seconds), and the labels of the futures."""

    item_ids: list[str]
    texts: list[str]
    pasts: list[np.ndarray]
    past_times: list[np.ndarray]
    futures: FutureLabels


@dataclass(frozen=True)
class Questions:
    """B queries of P people. `histories` are the pasts, units oldest first; `person` says whose each query is; `unread` cuts were left out for want of labels to read."""

    person_ids: list[str]
    person: np.ndarray
    histories: list[Sequence[Mapping[str, Any]]]
    periods: np.ndarray
    levels: dict[Kind, LevelAnswers]
    unread: int = 0

    @property
    def people(self) -> int:
        """P."""
        return len(self.person_ids)


def people_to_ask(examples: Iterable[pa.RecordBatch], items: pa.Table, communities: Sequence[str] | None = None) -> list[str]:
    """`person_id`s, sorted, of those who have a label among the items after one of their cuts in these communities; out of `person_id` and `cuts`."""
    found: set[str] = set()
    item_ids = items["item_id"].combine_chunks()
    for batch in examples:
        cuts, person = pc.list_flatten(batch["cuts"]), pc.list_parent_indices(batch["cuts"])
        of_cuts = pc.struct_field(cuts, "positives")
        positives, cut = pc.list_flatten(of_cuts), pc.list_parent_indices(of_cuts)
        is_asked = pc.and_(pc.equal(pc.struct_field(positives, "where"), "after"), pc.is_in(pc.struct_field(positives, "item_id"), value_set=item_ids))
        if communities is not None:
            is_asked = pc.and_(is_asked, pc.is_in(pc.struct_field(cuts, "community").take(cut), value_set=pa.array(communities, pa.string())))
        found.update(batch["person_id"].take(pc.unique(person.take(cut.filter(is_asked)))).to_pylist())
    return sorted(found)


def people_who_enter(examples: Iterable[pa.RecordBatch], communities: Sequence[str] | None = None) -> list[str]:
    """`person_id`s, sorted, of those who enter a titled thread after one of their cuts in these communities; out of `person_id` and `cuts`."""
    return people_with_cuts(examples, lambda cuts: pc.greater(pc.list_value_length(pc.struct_field(cuts, "entered")), 0), communities)


def people_with_cuts(
    examples: Iterable[pa.RecordBatch], are_asked: Callable[[pa.StructArray], pa.BooleanArray], communities: Sequence[str] | None
) -> list[str]:  # fmt: skip
    """`person_id`s, sorted, of those who have a cut in these communities (None: anywhere) that is asked about; out of `person_id` and `cuts`."""
    found: set[str] = set()
    for batch in examples:
        cuts, person = pc.list_flatten(batch["cuts"]), pc.list_parent_indices(batch["cuts"])
        is_asked = are_asked(cuts)
        if communities is not None:
            is_asked = pc.and_(is_asked, pc.is_in(pc.struct_field(cuts, "community"), value_set=pa.array(communities, pa.string())))
        found.update(batch["person_id"].take(pc.unique(person.filter(is_asked))).to_pylist())
    return sorted(found)


def questions_of(
    examples: Iterable[Example], items: pa.Table, communities: Sequence[str] | None = None, formats: Collection[QueryFormat] = UNITS_ALONE
) -> Questions:  # fmt: skip
    """The questions of some people among the items made of labels, in the examples' order; `formats` are those of the encoders that are asked.

    Cuts without a label after them, or (if given) before an act outside these communities, are left out, and those that one of the formats finds nothing to
    read before, and with them people who have no other. Where a format reads labels, units must have theirs (`with_labels`). Items of apps are no answers.
    """
    labels = items.filter(pc.is_in(items["level"], value_set=pa.array(LEVELS)))
    known = set(labels["item_id"].to_pylist())
    asked = [
        (example, cut)
        for example in examples
        for cut in example["cuts"]
        if is_in(cut, communities) and any(positive["where"] == "after" and positive["item_id"] in known for positive in cut["positives"])
    ]
    cuts = readable_cuts(asked, formats)
    levels: dict[Kind, LevelAnswers] = {
        level: _level_answers(labels.filter(pc.equal(labels["level"], level)), cuts, _places_of_units(cuts)) for level in LEVELS
    }
    return questions_at(cuts, levels, len(asked) - len(cuts))


def title_questions(examples: Iterable[Example], communities: Sequence[str] | None = None, formats: Collection[QueryFormat] = UNITS_ALONE) -> Questions:
    """The questions of some people among the titles of all threads that they enter next, as `questions_of` has them of labels.

    All those threads are new to whoever enters them; they are asked about once, as all futures. Of the past nothing is an answer.
    """
    asked = [(example, cut) for example in examples for cut in example["cuts"] if cut["entered"] and is_in(cut, communities)]
    cuts = readable_cuts(asked, formats)
    return questions_at(cuts, {"title": _title_answers(cuts)}, len(asked) - len(cuts))


def is_in(cut: Mapping[str, Any], communities: Sequence[str] | None) -> bool:
    """Whether a cut is before an act in these communities, if they are given."""
    return communities is None or cut["community"] in communities


def readable_cuts(cuts: Sequence[AskedCut], formats: Collection[QueryFormat]) -> list[AskedCut]:
    """The cuts before which each of the formats has something to read."""
    return [(example, cut) for example, cut in cuts if all(is_readable(example["history"][: cut["history_length"]], each) for each in formats)]


def questions_at(cuts: Sequence[AskedCut], levels: dict[Kind, LevelAnswers], unread: int) -> Questions:
    """The questions at these cuts, in their order."""
    numbers = {person_id: number for number, person_id in enumerate(dict.fromkeys(example["person_id"] for example, _ in cuts))}
    return Questions(
        person_ids=list(numbers),
        person=np.array([numbers[example["person_id"]] for example, _ in cuts], np.int64),
        histories=[example["history"][: cut["history_length"]] for example, cut in cuts],
        periods=np.array([cut["period"] for _, cut in cuts], dtype=object),
        levels=levels,
        unread=unread,
    )


def of_first_people(questions: Questions, people: int | None) -> Questions:
    """What the first so many people are asked, None: all."""
    if people is None or people >= questions.people:
        return questions
    queries = int(np.searchsorted(questions.person, people))
    levels = {level: _of_first_queries(answers, queries) for level, answers in questions.levels.items()}
    return Questions(questions.person_ids[:people], questions.person[:queries], questions.histories[:queries], questions.periods[:queries], levels)


def _of_first_queries(answers: LevelAnswers, queries: int) -> LevelAnswers:
    labels = answers.futures
    first = slice(np.searchsorted(labels.query, queries))
    futures = FutureLabels(labels.query[first], labels.item[first], labels.place[first], labels.in_new_thread[first])
    return LevelAnswers(answers.item_ids, answers.texts, answers.pasts[:queries], answers.past_times[:queries], futures)


def with_labels(example: Example) -> Example:
    """The example with the labels of its history's units in them."""
    labels = {label["unit_id"]: label for label in example["labelled"]}
    return {**example, "history": [with_label(unit, labels) for unit in example["history"]]}


def _places_of_units(cuts: Sequence[AskedCut]) -> dict[str, dict[str, int]]:
    """Place of each unit of each person's history, by `person_id` and `unit_id`."""
    communities: dict[tuple[str, str | None], int] = {}

    def place(unit: Mapping[str, Any]) -> int:
        community = communities.setdefault((unit["platform"], unit["community"]), len(communities))
        return community * SECONDS_OF_A_COMMUNITY + int(unit["created_at"].timestamp())

    by_person = {example["person_id"]: example["history"] for example, _ in cuts}
    return {person_id: {unit["unit_id"]: place(unit) for unit in history} for person_id, history in by_person.items()}


def _times_of_units(cuts: Sequence[AskedCut]) -> dict[str, dict[str, float]]:
    """Seconds of each unit of each person's history, by `person_id` and `unit_id`."""
    by_person = {example["person_id"]: example["history"] for example, _ in cuts}
    return {person_id: {unit["unit_id"]: unit["created_at"].timestamp() for unit in history} for person_id, history in by_person.items()}


def _level_answers(items: pa.Table, cuts: Sequence[AskedCut], places: Mapping[str, Mapping[str, int]]) -> LevelAnswers:
    item_ids = items["item_id"].to_pylist()
    index = {item_id: number for number, item_id in enumerate(item_ids)}
    found = [[positive for positive in cut["positives"] if positive["item_id"] in index] for _, cut in cuts]
    inside = [[positive for positive in positives if positive["where"] == "inside"] for positives in found]
    times = _times_of_units(cuts)
    after = [
        (query, index[positive["item_id"]], places[cuts[query][0]["person_id"]][positive["unit_id"]], positive["new_thread"])
        for query, positives in enumerate(found)
        for positive in positives
        if positive["where"] == "after"
    ]
    query, item, place, in_new_thread = np.array(after, np.int64).reshape(-1, 4).T
    pasts = [np.array([index[positive["item_id"]] for positive in positives], np.int64) for positives in inside]
    past_times = [
        np.array([times[example["person_id"]][positive["unit_id"]] for positive in positives]) for (example, _), positives in zip(cuts, inside, strict=True)
    ]
    return LevelAnswers(item_ids, items["text"].to_pylist(), pasts, past_times, FutureLabels(query, item, place, in_new_thread.astype(bool)))


def _title_answers(cuts: Sequence[AskedCut]) -> LevelAnswers:
    places = _places_of_units(cuts)
    titles = {example["person_id"]: [thread_title(unit) for unit in example["history"]] for example, _ in cuts}
    index: dict[int, int] = {}
    texts: list[str] = []
    after = []
    for query, (example, cut) in enumerate(cuts):
        for unit in cut["entered"]:
            text = title_answer(titles[example["person_id"]][unit])
            if index.setdefault(answer_key(text), len(texts)) == len(texts):
                texts.append(text)
            after.append((query, index[answer_key(text)], places[example["person_id"]][example["history"][unit]["unit_id"]]))
    queries, items, at = np.array(after, np.int64).reshape(-1, 3).T
    pasts = [np.zeros(0, np.int64) for _ in cuts]
    return LevelAnswers([str(key) for key in index], texts, pasts, pasts, FutureLabels(queries, items, at, np.zeros(len(after), bool)))
