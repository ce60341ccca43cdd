"""The three questions of an app: who is like this person, what to recommend, who cares about a text. Answers come out of Milvus."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from conf.errors import VectorStoreError
from lake.labels import Level
from serving import filters
from serving.collections import ITEMS, LIKELY, USERS, VECTOR, LoadName, likely_query, parse_name
from serving.milvus import MAX_HITS, VectorStore

TOPICS_LOOKED_AT = 50
USER_FIELDS = ("person_id", "unit_count", "communities", "last_at")
ITEM_FIELDS = ("item_id", "text", "level", "source", "label_count")
Entity = dict[str, Any]


class Topic(BaseModel):
    """A specific item near two people; `score` is the lower of the two cosines."""

    model_config = ConfigDict(frozen=True)

    item_id: str
    text: str
    score: float


class PersonHit(BaseModel):
    """A person near a text, or near another person."""

    model_config = ConfigDict(frozen=True)

    person_id: str
    score: float
    unit_count: int
    communities: list[str]
    last_at: datetime


class SimilarPerson(PersonHit):
    """A person near another person, with the topics near to both."""

    shared: list[Topic]


Ranking = Literal["likely", "alike"]
"""By what items are ranked for a person: how likely the person does them next, which popular ones are, or how alike their words are to the person's history."""


class Recommendation(BaseModel):
    """An item for a person. `score` is what it is ranked by: alike, the cosine; likely, that and the logarithm of `label_count` by what the encoder's card says that it weighs.
    `known`: one of the person's own labels."""

    model_config = ConfigDict(frozen=True)

    item_id: str
    score: float
    text: str
    level: Level | None
    source: str
    label_count: int | None
    known: bool


class Index:
    """Users and items of one load, as the users' alias stands when it is opened: it alone decides, and the name of the items follows from what it stands for."""

    def __init__(self, store: VectorStore) -> None:
        """Raises VectorStoreError where nothing is loaded."""
        self._store = store
        served = served_load(store)
        self.users, self.items, self.encoder_version = served.of(USERS), served.of(ITEMS), served.encoder_version
        if self.items not in store.names():
            raise VectorStoreError(f"{store.place}: {self.items} is not there, which {self.users} needs beside it; run 'kindred serving load'")
        for name in (self.users, self.items):
            store.make_searchable(name)

    def person(self, identifier: str) -> Entity:
        """The person with this `person_id`, or with this among their `user_ids`; with vector. Raises VectorStoreError where there is none."""
        fields = (*USER_FIELDS, VECTOR)
        for where in (filters.equals("person_id", identifier), filters.contains("user_ids", identifier)):
            found = self._store.find(self.users, where, fields, 1)
            if found:
                return found[0]
        raise VectorStoreError(
            f"no person {identifier!r} in {self.users}; expected a person_id or user_id of somebody with enough units, "
            "labelled ones where the encoder reads labels (see 'kindred user-id')"
        )

    def similar_users(self, person: Entity, top_k: int, topics: int) -> list[SimilarPerson]:
        """The people nearest to a person, best first, the person left out; each with the topics near to both."""
        others = filters.differs("person_id", person["person_id"])
        hits = self._store.search(self.users, [person[VECTOR]], top_k, others, (*USER_FIELDS, VECTOR))[0]
        shared = self._shared_topics(person, hits, topics)
        return [SimilarPerson(**_person_fields(hit), shared=of_both) for hit, of_both in zip(hits, shared, strict=True)]

    def recommend(self, person: Entity, level: Level, top_k: int, known: Collection[str], only_new: bool, by: Ranking = "likely") -> list[Recommendation]:
        """The items of a level for a person, best first. `known` are `item_id`s that the person's own units are labelled with."""
        limit = min(top_k + (len(known) if only_new else 0), MAX_HITS)
        field, vector = (LIKELY, likely_query(person[VECTOR])) if by == "likely" else (VECTOR, person[VECTOR])
        hits = self._store.search(self.items, [vector], limit, filters.equals("level", level), ITEM_FIELDS, field)[0]
        kept = [hit for hit in hits if not (only_new and hit["item_id"] in known)]
        return [_recommendation(hit, hit["item_id"] in known) for hit in kept[:top_k]]

    def audience(self, vector: Sequence[float], top_k: int) -> list[PersonHit]:
        """The people nearest to a text's vector, best first."""
        hits = self._store.search(self.users, [vector], top_k, fields=USER_FIELDS)[0]
        return [PersonHit(**_person_fields(hit)) for hit in hits]

    def _shared_topics(self, person: Entity, others: Sequence[Entity], count: int) -> list[list[Topic]]:
        if not others or not count:
            return [[] for _ in others]
        vectors = [person[VECTOR], *(other[VECTOR] for other in others)]
        near = self._store.search(self.items, vectors, TOPICS_LOOKED_AT, filters.equals("level", "specific"), ("item_id", "text"))
        return [shared_topics(near[0], near_other, count) for near_other in near[1:]]


def shared_topics(near_one: Sequence[Entity], near_other: Sequence[Entity], count: int) -> list[Topic]:
    """Items that are among the nearest of both people: highest lower score first, ties by `item_id`. Maybe none."""
    scores = {item["item_id"]: item["score"] for item in near_other}
    both = [
        Topic(item_id=item["item_id"], text=item["text"], score=min(item["score"], scores[item["item_id"]])) for item in near_one if item["item_id"] in scores
    ]
    return sorted(both, key=lambda topic: (-topic.score, topic.item_id))[:count]


def served_load(store: VectorStore) -> LoadName:
    """The load that is served. Raises VectorStoreError where there is none."""
    alias = store.alias(USERS)
    target = store.target(alias)
    name = parse_name(target) if target else None
    if name is None:
        raise VectorStoreError(f"{store.place}: alias {alias!r} stands for {target or 'nothing'}; load vectors with 'kindred serving load'")
    return name


def _person_fields(hit: Entity) -> Entity:
    return {name: hit[name] for name in ("person_id", "score", "unit_count", "communities")} | {"last_at": datetime.fromtimestamp(hit["last_at"], UTC)}


def _recommendation(hit: Entity, known: bool) -> Recommendation:
    is_label = bool(hit["level"])
    return Recommendation(
        item_id=hit["item_id"], score=hit["score"], text=hit["text"], level=hit["level"] or None, source=hit["source"],
        label_count=hit["label_count"] if is_label else None, known=known,
    )  # fmt: skip
