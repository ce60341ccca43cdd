"""Tables of what the teacher is to be asked, `label_sample`, and of what it said, `labels`; of `items`, which labels and apps' catalogues become; and of `item_rejects`."""

import hashlib
import re
import unicodedata
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lake.tables import Row, TableSpec

if TYPE_CHECKING:
    import pyarrow.dataset as ds

Level = Literal["specific", "broad"]
LEVELS: tuple[Level, ...] = ("specific", "broad")
NORMALISING_VERSION = "2"
"""Changes with `normalised`: other ids of items, and other answers, of the same words."""
_NO_WORD = re.compile(r"[^\w\s+#]+")
_VARIANT = re.compile("[\u034f\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Marks that say how a sign is drawn and nothing else, as behind the signs of pictures."""


class SampledContent(Row):
    """One content that is worth a label, and for whose sake."""

    unit_hash: str = Field(description="The content, as in `labels`.")
    place: int = Field(ge=0, description="0, 1, ... in the order of choice: the sample of a smaller budget are the first of these.")
    unit_id: str = Field(description="The unit that it was picked for; others may carry the same content.")
    person_id: str = Field(description="Whose unit that is, as in `sequences`.")
    stratum: str = Field(
        description="Of the person: platform, language, year of the middle unit, units of the history, people of the community that most units are in."
    )
    sample_version: str = Field(description="Hash of the settings that decided, the budget aside.")


class Label(Row):
    """What came of one content that a teacher was asked about: its two labels, or the reason why there are none; with provenance.

    Both stand in one table, so that a batch is one commit: whatever is killed, a content is answered or it is not. Readers of labels take `is_label()` rows.
    """

    unit_hash: str = Field(
        description="The content: `coalesce(duplicate_group, unit_hash)` of the units that carry it; of an import whose unit is unknown, its given id."
    )
    teacher_version: str = Field(description="Hash of model, prompt, rendering and decoding; of the file where imported.")
    specific: str = Field(description="Topic, entity, action, opinion; 2 to 12 words, item-like. Empty where there is none.")
    broad: str = Field(description="Category; 1 to 5 words. Empty where there is none.")
    teacher_model: str = Field(description="Name of the model.")
    prompt_version: str = Field(description="Name and version of the prompt file.")
    rendering_version: str = Field(description="Version of the rendering of a unit to words.")
    decoding: str = Field(description="Decoding settings, one line.")
    prompt_tokens: int | None = Field(description="Tokens read; null where imported.")
    completion_tokens: int | None = Field(description="Tokens written; null where imported.")
    batch: str | None = Field(description="Batch that it was committed with, fixed by content; null where imported.")
    labelled_at: datetime | None = Field(description="UTC; null where imported.")
    reason: str | None = Field(
        None, description="Why there is no label: short, countable: 'specific: first person', 'unknown unit', ...; null where there is one."
    )
    raw: str | None = Field(None, description="What the teacher wrote instead, capped; null where there is a label.")


class Item(Row):
    """One thing that can be recommended: a label text at one level, or an app's own item."""

    item_id: str = Field(description="Hash of (source, level, normalised text) for labels, of (source, external_id) for an app's own.")
    source: str = Field(description="'labels', or the name of an app's catalogue.")
    level: Level | None = Field(description="null for an app's own item.")
    text: str = Field(description="The words: of a label, its most frequent spelling.")
    external_id: str | None = Field(description="Id in the app's catalogue.")
    label_count: int | None = Field(description="Contents that carry this label; null for an app's own item.")


class ItemReject(Row):
    """A row of an app's catalogue that makes no item."""

    source: str = Field(description="The catalogue's name.")
    line: int = Field(description="Number of the row in the catalogue's file, from 1; the line of names is none.")
    reason: str = Field(description="Short, countable: 'no id', 'no words', 'another text of an id', ...")
    raw: str = Field(description="The row as it stood, capped.")


LABEL_SAMPLE = TableSpec(
    name="label_sample", row=SampledContent, key=("unit_hash",), write_mode="overwrite", written_by=("teacher sample",),
    subjects={"unit_hash": "content", "unit_id": "act", "person_id": "person"},
)  # fmt: skip
LABELS = TableSpec(
    name="labels", row=Label, key=("unit_hash", "teacher_version"), write_mode="append", written_by=("teacher label", "teacher import-labels"),
    later_columns=("reason", "raw"), subjects={"unit_hash": "content"},
)  # fmt: skip
ITEMS = TableSpec(
    name="items", row=Item, key=("item_id",), write_mode="overwrite", written_by=("teacher items", "teacher import-items"), subjects={"item_id": "item"},
)  # fmt: skip
ITEM_REJECTS = TableSpec(name="item_rejects", row=ItemReject, key=("source", "line"), write_mode="overwrite", written_by=("teacher import-items",))
UNKNOWN_UNIT = "unknown unit"
"""Reason of an imported label that no unit of the lake has."""
LABELS_SOURCE = "labels"
"""`source` of items that labels became; every other one is an app's catalogue."""


def is_label() -> "ds.Expression":
    """Of rows of `labels` those that are labels, as a filter for readers."""
    import pyarrow.dataset as ds

    return ds.field("reason").is_null()


def normalised(text: str) -> str:
    """A label's text with casing, white space and punctuation levelled; meaning is left to the encoder.

    Marks that belong to a letter stay: the vowel signs of Hindi and Thai are such, and words differ by them alone.
    """
    words = _NO_WORD.sub(_marks_and_space, unicodedata.normalize("NFKC", text).casefold())
    return " ".join(words.split())


def _marks_and_space(found: re.Match[str]) -> str:
    """What stays of a run of signs that are neither letter nor number nor white space: the marks of the letter before it, and a space for the rest."""
    run = found.group()
    if run.isascii() or not found.start() or not found.string[found.start() - 1].isalnum():
        return " "
    marks = "".join(takewhile(lambda sign: unicodedata.category(sign) in ("Mn", "Mc") and not _VARIANT.match(sign), run))
    return marks if len(marks) == len(run) else marks + " "


def label_item_id(level: Level, text: str) -> str:
    """`item_id` of a label's text at a level, 32 hex digits."""
    return hashlib.sha256(f"labels\x1f{level}\x1f{normalised(text)}".encode()).hexdigest()[:32]


def catalogue_item_id(source: str, external_id: str) -> str:
    """`item_id` of an app's own item, 32 hex digits."""
    return hashlib.sha256(f"{source}\x1f{external_id}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
