"""Chunks of some people and their labelled units -> rows of `examples`. Histories stay in Arrow; Python sees a person's arrays."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.chunk_parts import LEAF_BYTES
from lake.examples import EXAMPLES, HeldOut, answer_key, title_answer, topics_as_json
from lake.labels import LEVELS, normalised
from lake.schema import arrow_schema
from trainer.config import ExamplesConfig
from trainer.examples.catalogue import NO_CATALOGUE, Catalogue
from trainer.examples.cuts import NONE, Numbers, PersonHistory, cut_row, held_out, person_cuts
from trainer.examples.held_out_acts import HeldOutFrom, held_out_cuts, held_out_from
from trainer.examples.held_out_topics import NO_WORDS
from trainer.examples.judgements import Judged, with_better_labels, with_judgements
from trainer.examples.person_labels import whole
from trainer.topics import are_of_topics, text_keys

_TYPES = arrow_schema(EXAMPLES)
NEVER = int(np.iinfo(np.int64).max)
"""A time (UTC microseconds) that is later than all others."""


@dataclass(frozen=True)
class People:
    """P people and the S units of all their histories in a row, oldest first, with what cuts and answers need of each.

    Shapes: offsets (P + 1,) says where each person's units begin; threads, titles, labels and items (S,), -1 for none: `titles` are numbers of titles,
    `labels` rows of `label_rows`, `items` those of `catalogue`; title_keys (S, 3) are the answer_keys of the titles of a unit's object, of itself and of its root, -1 for none.
    """

    person_ids: list[str]
    offsets: Numbers
    units: pa.StructArray
    threads: Numbers
    titles: Numbers
    title_keys: Numbers
    labels: Numbers
    label_rows: pa.Table
    items: Numbers
    catalogue: Catalogue

    def history(self, person: int, max_units: int) -> PersonHistory:
        """The arrays of one person, of whose units the newest `max_units` are kept."""
        start, end = self.offsets[person : person + 2]
        times = pc.struct_field(self.units.slice(start, end - start), "created_at").cast(pa.int64()).to_numpy()
        threads, titles, labels = (numbers[start:end] for numbers in (self.threads, self.titles, self.labels))
        return PersonHistory(times, threads, titles, labels, self.item_keys(person), kept_from=max(0, int(end - start) - max_units))

    def item_keys(self, person: int) -> Numbers:
        """The `answer_key` of the item that each unit of a person acts on, -1 for none."""
        items = self.items[slice(*self.offsets[person : person + 2])]
        return np.where(items == NONE, NONE, self.catalogue.keys[items]) if len(self.catalogue.keys) else items

    @cached_property
    def about_keys(self) -> Numbers:
        """The `answer_key` of what each unit is about, in the archive's own words (`lake.units.thread_title`), (S,); -1 for none."""
        of_objects, own, of_roots = self.title_keys.T
        return np.where(of_objects != NONE, of_objects, np.where(own != NONE, own, of_roots))

    def without(self, words: Numbers) -> "People":
        """The people as they were if nothing had these words (answer_keys): no label of a unit one of whose two labels is among them, no such title, no such item."""
        if not len(words):
            return self
        of_rows = np.append(are_of_topics(self.label_rows, words), False)  # behind the last stands no label's
        of_items = np.append(np.isin(self.catalogue.keys, words), False)
        return replace(
            self,
            labels=np.where(of_rows[self.labels], NONE, self.labels),
            titles=np.where(np.isin(self.about_keys, words), NONE, self.titles),
            items=np.where(of_items[self.items], NONE, self.items),
        )

    def visited(self, person: int, name: Literal["community", "platform"]) -> list[str]:
        """All in which a person ever acted, sorted."""
        start, end = (int(each) for each in self.offsets[person : person + 2])
        return sorted(pc.unique(pc.struct_field(self.units.slice(start, end - start), name)).drop_null().to_pylist())


