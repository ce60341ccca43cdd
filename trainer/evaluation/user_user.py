"""What was found of user-user questions, as it is kept and printed: *who is it* and *who is alike*. Nothing is trained for either."""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from trainer.evaluation.halves import Halving
from trainer.evaluation.numbers import Number, plain_name

Read = Literal["episodes", "full"]
"""How much of a half is read: a fixed number of units and tokens, or all that the encoder reads."""
Among = Literal["everybody", "same communities"]
"""Which second halves one's own must be found among: everybody's, or of those who share a community with it."""
USER_USER_TITLES = {
    "recall_at_1": "recall@1", "recall_at_8": "recall@8", "recall_at_8_nine_ranks": "recall@8 (LUAR: 9 ranks)", "recall_at_64": "recall@64", "mrr": "MRR",
    "spearman_communities": "communities", "partial_spearman_communities": "communities, partial", "spearman_labels": "labels", "partial_spearman_labels": "labels, partial",
}  # fmt: skip
READ_TITLES = {"episodes": "a fixed budget of own words", "full": "full length"}
HALVING_TITLES = {"time": "halves in time", "communities": "halves in time of disjoint communities"}


class UserUserScore(BaseModel):
    """One number with its interval, NaN where people are too few to tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str = Field(description="mrr, recall_at_1, ...; spearman_communities, partial_spearman_communities, spearman_labels, partial_spearman_labels.")
    scorer: str = Field(description="tuned, base, a baseline, or 'tuned - base': the paired difference.")
    mean: Number
    low: Number
    high: Number
    people: int


class _Scored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    people: int = Field(description="People asked.")
    left_out: dict[str, int] = Field(description="Why people were not asked -> how many.")
    scores: list[UserUserScore] = Field(description="None where nobody could be asked.")

    def score(self, scorer: str, metric: str) -> UserUserScore:
        """The one score of these coordinates. Raises KeyError where there is none."""
        for score in self.scores:
            if (score.scorer, score.metric) == (scorer, metric):
                return score
        raise KeyError((scorer, metric))


class Identity(_Scored):
    """Who is it: does the first half of a history find its own second half?"""

    halves: Halving = Field(description="How histories were halved.")
    read: Read = Field(description="How much of each half was read.")
    among: Among = Field(description="Whose second halves were the candidates.")
    candidates: float = Field(description="How many they were; the median over the people asked, one's own half counted.")
    chance_mrr: Number = Field(description="MRR of whoever guesses; NaN where nobody was asked.")


class Likeness(_Scored):
    """Who is alike: do people whose pasts are alike do alike things later?"""

    at: datetime | None = Field(description="When everybody's past ends and future begins, UTC; None where no cut tells.")
    pairs: int = Field(description="Pairs of the people asked.")
    labelled_people: int = Field(description="Those of them who have a label in their future.")


class UserUser(BaseModel):
    """All that was found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    identity: list[Identity]
    likeness: Likeness

    def who_is_it(self, halves: Halving, read: Read, among: Among = "everybody") -> Identity:
        """The one question of these coordinates. Raises KeyError where it was not asked."""
        for found in self.identity:
            if (found.halves, found.read, found.among) == (halves, read, among):
                return found
        raise KeyError((halves, read, among))


def user_user_blocks(found: UserUser) -> Iterator[tuple[str, list[UserUserScore]]]:
    """Title and scores of each block of the report; no scores where nobody could be asked."""
    for one in found.identity:
        whose = "second halves" if one.among == "everybody" else "second halves that share a community with it (median)"
        yield (
            f"Who is it: one's own other half, {HALVING_TITLES[one.halves]}, {READ_TITLES[one.read]}, among {one.candidates:g} {whose} ({_people(one)}; MRR by chance {one.chance_mrr:.3f})",
            one.scores,
        )
    like = found.likeness
    at = "no time split known" if like.at is None else f"{like.at:%Y-%m-%d %H:%M}"
    yield (
        f"Who is alike: Spearman of likeness of pasts with overlap of futures, both sides of {at}; partial: activity held fixed "
        f"({_people(like)}, {like.pairs} pairs; {like.labelled_people} people with labels)",
        like.scores,
    )


def _people(found: _Scored) -> str:
    left_out = "".join(f"; {count} left out: {reason}" for reason, count in found.left_out.items())
    return f"{found.people} people{left_out}"


def user_user_numbers(found: UserUser) -> dict[str, float]:
    """Metric name -> number, NaN left out: 'who_is_it/time/episodes/everybody/mrr/tuned' with '_low' and '_high', '.../people', '.../left_out', '.../candidates'."""
    numbers: dict[str, float] = {}
    for one in found.identity:
        place = "/".join(("who_is_it", one.halves, one.read, one.among))
        numbers |= {f"{place}/candidates": one.candidates, f"{place}/chance_mrr": one.chance_mrr} | _numbers(place, one)
    numbers |= {"who_is_alike/labelled_people": float(found.likeness.labelled_people)} | _numbers("who_is_alike", found.likeness)
    return {plain_name(name): number for name, number in numbers.items() if not math.isnan(number)}


def _numbers(place: str, found: _Scored) -> dict[str, float]:
    of_people: dict[str, float] = {f"{place}/people": found.people, f"{place}/left_out": sum(found.left_out.values())}
    return of_people | _of_scores(place, found.scores)


def _of_scores(place: str, scores: Sequence[UserUserScore]) -> dict[str, float]:
    named = [(f"{place}/{score.metric}/{score.scorer}", score) for score in scores]
    return {name + end: value for name, score in named for end, value in (("", score.mean), ("_low", score.low), ("_high", score.high))}
