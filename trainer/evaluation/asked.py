"""What is asked at one level: of which cuts and items, in which contests, and what a scorer's answers are worth there.

Shape letters: P people, P' of them in a contest, T targets, A items.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lake.examples import Kind
from trainer.config import EvaluationConfig
from trainer.evaluation import metrics
from trainer.evaluation.parts import Part, Slice, ToldApart, novelties, periods, slices, topicalities
from trainer.evaluation.questions import FUTURES, Futures, Questions, of_first_people
from trainer.evaluation.scores import (
    RANK_METRICS,
    Contest,
    Found,
    Metric,
    RankMetric,
    Targets,
    found_by_meaning,
    matched_contest,
    plain_contest,
    rank_metrics,
    targets_of,
)

Place = tuple[Slice, Futures, Metric]
"""Where a number of one level stands."""
SLICED: tuple[RankMetric, ...] = ("recall_at_10",)
"""Of the metrics among all items, those that are told by slice."""


@dataclass(frozen=True)
class Asked:
    """Parts of the questions of a level, the contests of each, and what must be found; `ranked` are the metrics among all items that are wanted."""

    questions: Questions
    targets: Targets
    parts: dict[tuple[Slice, Futures], Part]
    contests: dict[Place, Contest]
    ranked: tuple[RankMetric, ...]

    def values(self, found: Found[Place], vectors: np.ndarray, min_cosine: float) -> dict[Place, np.ndarray]:
        """Wins (P', P') of the contests, and the other metrics of each person (P,). `vectors` (A, D) are the frozen base's of the items, and say what is near in meaning."""
        values = {place: found.wins[place] for place in self.contests}
        by_meaning = found_by_meaning(found, self.targets, vectors, min_cosine) if "recall_by_meaning_at_10" in self.ranked else None
        for (cuts, futures), part in self.parts.items():
            counted = _targets_in(part, self.targets, futures)
            of_queries = rank_metrics(found, self.targets, counted, by_meaning)
            values |= {(cuts, futures, metric): metrics.group_means(of_queries[metric], self.questions.person, self.questions.people) for metric in self.ranked}
        return values


def asked_of_all(
    questions: Questions, level: Kind, config: EvaluationConfig, counts: np.ndarray | None = None, topics: ToldApart | None = None
) -> Asked:  # fmt: skip
    """All cuts and, where there are enough, those of the future period; all futures and those in new threads (titles are always of new ones). Of an app's own items,
    which are all new to whoever acts on them, also those that training people have and those that none of them has, by counts (A,); of labels, those of topics that are told apart."""
    kinds = FUTURES[:1] if level in ("title", "catalogue") else FUTURES
    named = periods(questions, level, config.min_period_queries)
    if level == "catalogue" and counts is not None:
        named |= novelties(questions, level, counts)
    parts = {(name, futures): part for name, part in named.items() for futures in kinds}
    parts |= {(name, "all"): part for name, part in topicalities(questions, level, topics).items()}
    return _asked(questions, level, targets_of(questions, level), parts, RANK_METRICS, config)


def asked_by_slice(questions: Questions, level: Kind, counts: np.ndarray | None, config: EvaluationConfig) -> Asked:
    """All futures by length of the history and, with counts (A,) of training people's labels, by popularity of the item; slices in which nobody has a future are left out."""
    targets = targets_of(questions, level)
    found: dict[tuple[Slice, Futures], Part] = {
        (name, "all"): part for name, part in slices(questions, level, counts).items() if _targets_in(part, targets, "all").any()
    }
    return _asked(questions, level, targets, found, SLICED, config)


def asked_of_curve(questions: Questions, level: Kind, config: EvaluationConfig) -> Asked:
    """All cuts and futures of the first people: what vectors are asked that are shorter or coarser, many times over."""
    some = of_first_people(questions, config.max_curve_people)
    whole = Part(np.ones(len(some.person), bool), np.ones(len(some.levels[level].texts), bool))
    return _asked(some, level, targets_of(some, level), {("all cuts", "all"): whole}, SLICED, config)


def estimate(values: np.ndarray, config: EvaluationConfig) -> metrics.Estimate:
    """Mean of what pairs of people (P', P') or people (P,) are worth, with its interval."""
    if values.ndim == 2:
        return metrics.pairs_mean(values, config.interval)
    return metrics.bootstrap_mean(values, config.bootstrap_samples, config.interval, config.seed)


def _asked(
    questions: Questions, level: Kind, targets: Targets, parts: Mapping[tuple[Slice, Futures], Part], ranked: tuple[RankMetric, ...], config: EvaluationConfig
) -> Asked:  # fmt: skip
    contests: dict[Place, Contest] = {}
    contested = {} if level == "catalogue" else parts  # who acted on an item before is not asked about it, so that two futures cannot meet
    for (cuts, futures), part in contested.items():
        near = config.matched_days, config.matched_min_others
        contests[cuts, futures, "matched_personal_auc"] = matched_contest(questions, level, futures, part.queries, *near, part.items)
        contests[cuts, futures, "personal_auc"] = plain_contest(questions, level, futures, part.queries, part.items)
    return Asked(questions, targets, dict(parts), contests, ranked)


def _targets_in(part: Part, targets: Targets, futures: Futures) -> np.ndarray:
    return targets.of(futures) & part.queries[targets.query] & part.items[targets.item]
