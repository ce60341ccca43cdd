"""What is found: people, items, reasons and vectors, as the command line and the service give them. Pure, and light to import."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lake.labels import Level

Ranking = Literal["likely", "alike"]
"""By what items are ranked for a person: how likely the person does them next, which popular ones are, or how alike their words are to the person's history."""


class Hit(BaseModel):
    """One thing that was found."""

    model_config = ConfigDict(frozen=True)


class Topic(Hit):
    """A specific item near two people; `score` is the lower of the two cosines."""

    item_id: str
    text: str
    score: float


class PersonHit(Hit):
    """A person near a text, or near another person. `score` is a cosine."""

    person_id: str
    score: float
    unit_count: int
    communities: list[str]
    last_at: datetime


class SimilarPerson(PersonHit):
    """A person near another person, with the topics near to both."""

    shared: list[Topic]


class Person(Hit):
    """One person of the index."""

    person_id: str
    user_ids: list[str]
    platforms: list[str]
    communities: list[str]
    unit_count: int
    last_at: datetime


class Act(Hit):
    """One act of a person. `title` is what the thread or thing is called; labels are null where no teacher read it."""

    unit_id: str
    created_at: datetime
    platform: str
    community: str | None
    action: str
    title: str | None
    specific: str | None
    broad: str | None


class ItemHit(Hit):
    """An item near a text. `score` is a cosine; `level` and `label_count` are null for an app's own item."""

    item_id: str
    score: float
    text: str
    level: Level | None
    source: str
    label_count: int | None


class Recommendation(ItemHit):
    """An item for a person. `score` is what it is ranked by: alike, the cosine; likely, that and the logarithm of `label_count` by what the encoder's card says that it weighs.
    `known`: one of the person's own labels. `later`: one that the person's units were first labelled with after the moment that was asked about; null where none was."""

    known: bool
    later: bool | None = None


class LabelledUnit(Hit):
    """One of the person's units: its id and its time, UTC."""

    unit_id: str
    created_at: datetime


class Reason(Hit):
    """A pair of labels of the person's own units that is near to an item, and the newest of these units. `score` is the cosine of the label of the item's level with the item."""

    specific: str
    broad: str
    score: float
    unit_count: int
    units: list[LabelledUnit]


class HistoryVector(Hit):
    """The encoder's vector of a history, of unit length, and of how many of its newest acts it was made."""

    vector: list[float]
    encoded_units: int