def people_of(chunks: pa.Table, label_rows: pa.Table, catalogue: Catalogue = NO_CATALOGUE) -> People:
    """The people of `person_id`, `chunk` and `units` of sequences, and of rows of `person_labels`, both in any order."""
    if chunks.nbytes > LEAF_BYTES:
        chunks = chunks.cast(pa.schema([field.with_type(_with_large_offsets(field.type)) for field in chunks.schema]))
    chunks = chunks.sort_by([("person_id", "ascending"), ("chunk", "ascending")]).combine_chunks()
    label_rows = label_rows.combine_chunks()
    lists = whole(chunks["units"])
    units, counts = lists.flatten(), pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    person_ids = chunks["person_id"].to_pylist()
    first_chunks = [row for row in range(len(person_ids)) if not row or person_ids[row] != person_ids[row - 1]]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    by_role = titles_by_role(units)
    return People(
        person_ids=[person_ids[row] for row in first_chunks],
        offsets=starts[[*first_chunks, len(person_ids)]],
        units=units,
        threads=_numbers(pc.struct_field(units, "thread_id").dictionary_encode()),
        titles=_numbers(pc.coalesce(*by_role).dictionary_encode()),
        title_keys=np.stack([title_keys(titles) for titles in by_role], axis=1),
        labels=_label_of_units(units, np.repeat(np.array(person_ids, object), counts), label_rows),
        label_rows=label_rows,
        items=catalogue.find(units),
        catalogue=catalogue,
    )


def _with_large_offsets(arrow_type: pa.DataType) -> pa.DataType:
    if pa.types.is_string(arrow_type):
        return pa.large_string()
    if pa.types.is_list(arrow_type):
        return pa.large_list(_with_large_offsets(arrow_type.value_type))
    if pa.types.is_struct(arrow_type):
        return pa.struct([field.with_type(_with_large_offsets(field.type)) for field in arrow_type])
    return arrow_type


def titles_by_role(units: pa.StructArray) -> list[pa.Array]:
    """Titles of each unit's object, of itself and of its root, null where there is none with words. The first of them is `lake.units.thread_title`."""
    contexts = pc.struct_field(units, "context")
    lengths = pc.list_value_length(contexts).fill_null(0).to_numpy(zero_copy_only=False)
    entries = contexts.flatten()
    first = np.where(lengths > 0, np.cumsum(lengths) - lengths, NONE)
    openings = entries.take(pa.array(first, pa.int64(), mask=first == NONE))
    of_objects, of_roots = (_titles_of_role(openings, role) for role in ("object", "root"))
    return [_with_words(titles) for titles in (of_objects, pc.struct_field(units, "title"), of_roots)]


def _titles_of_role(openings: pa.StructArray, role: str) -> pa.Array:
    titles = pc.struct_field(openings, "title")
    return pc.if_else(pc.equal(pc.struct_field(openings, "role"), role), titles, pa.scalar(None, titles.type))


