"""What was found of vectors as features, and of what they give away, as it is kept and printed."""

import math
from collections.abc import Iterator
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from trainer.evaluation.numbers import Number, plain_name

ALL_TASKS = "all tasks"


class FeatureScore(BaseModel):
    """One AUROC with its interval, NaN where people are too few to tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str = Field(description="The task, or 'all tasks': their mean. Of several values the mean of each against the others.")
    scorer: str = Field(description="tuned, base, another row, or 'NAME - NAME': the paired difference of two.")
    mean: Number
    low: Number
    high: Number
    people: int


class AskedTask(BaseModel):
    """What was guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    words: str = Field(description="What it is, in a sentence.")
    people: int
    values: dict[str, int] = Field(description="Values that were scored -> people; the others of `people` have other ones.")


class Guesses(BaseModel):
    """Tasks of the same people, out of frozen vectors by one head that never saw who is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    people: int = Field(description="People asked at all.")
    left_out: dict[str, int] = Field(description="Why people were not asked -> how many.")
    at: datetime | None = Field(
        None, description="Where everybody's past ends and the month begins, UTC; None where whole histories are read, or nobody can be asked at any moment."
    )
    tasks: list[AskedTask]
    tasks_left_out: dict[str, str] = Field(description="Task -> why it was not asked.")
    scores: list[FeatureScore]

    def score(self, scorer: str, task: str) -> FeatureScore:
        """The one score of these coordinates. Raises KeyError where there is none."""
        for score in self.scores:
            if (score.scorer, score.metric) == (scorer, task):
                return score
        raise KeyError((scorer, task))


def feature_title(found: Guesses) -> str:
    """Of the block of tasks of a month."""
    at = "no moment known at which anybody can be asked" if found.at is None else f"cut at {found.at:%Y-%m-%d %H:%M}"
    return f"Use as a feature: AUROC of one small network on frozen vectors of held-out people, {at} ({_people(found)})"


def privacy_title(found: Guesses) -> str:
    """Of the block of attributes."""
    return (
        f"PRIVACY, no feature: what a vector gives away of who somebody is, AUROC of the same network ({_people(found)}); the less above a random vector the better, the "
        "text oracle reads everything that they wrote"
    )


def task_lines(found: Guesses) -> Iterator[str]:
    """What each task is, and why others were not asked."""
    for task in found.tasks:
        named = ", ".join(f"{value} {count}" for value, count in task.values.items())
        yield f"{task.name}: {task.words} ({task.people} people: {named})"
    for name, reason in found.tasks_left_out.items():
        yield f"{name}: not asked, {reason}"


def _people(found: Guesses) -> str:
    left_out = "".join(f"; {count} left out: {reason}" for reason, count in found.left_out.items())
    return f"{found.people} people{left_out}"


def guess_numbers(place: str, found: Guesses) -> dict[str, float]:
    """Metric name -> number, NaN left out: 'as_feature/acts_again/tuned' with '_low' and '_high', and 'as_feature/acts_again/people'."""
    numbers: dict[str, float] = {f"{place}/people": found.people, f"{place}/left_out": sum(found.left_out.values())}
    numbers |= {f"{place}/{task.name}/people": task.people for task in found.tasks}
    for score in found.scores:
        ends = (("", score.mean), ("_low", score.low), ("_high", score.high))
        numbers |= {f"{place}/{score.metric}/{score.scorer}{end}": value for end, value in ends}
    return {plain_name(name): number for name, number in numbers.items() if not math.isnan(number)}
