"""Table of training: one row a person, with several cuts of the history."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from lake.labels import Level
from lake.tables import Row, TableSpec
from lake.units import HistoryUnit

Split = Literal["train", "validation", "test"]
Where = Literal["inside", "after"]
Period = Literal["past", "future"]


class Positive(Row):
    """One label of the person, as an item, seen from a cut."""

    item_id: str
    level: Level
    unit_id: str = Field(description="The unit that was so labelled.")
    where: Where = Field(description="inside: before the cut; after: in the future window.")
    new_thread: bool = Field(description="Whether the unit is in a thread, and in one that has no unit of the person before the cut.")


class Cut(Row):
    """A moment in a history: the past is the query, the labels inside and after it are answers."""

    cut_at: datetime = Field(description="Time of the last unit of the past, UTC.")
    history_length: int = Field(gt=0, description="How many units of `history` lie in the past of this cut.")
    positives: list[Positive]
    hard_negatives: list[str] = Field(description="`item_id`s near the query that are not its answers.")
    period: Period = Field(
        description="past: every future of this cut lies before the time split; future: the cut lies at or after it or its futures reach over it."
    )


class LabelledUnit(Row):
    """The items of one labelled unit of the person: everything that the person ever did is positive or masked."""

    unit_id: str
    specific_item_id: str
    broad_item_id: str


class Example(Row):
    """One person for training."""

    person_id: str
    history: list[HistoryUnit] = Field(description="Oldest first.")
    labelled: list[LabelledUnit] = Field(description="Labels of the history's units, in its order; units without one are absent.")
    cuts: list[Cut]
    split: Split = Field(description="By hash of `person_id`.")
    label_set: list[str] = Field(description="Teacher versions used, sorted.")


EXAMPLES = TableSpec(name="examples", row=Example, key=("person_id",), write_mode="overwrite", written_by="trainer")