def _with_words(texts: pa.Array) -> pa.Array:
    encoded = texts.dictionary_encode()
    return pa.array([text if normalised(text) else None for text in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def title_keys(titles: pa.Array) -> Numbers:
    """The `answer_key` of each title as an answer, -1 for null."""
    encoded = titles.dictionary_encode()
    answers = pa.array([title_answer(title) for title in encoded.dictionary.to_pylist()], pa.string())
    return text_keys(answers.take(encoded.indices))


@dataclass(frozen=True)
class TimeSplit:
    """When the future begins, by which encoders are judged; and when acts begin by which they are chosen, where acts are held out. UTC microseconds."""

    judge_at: int
    choose_at: int


def examples_of(
    people: People, split: TimeSplit, config: ExamplesConfig, counts: Counter[str], dropped: Counter[str], judged: Judged | None = None, of_topics: Numbers = NO_WORDS
) -> pa.Table:  # fmt: skip
    """Rows of `examples`, ordered by where and when the people act last, so that neighbours in the table are neighbours in place and time.

    Where acts are held out, all but the cuts that ask for them is made of what lies before. Where topics are, only people of split test have what is `of_topics` (answer_keys). `counts` and
    `dropped` are added to: people, cuts, people of each split; people without an example by reason.
    """
    shares, rows, kept = held_out(config), [], []
    known, never, labels = people.without(of_topics), frozenset(of_topics.tolist()), _labels(people.label_rows)
    rules: dict[str, Any] = {"held_out_acts": config.held_out_acts, "held_out_topics": topics_as_json(shares.topics), "candidates": []}
    for person, person_id in enumerate(people.person_ids):
        visited = {"communities": people.visited(person, "community"), "platforms": people.visited(person, "platform")}
        part = shares.split_of(person_id, visited["communities"])
        row = _person_row(people if part == "test" else known, person, labels, split, config)
        if isinstance(row, str):
            dropped[f"people: {row}"] += 1
            continue
        row |= {"person_id": person_id, "split": part, **visited, **rules}
        start, end = (int(each) for each in people.offsets[person : person + 2])
        start = max(start, end - config.max_history_units)
        if judged:
            unit_ids = pc.struct_field(people.units.slice(start, end - start), "unit_id").to_pylist()
            if config.judged_positives and part == "train":
                row = with_better_labels(row, judged, never)
            row = with_judgements(row, unit_ids, judged, config.hard_negative_grade, frozenset() if part == "test" else never)
        _count(row, shares, counts)
        rows.append(row)
        kept.append((start, end))
    order = sorted(range(len(rows)), key=lambda at: (rows[at]["cuts"][-1]["community"] or "", rows[at]["cuts"][-1]["cut_at"], rows[at]["person_id"]))
    return _table([rows[at] for at in order], [kept[at] for at in order], people.units)


def _person_row(people: People, person: int, labels: list[dict[str, Any]], split: TimeSplit, config: ExamplesConfig) -> dict[str, Any] | str:
    """What the units of one person say, or why there is no example."""
    history = people.history(person, config.max_history_units)
    begins = held_out_from(history, config.held_out_acts, split.choose_at, split.judge_at) if config.held_out_acts else None
    trained = history if begins is None else history.before(begins.choose)
    cuts, asked = person_cuts(trained, config), [] if begins is None else _held_out_cuts(people, person, history, begins, config)
    if isinstance(cuts, str) and not asked:
        return cuts
    row = _example(people, person, trained, [] if isinstance(cuts, str) else cuts, labels, split.judge_at if begins is None else NEVER, config)
    row["cuts"] += asked
    return row | {"trained_units": None if begins is None else max(0, begins.choose - history.kept_from)}


def _count(row: Mapping[str, Any], shares: HeldOut, counts: Counter[str]) -> None:
    """Add what a row has to the counts."""
    counts["people"] += 1
    counts["cuts"] += len(row["cuts"])
    counts.update(f"people with {cut['part']} acts held out" for cut in row["cuts"] if cut["part"])
    counts["people with labels"] += bool(row["labelled"])
    counts["people with catalogue items"] += bool(row["acted_on"])
    counts["hard negatives"] += sum(len(cut["hard_negatives"]) for cut in row["cuts"])
    counts[f"{row['split']} people"] += 1
    counts.update(people_of_place(community) for community in shares.communities if community in row["communities"])


def people_of_place(community: str) -> str:
    """Name of the count of people of a community that is held out."""
    return f"people of {community}, held out"


def _example(
    people: People, person: int, history: PersonHistory, cuts: list[tuple[int, bool]], labels: list[dict[str, Any]], split_at: int, config: ExamplesConfig
) -> dict[str, Any]:  # fmt: skip
    start, end = (int(each) for each in people.offsets[person : person + 2])
    units = people.units.slice(start, end - start)
    communities, unit_ids = pc.struct_field(units, "community").to_pylist(), pc.struct_field(units, "unit_id").to_pylist()
    times = pc.struct_field(units, "created_at")
    items = {row: {level: labels[row][f"{level}_item_id"] for level in LEVELS} for row in history.labels[history.labels != NONE].tolist()}
    of_labels = [key for row in items for key in (answer_key(labels[row]["specific"]), answer_key(labels[row]["broad"]))]
    of_titles, of_items = people.title_keys[start : start + len(history.times)], history.items
    cut_rows = [
        {"cut_at": times[cut - 1].as_py()} | cut_row(history, cut, for_labels, communities, unit_ids, items, split_at, config) for cut, for_labels in cuts
    ]
    acts = np.flatnonzero(people.items[start + history.kept_from : end] != NONE)
    return {
        "labelled": [labels[row] for row in history.labels[history.kept_from :].tolist() if row != NONE],
        "cuts": cut_rows,
        "did": np.unique(np.concatenate([of_titles[of_titles != NONE], of_items[of_items != NONE], np.array(of_labels, np.int64)])),
        "acted_on": _acted_items(people, start + history.kept_from, acts.tolist()),
        "label_set": sorted({labels[row]["teacher_version"] for row in items}),
    }  # fmt: skip


def _held_out_cuts(people: People, person: int, history: PersonHistory, begins: HeldOutFrom, config: ExamplesConfig) -> list[dict[str, Any]]:
    """The cuts that ask for held-out acts."""
    start, end = (int(each) for each in people.offsets[person : person + 2])
    units = people.units.slice(start, end - start)
    times = pc.struct_field(units, "created_at")
    found = held_out_cuts(history, begins, pc.struct_field(units, "community").to_pylist(), config.min_past_units)
    return [{"cut_at": times[place - 1].as_py()} | cut for place, cut in found]


def _acted_items(people: People, start: int, places: list[int]) -> list[dict[str, Any]]:
    """The items of these units of the history that begins at a place among all units."""
    rows = [(place, int(people.items[start + place])) for place in places]
    return [{"place": place, "item_id": people.catalogue.item_ids[row], "text": people.catalogue.texts[row]} for place, row in rows]


def _table(rows: list[dict[str, Any]], kept: list[tuple[int, int]], units: pa.StructArray) -> pa.Table:
    """The rows with their histories: units from a place to another."""
    ends = np.cumsum([0, *(end - start for start, end in kept)])
    places = np.concatenate([np.zeros(0, np.int64), *(np.arange(start, end) for start, end in kept)])
    history = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), units.take(pa.array(places)).cast(_TYPES.field("history").type.value_type))
    names = {field.name for field in _TYPES.field("labelled").type.value_type}
    columns = (
        {"history": history}
        | {name: pa.array([row[name] for row in rows], _TYPES.field(name).type) for name in set(_TYPES.names) - {"history", "labelled"}}
        | {"labelled": pa.array([[{name: label[name] for name in names} for label in row["labelled"]] for row in rows], _TYPES.field("labelled").type)}
    )
    return pa.table({name: columns[name] for name in _TYPES.names})


def _labels(rows: pa.Table) -> list[dict[str, Any]]:
    return rows.drop_columns(["person_id", "created_at", "bucket"]).to_pylist()


def _label_of_units(units: pa.StructArray, person_of_unit: np.ndarray, labels: pa.Table) -> Numbers:
    """Row among `labels` of each unit, (S,)."""
    if not len(labels):
        return np.full(len(units), NONE)
    unit_keys = pc.binary_join_element_wise(pa.array(person_of_unit, pa.string()), pc.struct_field(units, "unit_id"), "\x1f")
    label_keys = pc.binary_join_element_wise(whole(labels["person_id"]), whole(labels["unit_id"]), "\x1f")
    return pc.index_in(unit_keys, value_set=label_keys).fill_null(NONE).cast(pa.int64()).to_numpy(zero_copy_only=False)


def _numbers(encoded: pa.DictionaryArray) -> Numbers:
    return encoded.indices.cast(pa.int64()).fill_null(NONE).to_numpy(zero_copy_only=False)
