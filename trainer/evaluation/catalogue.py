"""An app's own items as answers: which of all that are there does a person act on next, for the first time? Pure but for what it is handed.

Items of the same words are one. What a person acted on before is no candidate (`scores.found_by`): it is no answer either, and every recommender is asked so.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.examples import Split, answer_key
from lake.rendering import QueryFormat
from trainer.evaluation.questions import UNITS_ALONE, Example, FutureLabels, LevelAnswers, Questions, is_in, people_with_cuts, questions_at, readable_cuts


@dataclass(frozen=True)
class AppItems:
    """A distinct items of apps: `item_ids` and `texts` (A,), of several of the same words those of the first; `number` says of every item which it is."""

    item_ids: list[str]
    texts: list[str]
    number: dict[str, int]


def app_items(items: pa.Table) -> AppItems:
    """The items of `item_id` and `text`, in the order of their ids."""
    item_ids: list[str] = []
    texts: list[str] = []
    number: dict[str, int] = {}
    by_words: dict[int, int] = {}
    for row in items.sort_by("item_id").to_pylist():
        known = by_words.setdefault(answer_key(row["text"]), len(texts))
        if known == len(texts):
            item_ids.append(row["item_id"])
            texts.append(row["text"])
        number[row["item_id"]] = known
    return AppItems(item_ids, texts, number)


def asks_for_items(cut: Mapping[str, Any], part: Split | None, communities: Sequence[str] | None = None) -> bool:
    """Whether an item is acted on after a cut of this part of the held-out acts (None: where whole people are held out), in these communities, if given."""
    return bool(cut["acted_on"]) and cut["part"] == part and is_in(cut, communities)


def catalogue_questions(
    examples: Iterable[Example], items: AppItems, part: Split | None, communities: Sequence[str] | None = None, formats: Collection[QueryFormat] = UNITS_ALONE
) -> Questions:  # fmt: skip
    """What items are acted on for the first time after each such cut, and which were before it, all in time."""
    asked = [(example, cut) for example in examples for cut in example["cuts"] if asks_for_items(cut, part, communities)]
    cuts = readable_cuts(asked, formats)
    after, pasts, past_times = [], [], []
    for query, (example, cut) in enumerate(cuts):
        acted = {act["place"]: items.number[act["item_id"]] for act in example["acted_on"] if act["item_id"] in items.number}
        after += [(query, acted[place]) for place in cut["acted_on"] if place in acted]
        before = [place for place in sorted(acted) if place < cut["history_length"]]
        pasts.append(np.array([acted[place] for place in before], np.int64))
        past_times.append(np.array([example["history"][place]["created_at"].timestamp() for place in before]))
    queries, numbers = np.array(after, np.int64).reshape(-1, 2).T
    nowhere = np.zeros(len(after), np.int64)
    answers = LevelAnswers(items.item_ids, items.texts, pasts, past_times, FutureLabels(queries, numbers, nowhere, nowhere.astype(bool)))
    return questions_at(cuts, {"catalogue": answers}, len(asked) - len(cuts))


def trained_items(examples: Iterable[Mapping[str, Any]], items: AppItems) -> list[np.ndarray]:
    """What each person of the training acted on, in time, as indexes into the items: before the held-out acts, or, where whole people are held out, before the last cut.

    Of `acted_on`, `cuts` and `trained_units`; people without any are left out.
    """
    pasts = []
    for example in examples:
        until = example["trained_units"]
        if until is None:
            until = max(cut["history_length"] for cut in example["cuts"])
        acted = sorted((act["place"], items.number[act["item_id"]]) for act in example["acted_on"] or () if act["item_id"] in items.number)
        if past := [number for place, number in acted if place < until]:
            pasts.append(np.array(past, np.int32))
    return pasts


def people_with_items(examples: Iterable[pa.RecordBatch], part: Split | None, communities: Sequence[str] | None = None) -> list[str]:
    """`person_id`s, sorted, of those who have such a cut; out of `person_id` and `cuts`."""

    def are_asked(cuts: pa.StructArray) -> pa.BooleanArray:
        parts = pc.struct_field(cuts, "part")
        act_on_some = pc.greater(pc.list_value_length(pc.struct_field(cuts, "acted_on")), 0).fill_null(False)
        return pc.and_(act_on_some, pc.is_null(parts) if part is None else pc.equal(parts, part).fill_null(False))

    return people_with_cuts(examples, are_asked, communities)
