"""Searches in one load of users and items. Answers come out of Milvus."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from conf.errors import NothingLoadedError, UnknownIdError, VectorStoreError
from serving import filters
from serving.collections import ITEMS, LIKELY, USERS, VECTOR, CollectionSpec, LoadName, likely_query, parse_name
from serving.hits import ItemHit, Person, PersonHit, Ranking, Recommendation, SimilarPerson, Topic
from serving.milvus import MAX_HITS, VectorStore

TOPICS_LOOKED_AT = 50
KEYS_AT_ONCE = 500
"""Keys in one filter."""
USER_FIELDS = ("person_id", "unit_count", "communities", "last_at")
ITEM_FIELDS = ("item_id", "text", "level", "source", "label_count")
Entity = dict[str, Any]
Vector = Sequence[float]


@dataclass(frozen=True)
class Page:
    """Which of the hits, best first, are wanted."""

    limit: int
    offset: int = 0
    min_score: float | None = None

    def of(self, hits: Sequence[Entity]) -> list[Entity]:
        """The wanted ones of all."""
        return self.near_enough(hits[self.offset : self.offset + self.limit])

    def near_enough(self, hits: Sequence[Entity]) -> list[Entity]:
        """Those of a page that have the least score."""
        return [hit for hit in hits if self.min_score is None or hit["score"] >= self.min_score]


class Index:
    """Users and items of one load, as the users' alias stands when it is opened: it alone decides, and the name of the items follows from what it stands for."""

    def __init__(self, store: VectorStore) -> None:
        """Raises NothingLoadedError where nothing is loaded, VectorStoreError where a part is."""
        self._store, self.place = store, store.place
        self.load = served_load(store)
        self.users, self.items, self.encoder_version = self.load.of(USERS), self.load.of(ITEMS), self.load.encoder_version
        if self.items not in store.names():
            raise VectorStoreError(f"{store.place}: {self.items} is not there, which {self.users} needs beside it; run 'kindred serving load'")
        for name in (self.users, self.items):
            store.make_searchable(name)

    def person(self, identifier: str) -> Entity:
        """The person with this `person_id`, or with this among their `user_ids`; with vector. Raises UnknownIdError where there is none."""
        return self._person(identifier, (*USER_FIELDS, VECTOR))

    def described(self, identifier: str) -> Person:
        """What the index says of a person, found as `person` finds one. Raises UnknownIdError."""
        found = self._person(identifier, (*USER_FIELDS, "user_ids", "platforms"))
        return Person(**{**found, "last_at": datetime.fromtimestamp(found["last_at"], UTC)})

    def _person(self, identifier: str, fields: Sequence[str]) -> Entity:
        for where in (filters.equals("person_id", identifier), filters.contains("user_ids", identifier)):
            found = self._store.find(self.users, where, fields, 1)
            if found:
                return found[0]
        raise UnknownIdError(
            f"no person {identifier!r} in {self.users}; expected a person_id or user_id of somebody with enough units, "
            "labelled ones where the encoder reads labels (see 'kindred user-id')"
        )

    def item(self, item_id: str) -> Entity:
        """An item, with vector. Raises UnknownIdError where there is none."""
        found = self._entities(ITEMS, self.items, [item_id], (*ITEM_FIELDS, VECTOR))
        if not found:
            raise UnknownIdError(f"no item {item_id!r} in {self.items}")
        return found[0]

    def vectors_of_items(self, item_ids: Collection[str]) -> dict[str, Vector]:
        """Vectors by `item_id`; items that are not there are left out."""
        return {found["item_id"]: found[VECTOR] for found in self._entities(ITEMS, self.items, sorted(item_ids), ("item_id", VECTOR))}

    def people_near(self, vector: Vector, page: Page, where: str = "") -> list[PersonHit]:
        """The people nearest to a vector, best first."""
        return [PersonHit(**_person_fields(hit)) for hit in self._people(vector, page, where, USER_FIELDS)]

    def similar_people(self, vector: Vector, page: Page, where: str, topics: int) -> list[SimilarPerson]:
        """The people nearest to a person's vector, best first; each with the topics near to both."""
        hits = self._people(vector, page, where, (*USER_FIELDS, VECTOR))
        shared = self._shared_topics(vector, hits, topics)
        return [SimilarPerson(**_person_fields(hit), shared=of_both) for hit, of_both in zip(hits, shared, strict=True)]

    def items_near(self, vector: Vector, page: Page, where: str, by: Ranking = "alike") -> list[ItemHit]:
        """The items nearest to the vector of a text, or of a history, best first."""
        return [ItemHit(**_item_fields(hit)) for hit in page.near_enough(self._items(vector, where, by, page.limit, page.offset))]

    def recommend(
        self, vector: Vector, page: Page, where: str, by: Ranking, known: Collection[str] = (), only_new: bool = False, later: Collection[str] | None = None
    ) -> list[Recommendation]:  # fmt: skip
        """Items for a person's vector, best first. `known` are `item_id`s that the person's own units are labelled with, `later` those that they were after the moment that is asked
        about, if one is; Milvus looks at MAX_HITS items at most."""
        if only_new:
            looked_at = self._items(vector, where, by, min(page.offset + page.limit + len(known), MAX_HITS))
            hits = page.of([hit for hit in looked_at if hit["item_id"] not in known])
        else:
            hits = page.near_enough(self._items(vector, where, by, page.limit, page.offset))
        return [Recommendation(**_item_fields(hit), known=(item := hit["item_id"]) in known, later=None if later is None else item in later) for hit in hits]

    def _people(self, vector: Vector, page: Page, where: str, fields: Sequence[str]) -> list[Entity]:
        return page.near_enough(self._store.search(self.users, [vector], page.limit, where, fields, offset=page.offset)[0])

    def _items(self, vector: Vector, where: str, by: Ranking, limit: int, offset: int = 0) -> list[Entity]:
        field, asked = (LIKELY, likely_query(vector)) if by == "likely" else (VECTOR, vector)
        return self._store.search(self.items, [asked], limit, where, ITEM_FIELDS, field, offset=offset)[0]

    def _shared_topics(self, vector: Vector, others: Sequence[Entity], count: int) -> list[list[Topic]]:
        if not others or not count:
            return [[] for _ in others]
        vectors = [vector, *(other[VECTOR] for other in others)]
        near = self._store.search(self.items, vectors, TOPICS_LOOKED_AT, filters.equals("level", "specific"), ("item_id", "text"))
        return [shared_topics(near[0], near_other, count) for near_other in near[1:]]

    def _entities(self, collection: CollectionSpec, name: str, keys: Sequence[str], fields: Sequence[str]) -> list[Entity]:
        parts = (keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE))
        return [found for part in parts for found in self._store.get(collection, name, part, fields)]


