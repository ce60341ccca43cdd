"""A few of the people who were asked, as a person looks at them: what they did, what was recommended, and what they then did."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lake import rendering
from lake.examples import Kind
from trainer.config import EvaluationConfig
from trainer.evaluation.asked import Asked, Place
from trainer.evaluation.numbers import Number
from trainer.evaluation.questions import Questions
from trainer.evaluation.scores import BEST, NO_ITEM, Found

ITEM_CHARS, UNIT_CHARS = 160, 240
NEWEST_UNITS, FUTURE_ITEMS = 5, 12
"""What is shown of a past, and of a future."""
AUC: Mapping[str, Place] = {"personal_auc": ("all cuts", "all", "personal_auc"), "matched_personal_auc": ("all cuts", "all", "matched_personal_auc")}


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ShownUnit(_Shown):
    """A unit of a past."""

    at: datetime
    community: str | None
    words: str = Field(description=f"Own words, at most {UNIT_CHARS} characters.")


class ShownItem(_Shown):
    """An item that was recommended."""

    words: str
    hit: Literal["done later", "near in meaning", "done before"] | None = Field(
        description="Whether it is in the future, the base puts it near to something there, or it is in the past alone."
    )


class ShownFuture(_Shown):
    """A distinct item of a future, with its rank from 1 among all items, ties sharing theirs."""

    words: str
    tuned_rank: float
    base_rank: float


class ShownPerson(_Shown):
    """A person at the newest of the cuts that were asked about."""

    person_id: str = Field(description="A pseudonym.")
    chosen: Literal["first", "worst"] = Field(description="As one of the first by their ids, or as one of those with the lowest personal AUC.")
    kind: Kind
    cut_at: datetime = Field(description="When the last unit before the cut was written, UTC.")
    units: int = Field(description="Units before the cut.")
    newest: list[ShownUnit] = Field(description="The newest of them, oldest first.")
    recommended: list[ShownItem] = Field(description="The ten best by the encoder, best first; ties beyond the tenth left out.")
    recommended_by_base: list[ShownItem]
    future: list[ShownFuture] = Field(description="The first of what was done later, best found first.")
    future_items: int = Field(description="Distinct items of the future.")
    tuned_auc: dict[str, Number] = Field(description="personal_auc and matched_personal_auc of the person over all cuts; NaN where nobody was met.")
    base_auc: dict[str, Number]


def shown_people(
    questions: Questions, level: Kind, asked: Asked, tuned: Found[Place], base: Found[Place], vectors: np.ndarray, config: EvaluationConfig
) -> list[ShownPerson]:  # fmt: skip
    """The first people, then those of the lowest personal AUC by the encoder. `vectors` (A, D) are the base's of the items, and say what is near in meaning."""
    auc = {name: {metric: auc_of_people(asked, place, found) for metric, place in AUC.items()} for name, found in (("tuned", tuned), ("base", base))}
    by_auc = np.argsort(auc["tuned"]["personal_auc"], kind="stable")
    worst = [person for person in by_auc if not np.isnan(auc["tuned"]["personal_auc"][person])][: config.shown_people]
    one = _Showing(questions, level, asked, tuned, base, vectors, config.same_meaning_cosine, auc)
    return [
        *(one.person(int(number), "first") for number in range(min(config.shown_people, questions.people))),
        *(one.person(int(number), "worst") for number in worst),
    ]


def auc_of_people(asked: Asked, place: Place, found: Found[Place]) -> np.ndarray:
    """What each person (P,) wins on average against the others whom they met; NaN of whom nobody was met."""
    contest, wins = asked.contests[place], found.wins[place]
    met = ~np.isnan(wins)
    won = np.divide(np.nansum(wins, axis=1), met.sum(axis=1), out=np.full(len(wins), np.nan), where=met.any(axis=1))
    values = np.full(asked.questions.people, np.nan)
    values[contest.people] = won
    return values


class _Showing:
    """What stands behind the words of any person."""

    def __init__(
        self, questions: Questions, level: Kind, asked: Asked, tuned: Found[Place], base: Found[Place], vectors: np.ndarray, min_cosine: float,
        auc: Mapping[str, Mapping[str, np.ndarray]],
    ) -> None:  # fmt: skip
        self.questions, self.level, self.targets = questions, level, asked.targets
        self.answers, self.vectors, self.min_cosine = questions.levels[level], vectors, min_cosine
        self.tuned, self.base, self.auc = tuned, base, auc
        self.newest_query = np.searchsorted(questions.person, np.arange(questions.people), "right") - 1

    def person(self, person: int, chosen: Literal["first", "worst"]) -> ShownPerson:
        """A person at the newest cut that has a target at this level; the newest of all where none has."""
        query = self._newest_with_a_future(person)
        own = slice(self.targets.first[query], self.targets.first[query + 1])
        items, history = self.targets.item[own], self.questions.histories[query]
        ranks = np.stack([self.tuned.ranks[own].means, self.base.ranks[own].means])
        in_order = np.argsort(ranks[0], kind="stable")
        future = [ShownFuture(words=self._words(items[at]), tuned_rank=ranks[0, at], base_rank=ranks[1, at]) for at in in_order]
        return ShownPerson(
            person_id=self.questions.person_ids[person], chosen=chosen, kind=self.level, cut_at=history[-1]["created_at"], units=len(history),
            newest=[_shown_unit(unit) for unit in history[-NEWEST_UNITS:]],
            recommended=self._recommended(self.tuned.best[query], items, query), recommended_by_base=self._recommended(self.base.best[query], items, query),
            future=future[:FUTURE_ITEMS], future_items=len(future),
            tuned_auc={metric: float(values[person]) for metric, values in self.auc["tuned"].items()},
            base_auc={metric: float(values[person]) for metric, values in self.auc["base"].items()},
        )  # fmt: skip

    def _newest_with_a_future(self, person: int) -> int:
        newest = int(self.newest_query[person])
        oldest = int(np.searchsorted(self.questions.person, person))
        return next((query for query in range(newest, oldest - 1, -1) if self.targets.first[query] < self.targets.first[query + 1]), newest)

    def _recommended(self, best: np.ndarray, future: np.ndarray, query: int) -> list[ShownItem]:
        shown = best[best != NO_ITEM][:BEST]
        is_near = (self.vectors[shown] @ self.vectors[future].T >= self.min_cosine).any(axis=1)
        return [
            ShownItem(words=self._words(item), hit=self._hit(item, future, bool(near), self.answers.pasts[query]))
            for item, near in zip(shown, is_near, strict=True)
        ]

    def _hit(
        self, item: int, future: Sequence[int] | np.ndarray, is_near: bool, past: np.ndarray
    ) -> Literal["done later", "near in meaning", "done before"] | None:
        if item in future:
            return "done later"
        if is_near:
            return "near in meaning"
        return "done before" if item in past else None

    def _words(self, item: int) -> str:
        return rendering.plain(self.answers.texts[item], ITEM_CHARS)


def _shown_unit(unit: Mapping[str, object]) -> ShownUnit:
    return ShownUnit.model_validate({"at": unit["created_at"], "community": unit["community"], "words": rendering.own_words(unit, UNIT_CHARS)})
