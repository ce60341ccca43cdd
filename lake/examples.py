"""Table of training: one row a person, with several cuts of the history."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lake.labels import Level, normalised
from lake.rendering import plain
from lake.tables import Row, TableSpec
from lake.units import HistoryUnit

Split = Literal["train", "validation", "test"]
Kind = Literal["specific", "broad", "title", "catalogue"]
KINDS: tuple[Kind, ...] = ("specific", "broad", "title", "catalogue")
"""Kinds of answers: the teacher's two levels, the title of what was entered or acted on, and an app's own item. The loss contrasts each by itself."""
Side = Literal["query", Kind]
"""Sides of training and of serving: a history is a query, and an answer is of a kind."""
Where = Literal["inside", "after"]
Period = Literal["past", "future"]
HeldOutActs = Literal["last", "later"]
"""Which acts of everybody are held out in the place of people: the last two catalogue items of each (leave one out), or those after a moment, the same for all."""
TITLE_CHARS = 200
"""Of a title, as an answer."""


def answer_key(text: str) -> int:
    """What an answer's words are known by, 0 to 2**60 - 1: the first bits of the SHA-256 of the normalised text. Two answers of the same words are one."""
    return int.from_bytes(hashlib.sha256(normalised(text).encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 4


def title_answer(title: str) -> str:
    """A title as an answer: one line of TITLE_CHARS at most, so that tables that keep more or less of it name the same."""
    return plain(title, TITLE_CHARS)


Topics = Annotated[float, Field(gt=0, lt=1)] | tuple[str, ...]
"""Broad labels: a share of all that there are, by a hash of their normalised words, or these, normalised and sorted."""


class HeldOut(BaseModel):
    """What an encoder was never trained on. People: shares of all, by a hash of `person_id`, and everybody who ever acted in some communities; and of the others, topics."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    validation_share: float = Field(ge=0, lt=1, description="Share by which it was chosen.")
    test_share: float = Field(ge=0, lt=1, description="Share that it never met.")
    communities: tuple[str, ...] = Field((), description="Places that it never met, sorted: whoever acted in one of them belongs to split test.")
    acts: HeldOutActs | None = Field(
        None, description="Everybody was trained on, with what they did before these acts alone; None where whole people were held out."
    )
    topics: Topics | None = Field(
        None, description="Broad labels that nobody's training knows of, with all specific ones beside them and titles that say them."
    )

    def split_of(self, person_id: str, communities: Iterable[str] = ()) -> Split:
        """Where a person who ever acted in these communities belongs: the same in every run and on every machine."""
        if self.communities and not set(self.communities).isdisjoint(communities):
            return "test"
        place = _place_of("split", person_id)
        if place < self.test_share:
            return "test"
        return "validation" if place < self.test_share + self.validation_share else "train"

    def holds_out_same_people(self, other: "HeldOut") -> bool:
        """Whether both leave the same people and acts out, whatever they make of topics."""
        return self.model_copy(update={"topics": None}) == other.model_copy(update={"topics": None})


def is_of_topics(broad: str, topics: Topics | None) -> bool:
    """Whether a broad label is one of these: the same in every run and on every machine."""
    words = normalised(broad)
    return _place_of("topic", words) < topics if isinstance(topics, float) else topics is not None and words in topics


def topics_of(setting: float | Sequence[str] | None) -> Topics | None:
    """Topics as a setting names them: a share, or broad labels in any spelling."""
    return setting if setting is None or isinstance(setting, float) else tuple(sorted(set(map(normalised, setting))))


def topics_as_json(topics: Topics | None) -> str | None:
    """Topics as they stand in a row of `examples`."""
    return None if topics is None else json.dumps(topics, ensure_ascii=False)


def _place_of(kind: str, name: str) -> float:
    """From 0 to 1, by a hash."""
    return int.from_bytes(hashlib.sha256(f"{kind}\x1f{name}".encode()).digest()[:8], "big") / 2**64


class PersonLabel(Row):
    """One labelled unit of one person: when it was, and both labels, as items and in words."""

    person_id: str = Field(description="As in `sequences`.")
    unit_id: str = Field(description="The unit.")
    created_at: datetime = Field(description="Time of the unit, UTC.")
    specific_item_id: str = Field(description="Its specific label, as an item.")
    broad_item_id: str = Field(description="Its broad label, as an item.")
    specific: str = Field(description="The words of the specific label.")
    broad: str = Field(description="The words of the broad label.")
    teacher_version: str = Field(description="Who said so.")
    bucket: int = Field(description="As in `sequences`; the partition.")


class Positive(Row):
    """One label of the person, as an item, seen from a cut."""

    item_id: str = Field(description="The label as an item.")
    level: Level = Field(description="Of the label: specific or broad.")
    unit_id: str = Field(description="The unit that was so labelled.")
    where: Where = Field(description="inside: before the cut; after: in the future window.")
    new_thread: bool = Field(description="Whether the unit is in a thread, and in one that has no unit of the person before the cut.")
    grade: float | None = Field(description="How relevant a teacher judged it, 0 to 1; null where nobody did, and in tables of an older Kindred.")


class Cut(Row):
    """A moment in a history: the past is the query; labels inside and after it, titles of what is entered and catalogue items acted on after it are answers."""

    cut_at: datetime = Field(description="Time of the last unit of the past, UTC.")
    history_length: int = Field(gt=0, description="How many units of `history` lie in the past of this cut.")
    community: str | None = Field(description="Where the person acts next.")
    positives: list[Positive] = Field(description="Labels inside the past and in the future window; none where the cut is not one for labels.")
    entered: list[int] = Field(
        description="Places in `history` of the units soon after the cut by which the person enters a titled thread, or acts on a titled thing, for the first time."
    )
    hard_negatives: list[str] = Field(description="`item_id`s near the query that a teacher judged to be no answers of it; their words are in `candidates`.")
    period: Period = Field(
        description="past: every answer of this cut lies before the time split; future: the cut lies at or after it or its answers reach over it."
    )
    labelled: int | None = Field(description="How many units of the past have a label; null in tables of an older Kindred.")
    acted_on: list[int] | None = Field(
        description="Places in `history` of the units soon after the cut by which the person acts on an item of an app's catalogue for the first time, words "
        "that were met under another id counted; null in tables of an older Kindred."
    )
    part: Split | None = Field(
        description="Where acts are held out: whether the answers of this cut are to train on, to choose by or to judge by; null where whole people are, and in tables of an older Kindred."
    )


class LabelledUnit(Row):
    """The labels of one unit of the history."""

    unit_id: str = Field(description="A unit of the history.")
    specific_item_id: str = Field(description="Its specific label, as an item.")
    broad_item_id: str = Field(description="Its broad label, as an item.")
    specific: str = Field(description="The words of the specific label.")
    broad: str = Field(description="The words of the broad label.")


class ActedItem(Row):
    """The item of an app's catalogue that a unit of the history acts on."""

    place: int = Field(ge=0, description="Of the unit in `history`.")
    item_id: str = Field(description="The item.")
    text: str = Field(description="Its words.")


class Candidate(Row):
    """An item that was judged, in words."""

    item_id: str = Field(description="The item.")
    level: Level | None = Field(description="Of a label; null for an app's own item.")
    text: str = Field(description="Its words.")


class Example(Row):
    """One person for training, labelled or not. Self-contained: whoever streams it looks nothing up."""

    person_id: str = Field(description="As in `sequences`.")
    history: list[HistoryUnit] = Field(description="The newest units, oldest first.")
    labelled: list[LabelledUnit] = Field(description="Labels of the history's units, in its order; units without one are absent.")
    cuts: list[Cut] = Field(description="Moments of the history that are asked about, oldest first.")
    did: list[int] = Field(
        description="`answer_key`s, ascending, of all labels, titles and catalogue items of everything that the person ever did, older than `history` too, held-out acts and topics excepted: none is their negative."
    )
    communities: list[str] = Field(description="All in which the person ever acted, sorted; by them whole places are held out.")
    platforms: list[str] | None = Field(description="All on which the person ever acted, sorted; null in tables of an older Kindred.")
    label_set: list[str] = Field(description="Teacher versions used, sorted.")
    split: Split = Field(description="By hash of `person_id`, or by a community that is held out; the partition.")
    acted_on: list[ActedItem] | None = Field(description="Catalogue items that the units of the history act on, by place; null in tables of an older Kindred.")
    candidates: list[Candidate] | None = Field(description="The hard negatives of all cuts, each once; null in tables of an older Kindred.")
    held_out_acts: HeldOutActs | None = Field(description="Which acts are held out; null where whole people are, and in tables of an older Kindred.")
    held_out_topics: str | None = Field(
        description="Topics (a share or names, as JSON) of which rows of split train and validation have no label, and no title as an answer; null where none are held out, and in tables of an older Kindred."
    )
    trained_units: int | None = Field(
        description="How many units of `history` lie before the held-out acts: what is trained on, `did` and `labelled` know nothing of the others; null where whole people are held out."
    )


PERSON_LABELS = TableSpec(
    name="person_labels", row=PersonLabel, key=("bucket", "person_id", "unit_id"), partition_by=("bucket",), write_mode="overwrite",
    written_by=("trainer examples",), stats_columns=("person_id",), subjects={"person_id": "person", "unit_id": "act"},
)  # fmt: skip
EXAMPLES = TableSpec(
    name="examples", row=Example, key=("person_id",), partition_by=("split",), write_mode="overwrite", written_by=("trainer examples",),
    stats_columns=("person_id",), repeating_columns=(), later_columns=(
        "acted_on", "candidates", "platforms", "held_out_acts", "held_out_topics", "trained_units", "cuts.labelled", "cuts.acted_on", "cuts.part", "cuts.positives.grade", "history.source_text",
    ),
    subjects={
        "person_id": "person", "history.unit_id": "act", "history.community": "place", "history.context.speaker_id": "person", "history.context.unit_id": "act",
        "communities": "place", "cuts.community": "place", "cuts.hard_negatives": "item", "candidates.item_id": "item",
    },
    indivisible=("history",),
)  # fmt: skip
"""Without dictionaries the size of a row group, by which training plans what it holds, is what it takes in memory; compressed files are hardly larger."""