def shared_topics(near_one: Sequence[Entity], near_other: Sequence[Entity], count: int) -> list[Topic]:
    """Items that are among the nearest of both people: highest lower score first, ties by `item_id`. Maybe none."""
    scores = {item["item_id"]: item["score"] for item in near_other}
    both = [
        Topic(item_id=item["item_id"], text=item["text"], score=min(item["score"], scores[item["item_id"]])) for item in near_one if item["item_id"] in scores
    ]
    return sorted(both, key=lambda topic: (-topic.score, topic.item_id))[:count]


def served_load(store: VectorStore) -> LoadName:
    """The load that is served. Raises NothingLoadedError where there is none."""
    alias = store.alias(USERS)
    target = store.target(alias)
    name = parse_name(target) if target else None
    if name is None:
        raise NothingLoadedError(f"{store.place}: alias {alias!r} stands for {target or 'nothing'}; load vectors with 'kindred serving load'")
    return name


def _person_fields(hit: Entity) -> Entity:
    return {name: hit[name] for name in ("person_id", "score", "unit_count", "communities")} | {"last_at": datetime.fromtimestamp(hit["last_at"], UTC)}


def _item_fields(hit: Entity) -> Entity:
    """`level` and `label_count` of an app's own item are '' and 0 in Milvus."""
    is_label = bool(hit["level"])
    fields = {name: hit[name] for name in ("item_id", "score", "text", "source")}
    return {**fields, "level": hit["level"] or None, "label_count": hit["label_count"] if is_label else None}
