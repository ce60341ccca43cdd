"""The encoder, its untouched base and the baselines side by side, with intervals over people."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lake.encoder import Encoder
from lake.labels import Level
from trainer.config import EvaluationConfig
from trainer.evaluation import baselines, halves, metrics
from trainer.evaluation.questions import Futures, Questions
from trainer.evaluation.scores import Scorer, level_vectors, query_values, vector_scorer

Slice = Literal["all cuts", "future period"]
DIFFERENCE = "tuned - base"


class Score(BaseModel):
    """One number of the evaluation: a mean over people with its bootstrap interval."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cuts: Slice = Field(description="All cuts, or those whose futures reach beyond the time split.")
    level: Level | None = Field(description="None for user-user retrieval.")
    futures: Futures | None = Field(description="All futures, or those in threads new to the person; None for user-user retrieval.")
    metric: str = Field(description="personal_auc, recall_at_10, mrr; for user-user retrieval recall_at_1, recall_at_8, recall_at_10, mrr.")
    scorer: str = Field(description="tuned, base, a baseline, or 'tuned - base': the mean paired difference.")
    mean: float
    low: float
    high: float
    people: int = Field(description="People with such a future.")


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
    future_queries: int = Field(description="Queries of the future period.")
    items: dict[Level, int] = Field(description="Items of each level that were ranked.")
    halves: int = Field(description="People whose second half was looked for.")
    half_candidates: int = Field(description="Second halves among which it was looked for.")
    interval: float
    scores: list[Score]

    def score(self, scorer: str, metric: str, level: Level | None = None, futures: Futures | None = None, cuts: Slice = "all cuts") -> Score:
        """The one score of these coordinates. Raises KeyError where there is none."""
        for score in self.scores:
            if (score.scorer, score.metric, score.level, score.futures, score.cuts) == (scorer, metric, level, futures, cuts):
                return score
        raise KeyError((scorer, metric, level, futures, cuts))


def item_scores(tuned: Encoder, base: Encoder, questions: Questions, counts: dict[Level, np.ndarray], config: EvaluationConfig) -> list[Score]:
    """Scores of encoder, base and baselines on the questions; `counts` says how popular each item is among other people."""
    queries, items = _vectors(tuned, questions)
    base_queries, base_items = (queries, items) if base.version == tuned.version else _vectors(base, questions)
    scorers = {"tuned": vector_scorer(queries, items), "base": vector_scorer(base_queries, base_items)}
    scorers |= {"popular": baselines.most_popular(counts), "own repeats, then popular": baselines.own_repeats(questions, counts)}
    for newest in config.mean_label_counts:
        name = "last label" if newest == 1 else f"mean of last {newest} labels"
        scorers[name] = baselines.newest_labels(questions, base_items, newest)
    in_future = questions.periods == "future"
    scores = _scores("all cuts", scorers, questions, np.ones(len(in_future), bool), config)
    if config.min_period_queries <= in_future.sum() < len(in_future):
        scores += _scores("future period", scorers, questions, in_future, config)
    return scores


def _vectors(encoder: Encoder, questions: Questions) -> tuple[np.ndarray, dict[Level, np.ndarray]]:
    items = {level: level_vectors(encoder, level, answers) for level, answers in questions.levels.items()}
    return encoder.encode_histories(questions.histories), items


def half_scores(tuned: Encoder, base: Encoder, asked: halves.Halves, config: EvaluationConfig) -> list[Score]:
    """User-user retrieval by split halves; no score where nobody has two halves."""
    if not asked.firsts:
        return []
    ranks = {"tuned": halves.half_ranks(tuned, asked)}
    ranks["base"] = ranks["tuned"] if base.version == tuned.version else halves.half_ranks(base, asked)
    scores = []
    for metric, best in (("recall_at_1", 1), ("recall_at_8", 8), ("recall_at_10", 10), ("mrr", None)):
        by_scorer = {name: 1 / found if best is None else (found <= best).astype(float) for name, found in ranks.items()}
        scores += _with_difference("all cuts", None, None, metric, by_scorer, config)
    return scores


def _scores(cuts: Slice, scorers: dict[str, Scorer], questions: Questions, chosen: np.ndarray, config: EvaluationConfig) -> list[Score]:
    values = {name: query_values(questions, scorer, chosen=chosen) for name, scorer in scorers.items()}
    scores = []
    for level, futures, metric in values["tuned"]:
        of_people = {
            name: metrics.person_means(found[level, futures, metric], questions.person, questions.people) for name, found in values.items()
        }  # fmt: skip
        scores += _with_difference(cuts, level, futures, metric, of_people, config)
    return scores


def _with_difference(
    cuts: Slice, level: Level | None, futures: Futures | None, metric: str, by_scorer: dict[str, np.ndarray], config: EvaluationConfig
) -> list[Score]:  # fmt: skip
    """A score for each scorer's values over people (P,), and for the paired difference of tuned and base."""
    scores = []
    for name, values in {**by_scorer, DIFFERENCE: by_scorer["tuned"] - by_scorer["base"]}.items():
        found = metrics.bootstrap_mean(values, config.bootstrap_samples, config.interval, config.seed)
        scores.append(
            Score(
                cuts=cuts, level=level, futures=futures, metric=metric, scorer=name, mean=found.mean, low=found.low, high=found.high,
                people=found.people,
            )
        )  # fmt: skip
    return scores
