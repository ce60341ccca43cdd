"""Questions and scores -> how well the scores tell each person's own future, query by query and person by person.

Every definition of a metric stands here or in `trainer.evaluation.metrics`:
- *personal AUC* of a query: the chance that a label of the person's own future scores above a label of somebody else's; ties count half, and so
  does a label that both have. Somebody else is drawn first, then one of their cuts, then a label of its future, so that both sides are drawn
  alike: over all people a list that is the same for everybody gets exactly 0.5. (Were the labels that the person ever did left out of the
  others' side alone, a popularity list would win: it gets 0.82 on the broad labels of reddit-college.) `new`: on both sides only labels in
  threads new to whoever did them.
- *recall@10* of a query: share of its distinct future items among the ten best of all items of the level. *MRR*: one over the rank of the
  first of them. `new`: only futures in threads new to the person count as targets; the items among which they stand are the same.
- A person's value is the mean over the person's cuts; all means and intervals are over people.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from lake.encoder import Encoder
from lake.labels import LEVELS, Level
from trainer.evaluation import metrics
from trainer.evaluation.questions import FUTURES, Futures, LevelAnswers, Questions

Metric = Literal["personal_auc", "recall_at_10", "mrr"]
METRICS: tuple[Metric, ...] = ("personal_auc", "recall_at_10", "mrr")
Scorer = Callable[[Level, slice], np.ndarray]
"""Scores of all items of a level for a slice of the queries, shape (B of the slice, A)."""

QueryValues = dict[tuple[Level, Futures, Metric], np.ndarray]
BLOCK_QUERIES = 64
TINY = 1e-9
"""Below any chance of a draw, above the rounding error of taking one's own chances away."""


def personal_auc_by_person(encoder: Encoder, questions: Questions) -> dict[tuple[Level, Futures], np.ndarray]:
    """Personal AUC of each person (P,) at each level, of all and of new futures; NaN for a person without such a future.

    Encodes each query once and only those items that are in somebody's future, so that training can afford it for validation.
    """
    items = {level: level_vectors(encoder, level, answers, asked_only=True) for level, answers in questions.levels.items()}
    scorer = vector_scorer(encoder.encode_histories(questions.histories), items)
    values = query_values(questions, scorer, with_ranks=False)
    return {(level, futures): metrics.person_means(found, questions.person, questions.people) for (level, futures, _), found in values.items()}


def level_vectors(encoder: Encoder, level: Level, answers: LevelAnswers, asked_only: bool = False) -> np.ndarray:
    """Vectors of a level's items, shape (A, D). With `asked_only` items of nobody's future are not encoded and stay 0."""
    if not asked_only:
        return encoder.encode_items(answers.texts, level)
    asked = answers.asked_items()
    vectors = np.zeros((len(answers.texts), encoder.dimension), np.float32)
    vectors[asked] = encoder.encode_items([answers.texts[index] for index in asked], level)
    return vectors


def vector_scorer(queries: np.ndarray, items: dict[Level, np.ndarray]) -> Scorer:
    """Dot products of query vectors (B, D) and item vectors (A, D) of each level."""
    return lambda level, block: queries[block] @ items[level].T


def query_values(questions: Questions, scorer: Scorer, with_ranks: bool = True, chosen: np.ndarray | None = None) -> QueryValues:
    """Each metric of each query (B,), at both levels, of all futures and of new ones; NaN for a query without such a future.

    Without ranks: the personal AUC alone. With `chosen` (B,), true where a query counts: the others are neither asked (NaN) nor drawn from.
    """
    counted = np.ones(len(questions.histories), bool) if chosen is None else chosen
    return {
        (level, futures, metric): values
        for level in LEVELS
        for futures in FUTURES
        for metric, values in _level_values(questions, level, futures, scorer, with_ranks, counted).items()
    }


def _level_values(questions: Questions, level: Level, futures: Futures, scorer: Scorer, with_ranks: bool, counted: np.ndarray) -> dict[Metric, np.ndarray]:
    answers = questions.levels[level]
    of_queries = [future if counts else future[:0] for future, counts in zip(answers.futures[futures], counted, strict=True)]
    draws = _future_draws(questions, of_queries)
    of_all = np.zeros(len(answers.item_ids))
    for items, weights in draws:
        of_all[items] += weights
    values: dict[Metric, np.ndarray] = {metric: np.full(len(questions.histories), np.nan) for metric in (METRICS if with_ranks else METRICS[:1])}
    for query, scores in _rows(questions, level, scorer):
        own = of_queries[query]
        if not len(own):
            continue
        of_others = of_all.copy()
        items, weights = draws[questions.person[query]]
        of_others[items] -= weights
        drawn = np.flatnonzero(of_others > TINY)
        values["personal_auc"][query] = metrics.auc_against(scores[own], scores[drawn], of_others[drawn])
        if with_ranks:
            ranks = metrics.tied_ranks(scores, np.unique(own))
            values["recall_at_10"][query] = metrics.recall_at(ranks, 10)
            values["mrr"][query] = metrics.reciprocal_rank(ranks)
    return values


def _rows(questions: Questions, level: Level, scorer: Scorer) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(questions.histories), BLOCK_QUERIES):
        block = slice(start, min(start + BLOCK_QUERIES, len(questions.histories)))
        yield from enumerate(scorer(level, block), start)


def _future_draws(questions: Questions, futures: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each person the items that a draw of one of their cuts, then of one of its futures, can give, and their chances."""
    cuts = np.bincount(questions.person, weights=[len(future) > 0 for future in futures], minlength=questions.people)
    chances = [np.zeros(0)] * questions.people
    drawn: list[np.ndarray] = [np.zeros(0, np.int64)] * questions.people
    for person, future in zip(questions.person, futures, strict=True):
        if len(future):
            drawn[person] = np.concatenate([drawn[person], future])
            chances[person] = np.concatenate([chances[person], np.full(len(future), 1 / len(future) / cuts[person])])
    draws = []
    for of_person, weights in zip(drawn, chances, strict=True):
        distinct, place = np.unique(of_person, return_inverse=True)
        draws.append((distinct, np.bincount(place, weights=weights, minlength=len(distinct))))
    return draws
