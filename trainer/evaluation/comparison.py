"""The encoder, its untouched base and the baselines side by side, with intervals over people."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lake.encoder import Encoder
from lake.examples import Kind
from trainer.config import EvaluationConfig
from trainer.evaluation import halves, metrics
from trainer.evaluation.parts import SLICES, Part, Slice, periods
from trainer.evaluation.questions import FUTURES, Futures, Questions
from trainer.evaluation.rows import baseline_rows
from trainer.evaluation.scores import (
    RANK_METRICS,
    Contest,
    Found,
    Metric,
    Targets,
    found_by,
    found_by_meaning,
    level_vectors,
    matched_contest,
    plain_contest,
    rank_metrics,
    targets_of,
    vector_scorer,
)  # fmt: skip

Place = tuple[Slice, Futures, Metric]
"""Where a number of one level stands."""
DIFFERENCE = "tuned - base"


Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""JSON has no NaN: it is written as null, and read back."""


class Score(BaseModel):
    """One number of the evaluation: a mean over people with its interval, NaN where they are too few to tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cuts: Slice = Field(description="All cuts, or those whose futures reach beyond the time split.")
    level: Kind | None = Field(description="Kind of the answers: a level of labels, or titles; None for user-user retrieval.")
    futures: Futures | None = Field(description="All futures, or those in threads new to the person; None for user-user retrieval.")
    metric: str = Field(
        description="matched_personal_auc, personal_auc, recall_at_10, recall_by_meaning_at_10, recall_at_50, ndcg_at_10, mrr; for user-user retrieval recall_at_1, recall_at_8, recall_at_10, mrr."
    )
    scorer: str = Field(description="tuned, base, a baseline, or 'tuned - base': the mean paired difference.")
    mean: Number
    low: Number
    high: Number
    people: int = Field(description="People with such a future.")
    share_matched: float | None = Field(None, description="Of the futures, for the matched personal AUC: those that have enough other people's near them.")


class EvaluationResult(BaseModel):
    """What an evaluation found. NaN where nobody could be asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder_version: str
    base_version: str
    base_model: str
    max_tokens: int
    versions_read: dict[str, int] = Field(description="Table -> Delta version.")
    people: int
    queries: int
    title_people: int = Field(description="People asked about titles, with a label or without.")
    title_queries: int = Field(description="Their cuts.")
    future_queries: int = Field(description="Queries of the future period.")
    items: dict[Kind, int] = Field(description="Items of each kind that were ranked.")
    halves: int = Field(description="People whose second half was looked for.")
    half_candidates: int = Field(description="Second halves among which it was looked for.")
    interval: float
    matched_days: float
    matched_min_others: int
    scores: list[Score]

    def score(self, scorer: str, metric: str, level: Kind | None = None, futures: Futures | None = None, cuts: Slice = "all cuts") -> Score:
        """The one score of these coordinates. Raises KeyError where there is none."""
        for score in self.scores:
            if (score.scorer, score.metric, score.level, score.futures, score.cuts) == (scorer, metric, level, futures, cuts):
                return score
        raise KeyError((scorer, metric, level, futures, cuts))


def item_scores(
    tuned: Encoder, base: Encoder, questions: Questions, training: Mapping[Kind, Sequence[np.ndarray]], config: EvaluationConfig
) -> list[Score]:  # fmt: skip
    """Scores of encoder, base and baselines on the questions, none where there are none; `training` are labels of each training person, in time, by level.

    A kind without (titles: what is entered is new to everybody who enters it) has those baselines alone that compare words.
    """
    if not questions.people:
        return []
    encoders = {tuned.version: tuned, base.version: base}
    read = _Read(
        queries={version: encoder.encode_histories(questions.histories) for version, encoder in encoders.items()},
        words=[tuned.history_text(history)[0] for history in questions.histories],
    )
    scores = [score for level in questions.levels for score in _level_scores(tuned, base, read, questions, level, training.get(level), config)]
    return sorted(scores, key=lambda score: SLICES.index(score.cuts))


@dataclass(frozen=True)
class _Read:
    """The histories as each encoder reads them, (B, D) by its version, and as words."""

    queries: dict[str, np.ndarray]
    words: list[str]


