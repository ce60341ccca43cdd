"""What a person does in the month after a moment, as tasks for whoever knows the past alone. Pure; a task is the same on every platform, or is left out where nothing tells.

**One moment for all**, as where people are compared (`alike.py`): the time split of `examples`. Where few can be asked there, or the archive ends before the month does, it is the tenth of all
their units' times at which most can be, the last of several; nothing after a moment decides which it is.

**Who is asked** has `min_feature_units` before the moment, the last of them at most `feature_active_days` before it: who left years ago tells nobody apart. Somebody has an example only where
enough comes after a cut, so that of people with a shorter past only those would be met who go on: from that number on it hardly matters (of reddit-college's people with 10 units 57 % act again, of
those of them who have an example 59 %; of people with 5 it would be 46 % and 61 %).

Whether somebody is answered is no task: neither histories nor examples say who answered a unit.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

import numpy as np

from trainer.config import EvaluationConfig
from trainer.evaluation.halves import History, Unit, community_counts

YES, NO = "yes", "no"
TENTHS = np.linspace(0.1, 0.9, 9)
ENOUGH_CLASSES = 4
"""Times the least people of a class: so many are enough to stay at the time split."""
DAY = 86_400


@dataclass(frozen=True)
class Task:
    """What is guessed: of each of P people a value, None of who is not asked. `words` say it in a sentence."""

    name: str
    words: str
    values: Sequence[str | None]


@dataclass(frozen=True)
class Month:
    """What a person does in the days after a moment, and the tabular facts of the past (`activity`: log of 1 + units, of days since the last, of units in as many days as are asked about).

    `community` is the one with most units (the first by name among equals), `own_chars` the median length of own texts; None where there is none.
    """

    activity: tuple[float, float, float]
    units: int
    more_than_before: bool
    community: str | None
    new_community: bool
    opens_thread: bool
    answers_answers: bool
    before_noon: bool
    own_chars: float | None


def moment_to_ask(times: Sequence[np.ndarray], split: datetime | None, config: EvaluationConfig) -> datetime | None:
    """The moment at which everybody is cut, UTC; None where nobody can be asked at any. `times` are those of each person's units, ascending, in seconds."""
    units = np.concatenate([*times, np.zeros(0)])
    if not len(units):
        return None
    latest = units.max() - config.feature_days * DAY
    at_split = [split.timestamp()] if split is not None and split.timestamp() <= latest else []
    if at_split and asked_at(times, at_split[0], config).sum() >= ENOUGH_CLASSES * config.min_class_people:
        return split
    moments = [*at_split, *(moment for moment in np.quantile(units, TENTHS).round() if moment <= latest)]
    count, _, moment = max(((int(asked_at(times, moment, config).sum()), moment in at_split, moment) for moment in moments), default=(0, False, 0.0))
    return datetime.fromtimestamp(moment, UTC) if count else None


def asked_at(times: Sequence[np.ndarray], moment: float, config: EvaluationConfig) -> np.ndarray:
    """Whether each person has enough of a past at a moment (seconds), and a recent one."""
    before = [int(np.searchsorted(of_person, moment, "left")) for of_person in times]
    oldest = moment - config.feature_active_days * DAY
    return np.array([units >= config.min_feature_units and of_person[units - 1] >= oldest for units, of_person in zip(before, times, strict=True)], bool)


def month_of(history: History, at: datetime, days: float) -> tuple[History, Month]:
    """The past of a history (oldest first) before a moment, which has a unit, and what comes in the days after it."""
    past = [unit for unit in history if unit["created_at"] < at]
    after = [unit for unit in history[len(past) :] if unit["created_at"] < at + timedelta(days=days)]
    recent = sum(unit["created_at"] >= at - timedelta(days=days) for unit in past)
    known_days = (at - past[0]["created_at"]) / timedelta(days=1)
    places, met = community_counts(after), community_counts(past)
    texts = [len(unit["text"]) for unit in after if unit["text"]]
    return past, Month(
        activity=(math.log1p(len(past)), math.log1p((at - past[-1]["created_at"]) / timedelta(days=1)), math.log1p(recent)),
        units=len(after),
        more_than_before=len(after) * known_days > len(past) * days,
        community=min(places, key=lambda community: (-places[community], community), default=None),
        new_community=bool(places.keys() - met.keys()),
        opens_thread=any(_opens_thread(unit) for unit in after),
        answers_answers=_most(after, lambda unit: any(entry["role"] == "parent" for entry in unit["context"])),
        before_noon=_most(after, lambda unit: unit["created_at"].hour < 12),
        own_chars=median(texts) if texts else None,
    )  # fmt: skip


def _opens_thread(unit: Unit) -> bool:
    return unit["thread_id"] is not None and unit["thread_id"] == unit["unit_id"]


def _most(units: History, holds: Callable[[Unit], bool]) -> bool:
    return 2 * sum(map(holds, units)) >= len(units) > 0


def tasks_of(months: Sequence[Month], days: float) -> list[Task]:
    """All tasks: of the first two everybody is asked, of the others who does anything in the month, where it tells."""
    texts = [month.own_chars for month in months if month.own_chars is not None]
    usual = median(texts) if texts else 0.0

    def among_active(said: Callable[[Month], bool | None]) -> list[str | None]:
        return [_word(said(month)) if month.units else None for month in months]

    then = f"in the next {days:g} days"
    return [
        Task("acts again", f"acts at all {then}", [_word(month.units > 0) for month in months]),
        Task("acts more", f"acts more often {then} than before", [_word(month.more_than_before) for month in months]),
        Task("place", f"where they act most {then}", [month.community for month in months]),
        Task("new place", f"acts in a community that is new to them {then}", among_active(lambda month: month.new_community if month.community else None)),
        Task("opens a thread", f"opens a thread {then}", among_active(lambda month: month.opens_thread)),
        Task("answers answers", f"at least half of what they do {then} answers an answer", among_active(lambda month: month.answers_answers)),
        Task("long words", f"own texts {then} are longer than those of half of the people, by the median of each",
             among_active(lambda month: None if month.own_chars is None else month.own_chars > usual)),
        Task("before noon", f"at least half of what they do {then} is done before noon, UTC", among_active(lambda month: month.before_noon)),
    ]  # fmt: skip


def _word(said: bool | None) -> str | None:
    return None if said is None else YES if said else NO


@dataclass(frozen=True)
class Classes:
    """A task as it is asked: indexes of its people (P',), their classes (P',) from 0, and the values of those that are scored; the others, which few have, are one more class."""

    people: np.ndarray
    target: np.ndarray
    scored: list[str]


def classes_of(values: Sequence[str | None], min_people: int) -> Classes | str:
    """The classes of values (P,), most people first; or why they are not asked about: only what enough people are, and enough are not, is scored."""
    people = np.array([number for number, value in enumerate(values) if value is not None], np.int64)
    counts: Mapping[str, int] = Counter(value for value in values if value is not None)
    scored = sorted((value for value, count in counts.items() if min(count, len(people) - count) >= min_people), key=lambda value: (-counts[value], value))
    if not scored:
        largest = max(counts.values(), default=0)
        return f"of {len(people)} people {largest} are alike in it, and {min_people} must be of a kind and as many not"
    number = {value: place for place, value in enumerate(scored)}
    return Classes(people, np.array([number.get(str(values[person]), len(scored)) for person in people], np.int64), scored)
