"""Questions and scores -> who wins against whom, and where the own future stands among all items.

Every definition of a metric stands here or in `trainer.evaluation.metrics`:
- *personal AUC*: the chance that a label of a person's own future scores above a label of somebody else's; ties count half, and so does a label
  that both have. The asker is drawn first and somebody else, then one of the cuts of each, then a label of its future, so that both sides are drawn
  alike. (Were the labels that the person ever did left out of the others' side alone, a popularity list would win: it gets 0.82 on the broad labels
  of reddit-college.) `new`: on both sides only labels in threads new to whoever did them.
- *matched personal AUC*: the same, where only those two labels meet that were done in the same community within so many days of each other (units
  without a community: on the same platform), so that knowing when and where somebody writes wins nothing. A label counts where so many other people
  have labels near it that count too.
- Of both, a list that is the same for everybody gets exactly 0.5 over all people: each two labels that meet do so twice, with either owner asking,
  and weigh the same both times.
- *recall@10* of a query: share of its distinct future items among the ten best of all items of the level. *MRR*: one over the rank of the
  first of them. `new`: only futures in threads new to the person count as targets; the items among which they stand are the same. A person's
  value is the mean over the person's cuts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from lake.encoder import Encoder
from lake.examples import Kind
from trainer.evaluation import metrics
from trainer.evaluation.questions import FUTURES, FutureLabels, Futures, LevelAnswers, Questions

Metric = Literal["matched_personal_auc", "personal_auc", "recall_at_10", "mrr"]
METRICS: tuple[Metric, ...] = ("matched_personal_auc", "personal_auc", "recall_at_10", "mrr")
Scorer = Callable[[slice], np.ndarray]
"""Scores of all items of one level for a slice of the queries, shape (B of the slice, A)."""
BLOCK_SCORES = 2**25
"""Scores that are in memory at once: evaluation costs a block of queries at a time, whatever the number of items."""
ITEMS_AT_ONCE = 8192
ITEMS_A_FORWARD = 128
SECONDS_A_DAY = 86_400
Key = TypeVar("Key")


@dataclass(frozen=True)
class Contest:
    """Which labels of futures meet: arrays (L,) in the order of their places; those that meet label n are first[n]:last[n], one's own among them.

    `chance`: of drawing a label out of its person's, one of the cuts first. `mass` (P, P): the chance that a label drawn of one person and a
    label drawn of the other meet; symmetric. `share`: labels that count among those that there are.
    """

    item: np.ndarray
    person: np.ndarray
    chance: np.ndarray
    first: np.ndarray
    last: np.ndarray
    of_query: list[np.ndarray]
    mass: np.ndarray
    share: float


def plain_contest(questions: Questions, level: Kind, futures: Futures, chosen: np.ndarray) -> Contest:
    """Every label meets every other. `chosen` (B,) is true where a query counts."""
    labels = questions.levels[level].futures
    rows = np.flatnonzero(labels.of(futures) & chosen[labels.query])
    return _contest(questions, labels, rows, np.zeros(len(rows), np.int64), 0, share=1.0)


def matched_contest(questions: Questions, level: Kind, futures: Futures, chosen: np.ndarray, days: float, min_others: int) -> Contest:
    """Labels of the same community within so many days meet, where each has such labels of `min_others` other people."""
    labels, window = questions.levels[level].futures, round(days * SECONDS_A_DAY)
    rows = np.flatnonzero(labels.of(futures) & chosen[labels.query])
    matched = rows[metrics.with_others_near(labels.place[rows], questions.person[labels.query[rows]], window, min_others)]
    return _contest(questions, labels, matched, labels.place[matched], window, share=len(matched) / max(1, len(rows)))


def _contest(questions: Questions, labels: FutureLabels, rows: np.ndarray, place: np.ndarray, window: int, share: float) -> Contest:
    in_order = np.argsort(place, kind="stable")
    rows, place = rows[in_order], place[in_order]
    query = labels.query[rows]
    in_query = np.bincount(query, minlength=len(questions.person))
    cuts = np.bincount(questions.person, weights=in_query > 0, minlength=questions.people)
    by_query = np.argsort(query, kind="stable")
    contest = Contest(
        item=labels.item[rows],
        person=questions.person[query],
        chance=1 / in_query[query] / cuts[questions.person[query]],
        first=np.searchsorted(place, place - window, "left"),
        last=np.searchsorted(place, place + window, "right"),
        of_query=np.split(by_query, np.cumsum(in_query)[:-1]) if len(in_query) else [],
        mass=np.zeros((questions.people, questions.people), np.float32),
        share=share,
    )
    for own in filter(len, contest.of_query):
        _add_wins(contest.mass, contest, own, np.zeros(len(rows)))
    contest.mass[:] *= 2  # all ties
    return contest


def _add_wins(wins: np.ndarray, contest: Contest, own: np.ndarray, scores: np.ndarray) -> None:
    """Add to the asker's row of `wins` (P, P) what the labels `own` of one query win against each person's, by the scores (L,) of that query."""
    won = np.zeros(len(scores), np.int32)
    for label in own:
        met = slice(contest.first[label], contest.last[label])
        won[met] += scores[met] < scores[label]
        won[met] += scores[met] <= scores[label]
    wins[contest.person[own[0]]] += contest.chance[own[0]] / 2 * np.bincount(contest.person, won * contest.chance, len(wins))


def wins_and_ranks(
    questions: Questions, level: Kind, scorer: Scorer, contests: Mapping[Key, Contest], with_ranks: bool = True
) -> tuple[dict[Key, np.ndarray], dict[tuple[Futures, Metric], np.ndarray]]:  # fmt: skip
    """Of each contest the share (P, P) that the row's person wins against the column's, NaN where no labels of the two meet; and, with ranks,
    recall@10 and MRR of each query (B,), NaN for a query without such a future. Goes through the queries once."""
    answers = questions.levels[level]
    wins = {key: np.zeros_like(contest.mass) for key, contest in contests.items()}
    ranked: dict[tuple[Futures, Metric], np.ndarray] = {}
    if with_ranks:
        ranked = {(futures, metric): np.full(len(questions.person), np.nan) for futures in FUTURES for metric in METRICS[2:]}
    ends = np.searchsorted(answers.futures.query, np.arange(len(questions.person) + 1))
    for query, scores in _rows(scorer, len(questions.person), len(answers.texts)):
        for key, contest in contests.items():
            if len(own := contest.of_query[query]):
                _add_wins(wins[key], contest, own, scores[contest.item])
        if with_ranks:
            _rank(ranked, answers.futures, slice(ends[query], ends[query + 1]), query, scores)
    return {key: _shares(found, contests[key].mass) for key, found in wins.items()}, ranked


def _rows(scorer: Scorer, queries: int, items: int) -> Iterator[tuple[int, np.ndarray]]:
    at_once = max(1, BLOCK_SCORES // max(1, items))
    for start in range(0, queries, at_once):
        yield from enumerate(scorer(slice(start, min(start + at_once, queries))), start)


def _shares(wins: np.ndarray, mass: np.ndarray) -> np.ndarray:
    shares = np.divide(wins, mass, out=np.full_like(wins, np.nan), where=mass > 0)
    np.fill_diagonal(shares, np.nan)
    return shares


def _rank(ranked: dict[tuple[Futures, Metric], np.ndarray], futures: FutureLabels, own: slice, query: int, scores: np.ndarray) -> None:
    items, place = np.unique(futures.item[own], return_inverse=True)
    ranks = metrics.tied_ranks(scores, items)
    in_new_thread = np.bincount(place, futures.in_new_thread[own], len(items)) > 0
    of_futures: dict[Futures, np.ndarray] = {"all": ranks, "new": ranks[in_new_thread]}
    for kind, found in of_futures.items():
        ranked[kind, "recall_at_10"][query] = metrics.recall_at(found, 10)
        ranked[kind, "mrr"][query] = metrics.reciprocal_rank(found)


def encoder_wins(encoder: Encoder, questions: Questions, level: Kind, contests: Mapping[Futures, Contest]) -> dict[Futures, np.ndarray]:
    """Wins (P, P) of each contest. Encodes each query once and only those items that are in somebody's future, so that training can afford it."""
    answers = questions.levels[level]
    items = level_vectors(encoder, level, answers, np.unique(answers.futures.item))
    return wins_and_ranks(questions, level, vector_scorer(encoder.encode_histories(questions.histories), items), contests, with_ranks=False)[0]


def level_vectors(encoder: Encoder, level: Kind, answers: LevelAnswers, wanted: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
    """Vectors of a level's items, shape (A, D); those that are not among the wanted (indexes; None: all) are not encoded and stay 0."""
    indexes = range(len(answers.texts)) if wanted is None else wanted
    vectors = np.zeros((len(answers.texts), encoder.dimension), np.float32)
    for start in range(0, len(indexes), ITEMS_AT_ONCE):  # an encoder holds what it gives twice
        part = indexes[start : start + ITEMS_AT_ONCE]
        vectors[part] = encoder.encode_texts([answers.texts[index] for index in part], level, ITEMS_A_FORWARD)
    return vectors


def vector_scorer(queries: np.ndarray, items: np.ndarray) -> Scorer:
    """Dot products of query vectors (B, D) and item vectors (A, D)."""
    return lambda block: queries[block] @ items.T
