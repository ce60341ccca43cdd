"""The encoder, its untouched base and the baselines side by side, with intervals over people."""

from collections.abc import Iterator, Mapping
from typing import Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lake.encoder import Encoder
from lake.examples import Kind
from trainer.config import EvaluationConfig
from trainer.evaluation import baselines, metrics
from trainer.evaluation.numbers import DIFFERENCE, Number
from trainer.evaluation.questions import FUTURES, Futures, Questions
from trainer.evaluation.scores import Contest, Metric, Scorer, level_vectors, matched_contest, plain_contest, vector_scorer, wins_and_ranks
from trainer.evaluation.user_user import UserUser

Slice = Literal["all cuts", "future period"]
SLICES: tuple[Slice, ...] = get_args(Slice)
Place = tuple[Slice, Futures, Metric]
"""Where a number of one level stands."""


class Score(BaseModel):
    """One number of the evaluation: a mean over people with its interval, NaN where they are too few to tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cuts: Slice = Field(description="All cuts, or those whose futures reach beyond the time split.")
    level: Kind = Field(description="Kind of the answers: a level of labels, or titles.")
    futures: Futures = Field(description="All futures, or those in threads new to the person.")
    metric: Metric
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
    interval: float
    matched_days: float
    matched_min_others: int
    scores: list[Score]
    user_user: UserUser = Field(description="Who is it, and who is alike.")

    def score(self, scorer: str, metric: str, level: Kind, futures: Futures, cuts: Slice = "all cuts") -> Score:
        """The one score of these coordinates. Raises KeyError where there is none."""
        for score in self.scores:
            if (score.scorer, score.metric, score.level, score.futures, score.cuts) == (scorer, metric, level, futures, cuts):
                return score
        raise KeyError((scorer, metric, level, futures, cuts))


def item_scores(tuned: Encoder, base: Encoder, questions: Questions, counts: Mapping[Kind, np.ndarray], config: EvaluationConfig) -> list[Score]:
    """Scores of encoder, base and baselines on the questions, none where there are none; `counts` says how popular each item is among other people.

    A kind without counts (titles: what is entered is new to everybody who enters it) has no baselines.
    """
    if not questions.people:
        return []
    queries = {encoder.version: encoder.encode_histories(questions.histories) for encoder in {tuned.version: tuned, base.version: base}.values()}
    chosen = _slices(questions, config)
    scores = []
    for level in questions.levels:
        contests = _contests(questions, level, chosen, config)
        found: dict[str, dict[Place, np.ndarray]] = {}
        estimates: dict[str, dict[Place, metrics.Estimate]] = {}
        for name, scorer in _scorers(tuned, base, queries, questions, level, counts.get(level), config):
            values = _values(questions, level, scorer, contests, chosen)
            estimates[name] = {place: _estimate(value, config) for place, value in values.items()}
            if name in ("tuned", "base"):
                found[name] = values
            del scorer  # and the vectors in it, before others are made
        estimates[DIFFERENCE] = {place: _estimate(value - found["base"][place], config) for place, value in found["tuned"].items()}
        scores += [
            _score(place, level, name, estimate, contests.get(place))
            for name, of_scorer in estimates.items()
            for place, estimate in of_scorer.items()
            if level != "title" or place[1] == "all"
        ]
    return sorted(scores, key=lambda score: SLICES.index(score.cuts))


def _slices(questions: Questions, config: EvaluationConfig) -> dict[Slice, np.ndarray]:
    """Which queries (B,) count in each slice; the future period only where it has enough of them, and not all."""
    in_future = questions.periods == "future"
    slices: dict[Slice, np.ndarray] = {"all cuts": np.ones(len(in_future), bool)}
    return slices | ({"future period": in_future} if config.min_period_queries <= in_future.sum() < len(in_future) else {})


def _contests(questions: Questions, level: Kind, chosen: Mapping[Slice, np.ndarray], config: EvaluationConfig) -> dict[Place, Contest]:
    contests: dict[Place, Contest] = {}
    for cuts, counted in chosen.items():
        for futures in FUTURES:
            matched = matched_contest(questions, level, futures, counted, config.matched_days, config.matched_min_others)
            contests[cuts, futures, "matched_personal_auc"] = matched
            contests[cuts, futures, "personal_auc"] = plain_contest(questions, level, futures, counted)
    return contests


def _scorers(
    tuned: Encoder, base: Encoder, queries: Mapping[str, np.ndarray], questions: Questions, level: Kind, counts: np.ndarray | None, config: EvaluationConfig
) -> Iterator[tuple[str, Scorer]]:  # fmt: skip
    """One after the other, so that one encoder's vectors of the items are in memory at a time."""
    answers = questions.levels[level]
    if counts is not None:
        yield "popular", baselines.most_popular(counts)
        yield "own repeats, then popular", baselines.own_repeats(answers.pasts, counts)
    if tuned.version != base.version:
        yield "tuned", vector_scorer(queries[tuned.version], level_vectors(tuned, level, answers))
    items = level_vectors(base, level, answers)
    if tuned.version == base.version:
        yield "tuned", vector_scorer(queries[base.version], items)
    yield "base", vector_scorer(queries[base.version], items)
    for newest in config.mean_label_counts if counts is not None else ():
        yield "last label" if newest == 1 else f"mean of last {newest} labels", baselines.newest_labels(answers.pasts, items, newest)


def _values(
    questions: Questions, level: Kind, scorer: Scorer, contests: Mapping[Place, Contest], chosen: Mapping[Slice, np.ndarray]
) -> dict[Place, np.ndarray]:  # fmt: skip
    """Wins (P, P) of the contests, and the other metrics of each person (P,)."""
    wins, ranked = wins_and_ranks(questions, level, scorer, contests)
    of_people: dict[Place, np.ndarray] = {
        (cuts, futures, metric): metrics.person_means(np.where(counted, found, np.nan), questions.person, questions.people)
        for cuts, counted in chosen.items()
        for (futures, metric), found in ranked.items()
    }
    return wins | of_people


def _estimate(values: np.ndarray, config: EvaluationConfig) -> metrics.Estimate:
    if values.ndim == 2:
        return metrics.pairs_mean(values, config.interval)
    return metrics.bootstrap_mean(values, config.bootstrap_samples, config.interval, config.seed)


def _score(
    place: Place, level: Kind, scorer: str, found: metrics.Estimate, contest: Contest | None = None
) -> Score:  # fmt: skip
    cuts, futures, metric = place
    return Score(
        cuts=cuts, level=level, futures=futures, metric=metric, scorer=scorer, mean=found.mean, low=found.low, high=found.high, people=found.people,
        share_matched=contest.share if contest is not None and metric == "matched_personal_auc" else None,
    )  # fmt: skip
