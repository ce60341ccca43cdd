"""How much of what training gains on topics that it knew is kept on those that it never heard of."""

from collections.abc import Iterator, Mapping
from typing import Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lake.examples import Kind
from trainer.config import EvaluationConfig
from trainer.evaluation import metrics
from trainer.evaluation.asked import Asked, Place
from trainer.evaluation.numbers import Number, with_interval
from trainer.evaluation.parts import ToldApart

KeptMetric = Literal["matched_personal_auc", "personal_auc", "recall_at_10"]


class KeptGain(BaseModel):
    """The encoder's lead over its base on the topics that are told apart, over its lead on all others; NaN where the latter is not clearly above 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Kind
    metric: KeptMetric
    mean: Number
    low: Number
    high: Number
    people: int = Field(description="People of whom both can be told.")

    def __str__(self) -> str:
        return "-" if np.isnan(self.mean) else with_interval(self)


def kept_gains(
    asked: Asked, level: Kind, ahead: Mapping[Place, np.ndarray], behind: Mapping[Place, np.ndarray], topics: ToldApart | None, config: EvaluationConfig
) -> Iterator[KeptGain]:  # fmt: skip
    """One of each metric, of the values of an encoder and of its base; nothing where no topics are told apart among what is asked."""
    if topics is None or (topics.names[0], "all") not in asked.parts:
        return
    for metric in get_args(KeptMetric):
        others, these = (_influences(asked, (name, "all", metric), ahead, behind) for name in topics.names)
        found = metrics.ratio(these, others, config.interval)
        yield KeptGain(level=level, metric=metric, mean=found.mean, low=found.low, high=found.high, people=found.people)


def _influences(asked: Asked, place: Place, ahead: Mapping[Place, np.ndarray], behind: Mapping[Place, np.ndarray]) -> tuple[float, np.ndarray, int]:
    """The mean lead at a place, and what each of all people (P,) adds to its error."""
    lead = ahead[place] - behind[place]
    if place not in asked.contests:
        return metrics.people_influences(lead)
    mean, of_some, people = metrics.pairs_influences(lead)
    influences = np.zeros(asked.questions.people)
    influences[asked.contests[place].people] = of_some
    return mean, influences, people
