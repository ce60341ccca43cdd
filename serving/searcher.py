"""Answers to questions, out of one open load and its encoder: the same for the command line and for the service."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

import numpy as np

from conf.errors import ArchiveError, UnreadableHistoryError, VectorStoreError
from lake.config import LakeConfig
from lake.encoder import load_registered
from lake.labels import Level
from lake.presence import user_id_of_name
from serving import filters, questions
from serving.collections import VECTOR
from serving.config import ServingConfig
from serving.hits import Act, HistoryVector, Hit, ItemHit, Person, PersonHit, Reason, Recommendation, SimilarPerson
from serving.milvus import open_store
from serving.people import first_times, labelled_units, newest_acts, newest_units
from serving.reasons import nearest_reasons
from serving.search import Index, Page


class TextEncoder(Protocol):
    """What a searcher needs of the registered encoder."""

    @property
    def version(self) -> str:
        """Hash of its content."""

    def encode_items(self, texts: Sequence[str], level: Level | None) -> np.ndarray:
        """Vectors (N, D) of items' words."""

    def encode_history(self, units: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, int]:
        """Vector (D,) of a history, oldest first, and of how many of its newest units it was made. Raises UnreadableHistoryError where it reads none."""


HistoryParser = Callable[[questions.Archive], Sequence[Mapping[str, Any]]]
"""Units of the person whose history a platform's files hold, oldest first. Raises ArchiveError where they cannot be read."""


class Searcher:
    """Answers questions. The encoder is asked for when a question needs it, and must be the one that the load was made with."""

    def __init__(
        self, lake: LakeConfig, config: ServingConfig, index: Index, encoder: Callable[[], TextEncoder], parse: HistoryParser | None = None
    ) -> None:  # fmt: skip
        self._lake, self._config, self.index, self._encoder, self._parse = lake, config, index, encoder, parse

    def similar_users(self, asked: questions.SimilarUsers) -> list[SimilarPerson]:
        """The people nearest to a person, best first, the person left out. Raises UnknownIdError."""
        person = self.index.person(asked.user)
        where = asked.expression(filters.differs("person_id", person["person_id"]))
        return self.index.similar_people(person[VECTOR], self._page(asked), where, self._config.shared_topics)

    def recommendations(self, asked: questions.Recommendations) -> list[Recommendation]:
        """Items for a person, best first, told whether the person did them already. Raises UnknownIdError."""
        person = self.index.person(asked.user)
        items = first_times(self._lake, person["person_id"])
        if asked.as_of is None:
            return self.index.recommend(person[VECTOR], self._page(asked), asked.expression(), asked.by, items, asked.only_new)
        known = {item for item, at in items.items() if at <= asked.as_of}
        vector = self._vector_then(person["person_id"], asked.as_of)
        return self.index.recommend(vector, self._page(asked), asked.expression(), asked.by, known, asked.only_new, items.keys() - known)

    def find_person(self, asked: questions.FindPerson) -> Person:
        """One person of the index. Raises UnknownIdError, and NoNamesError where names cannot be looked up."""
        user = asked.user if asked.name is None else user_id_of_name(self._lake, asked.platform or "", asked.name)
        return self.index.described(user or "")

    def history_of_person(self, asked: questions.HistoryOfPerson) -> list[Act]:
        """What a person did, newest first. Raises UnknownIdError."""
        person = self.index.person(asked.user)
        return newest_acts(self._lake, person["person_id"], asked.offset, asked.limit or self._config.top_k)

    def audience(self, asked: questions.Audience) -> list[PersonHit]:
        """The people nearest to a text or item, best first. Raises UnknownIdError."""
        vector = self.index.item(asked.item_id)[VECTOR] if asked.item_id is not None else self._text(asked.text or "", "specific")
        return self.index.people_near(vector, self._page(asked), asked.expression())

    def find_items(self, asked: questions.FindItems) -> list[ItemHit]:
        """The items nearest to a text, best first."""
        level = asked.level or (None if asked.sources else "specific")
        return self.index.items_near(self._text(asked.text, level), self._page(asked), asked.expression())

    def why(self, asked: questions.Why) -> list[Reason]:
        """The pairs of a person's own labels that are nearest to an item. Raises UnknownIdError."""
        person, item = self.index.person(asked.user), self.index.item(asked.item_id)
        level: Level = item["level"] or "specific"
        labels = labelled_units(self._lake, person["person_id"])
        vectors = self.index.vectors_of_items(set(labels[f"{level}_item_id"].to_pylist()))
        return [Reason(**reason) for reason in self._page(asked).of(nearest_reasons(labels.to_pylist(), level, item[VECTOR], vectors))]

    def vector_of_history(self, asked: questions.VectorOfHistory) -> HistoryVector:
        """The vector of a history that is in no lake."""
        vector, encoded_units = self._history(asked)
        return HistoryVector(vector=vector.tolist(), encoded_units=encoded_units)

    def recommendations_for_history(self, asked: questions.RecommendationsForHistory) -> list[ItemHit]:
        """Items for a history that is in no lake, best first. What the person did already cannot be told."""
        return self.index.items_near(self._history(asked)[0].tolist(), self._page(asked), asked.expression(), asked.by)

    def similar_to_history(self, asked: questions.SimilarToHistory) -> list[SimilarPerson]:
        """The people nearest to a history that is in no lake, best first."""
        return self.index.similar_people(self._history(asked)[0].tolist(), self._page(asked), asked.expression(), self._config.shared_topics)

    def _page(self, asked: questions.Question) -> Page:
        return Page(asked.limit or self._config.top_k, asked.offset, asked.min_score)

    def _vector_then(self, person_id: str, moment: datetime) -> list[float]:
        """The vector of what a person had done by then. Raises UnreadableHistoryError where that is nothing."""
        units = list(islice(newest_units(self._lake, person_id, moment), questions.MAX_ACTS))[::-1]
        if not units:
            raise UnreadableHistoryError("nothing was done by then")
        return self._fitting_encoder().encode_history(units)[0].tolist()

    def _text(self, text: str, level: Level | None) -> list[float]:
        return self._fitting_encoder().encode_items([text], level)[0].tolist()

    def _history(self, asked: questions.ByHistory) -> tuple[np.ndarray, int]:
        if asked.archive is None:
            return self._fitting_encoder().encode_history(asked.units())
        if self._parse is None:
            raise ArchiveError("there are no parsers here (they come with kindred[etl])")
        return self._fitting_encoder().encode_history(self._parse(asked.archive))

    def _fitting_encoder(self) -> TextEncoder:
        """The encoder. Raises VectorStoreError where the load was made with another one."""
        encoder = self._encoder()
        if self.index.encoder_version != encoder.version:
            raise VectorStoreError(
                f"{self.index.place}: vectors of encoder {self.index.encoder_version}, but the registered one is {encoder.version}; "
                "run 'kindred serving embed' and 'kindred serving load'"
            )
        return encoder