def _level_scores(
    tuned: Encoder, base: Encoder, read: _Read, questions: Questions, level: Kind, training: Sequence[np.ndarray] | None, config: EvaluationConfig
) -> list[Score]:  # fmt: skip
    """One encoder's vectors of the items are in memory at a time."""
    answers, asked = questions.levels[level], _asked(questions, level, config)

    def found(encoder: Encoder, vectors: np.ndarray) -> Found[Place]:
        return found_by(questions, level, vector_scorer(read.queries[encoder.version], vectors), asked.contests, asked.targets)

    of_tuned = None if tuned.version == base.version else found(tuned, level_vectors(tuned, level, answers))
    vectors = level_vectors(base, level, answers)
    of_base = found(base, vectors)
    values = {name: asked.values(each, vectors) for name, each in (("tuned", of_tuned or of_base), ("base", of_base))}
    values[DIFFERENCE] = {place: value - values["base"][place] for place, value in values["tuned"].items()}
    scores = [asked.score(place, name, value) for name, of_scorer in values.items() for place, value in of_scorer.items()]
    del of_tuned, of_base, values
    for name, scorer in baseline_rows(questions, level, vectors, read.words, training, config):
        of_baseline = asked.values(found_by(questions, level, scorer, asked.contests, asked.targets), vectors)
        scores += [asked.score(place, name, value) for place, value in of_baseline.items()]
    return scores


@dataclass(frozen=True)
class _Asked:
    """What is asked at a level: which queries and items, the contests of their labels, and what must be found. Each contest and metric has its place."""

    questions: Questions
    level: Kind
    config: EvaluationConfig
    parts: dict[tuple[Slice, Futures], Part]
    contests: dict[Place, Contest]
    targets: Targets

    def values(self, found: Found[Place], vectors: np.ndarray) -> dict[Place, np.ndarray]:
        """Wins (P', P') of the contests, and the other metrics of each person (P,); `vectors` (A, D) are the frozen base's of the items."""
        values = dict(found.wins)
        by_meaning = found_by_meaning(found, self.targets, vectors, self.config.same_meaning_cosine)
        for (cuts, futures), part in self.parts.items():
            counted = self.targets.of(futures) & part.queries[self.targets.query] & part.items[self.targets.item]
            of_queries = rank_metrics(found, self.targets, counted, by_meaning)
            values |= {
                (cuts, futures, metric): metrics.group_means(of_queries[metric], self.questions.person, self.questions.people) for metric in RANK_METRICS
            }
        return values

    def score(self, place: Place, scorer: str, value: np.ndarray) -> Score:
        """The mean of such values with its interval."""
        return _score(place, self.level, scorer, _estimate(value, self.config), self.contests.get(place))


def _asked(questions: Questions, level: Kind, config: EvaluationConfig) -> _Asked:
    kinds = FUTURES[:1] if level == "title" else FUTURES
    parts = {(name, futures): part for name, part in periods(questions, level, config.min_period_queries).items() for futures in kinds}
    contests: dict[Place, Contest] = {}
    for (cuts, futures), part in parts.items():
        near = config.matched_days, config.matched_min_others
        contests[cuts, futures, "matched_personal_auc"] = matched_contest(questions, level, futures, part.queries, *near, part.items)
        contests[cuts, futures, "personal_auc"] = plain_contest(questions, level, futures, part.queries, part.items)
    return _Asked(questions, level, config, parts, contests, targets_of(questions, level))


def _estimate(values: np.ndarray, config: EvaluationConfig) -> metrics.Estimate:
    if values.ndim == 2:
        return metrics.pairs_mean(values, config.interval)
    return metrics.bootstrap_mean(values, config.bootstrap_samples, config.interval, config.seed)


def half_scores(tuned: Encoder, base: Encoder, asked: halves.Halves, config: EvaluationConfig) -> list[Score]:
    """User-user retrieval by split halves; no score where nobody has two halves."""
    if not asked.firsts:
        return []
    ranks = {"tuned": halves.half_ranks(tuned, asked)}
    ranks["base"] = ranks["tuned"] if base.version == tuned.version else halves.half_ranks(base, asked)
    scores = []
    for metric, best in (("recall_at_1", 1), ("recall_at_8", 8), ("recall_at_10", 10), ("mrr", None)):
        values = {name: 1 / found if best is None else (found <= best).astype(float) for name, found in ranks.items()}
        values[DIFFERENCE] = values["tuned"] - values["base"]
        scores += [_score(("all cuts", None, metric), None, name, _estimate(found, config)) for name, found in values.items()]
    return scores


def _score(
    place: tuple[Slice, Futures | None, str], level: Kind | None, scorer: str, found: metrics.Estimate, contest: Contest | None = None
) -> Score:  # fmt: skip
    cuts, futures, metric = place
    return Score(
        cuts=cuts, level=level, futures=futures, metric=metric, scorer=scorer, mean=found.mean, low=found.low, high=found.high, people=found.people,
        share_matched=contest.share if contest is not None and metric == "matched_personal_auc" else None,
    )  # fmt: skip