@dataclass(frozen=True)
class Answer:
    """How a kind of question is answered, and what is found."""

    question: type[Any]
    hit: type[Hit]
    answer: Callable[[Searcher, Any], Any]
    is_list: bool = True


ANSWERS = (
    Answer(questions.SimilarUsers, SimilarPerson, Searcher.similar_users),
    Answer(questions.Recommendations, Recommendation, Searcher.recommendations),
    Answer(questions.FindPerson, Person, Searcher.find_person, is_list=False),
    Answer(questions.HistoryOfPerson, Act, Searcher.history_of_person),
    Answer(questions.Audience, PersonHit, Searcher.audience),
    Answer(questions.FindItems, ItemHit, Searcher.find_items),
    Answer(questions.Why, Reason, Searcher.why),
    Answer(questions.VectorOfHistory, HistoryVector, Searcher.vector_of_history, is_list=False),
    Answer(questions.RecommendationsForHistory, ItemHit, Searcher.recommendations_for_history),
    Answer(questions.SimilarToHistory, SimilarPerson, Searcher.similar_to_history),
)


def answer_here(lake: LakeConfig, config: ServingConfig, question: questions.Question) -> Any:
    """The answer to one question, in this process. Raises UnknownIdError, EncoderError and VectorStoreError."""
    reads = getattr(question, "text", None) is not None or getattr(question, "as_of", None) is not None
    encoder = load_registered(lake, config.device) if reads else None  # before others have to wait for Milvus Lite
    with open_store(lake, config) as store:
        searcher = Searcher(lake, config, Index(store), lambda: encoder or load_registered(lake, config.device))
        (answer,) = (answer for answer in ANSWERS if answer.question is type(question))
        return answer.answer(searcher, question)
