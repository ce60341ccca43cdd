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
- *recall@10* of a query: share of its distinct future items among the ten best of all items of the level; *recall@50* likewise. *NDCG@10*: each of them
  among the ten best counts one over the logarithm of its rank plus one, over what the best list would get. *MRR*: one over the rank of the first of them.
  Items that tie stand in an order drawn by lot, and each metric is its mean over the orders (`metrics.Ranks`).
  Of an app's own items, those that the person acted on before are no candidates.
  `new`: only futures in threads new to the person count as targets; the items among which they stand are the same. A person's value is the mean over
  the person's cuts.
- *recall@10 by meaning*: a future item is found when one of the ten best is the item itself, or one whose words the frozen base puts so near to its words:
  a teacher says the same in other words, and seldom the same twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, get_args

import numpy as np

from lake.encoder import Encoder
from lake.examples import Kind
from trainer.evaluation import metrics
from trainer.evaluation.questions import FutureLabels, Futures, InFutures, LevelAnswers, Questions

RankMetric = Literal["recall_at_10", "recall_by_meaning_at_10", "recall_at_50", "ndcg_at_10", "mrr"]
RANK_METRICS: tuple[RankMetric, ...] = get_args(RankMetric)
Metric = Literal["matched_personal_auc", "personal_auc", RankMetric]
BEST = 10
"""Items at the head of a list that are looked at one by one."""
Scorer = Callable[[slice], np.ndarray]
"""Scores of all items of one level for a slice of the queries, shape (B of the slice, A)."""
BLOCK_SCORES = 2**25
"""Scores that are in memory at once: evaluation costs a block of queries at a time, whatever the number of items."""
NO_ITEM = -1
ITEMS_AT_ONCE = 8192
SECONDS_A_DAY = 86_400
Key = TypeVar("Key")


@dataclass(frozen=True)
class Contest:
    """Which labels of futures meet: arrays (L,) in the order of their places; those that meet label n are first[n]:last[n], one's own among them.

    `label`: which each is among the labels of all futures. `people` (P',): who has such a label; `person` says whose of them each is. `chance`: of drawing
    a label out of its person's, one of the cuts first. `mass` (P', P'): the chance that a label drawn of one person and a label drawn of the other meet;
    symmetric. `share`: labels that count among those that there are.
    """

    label: np.ndarray
    people: np.ndarray
    person: np.ndarray
    chance: np.ndarray
    first: np.ndarray
    last: np.ndarray
    of_query: list[np.ndarray]
    mass: np.ndarray
    share: float


@dataclass(frozen=True)
class Targets(InFutures):
    """What must be found: the T distinct items of each query's future, query by query, and whether one was done in a thread new to the person; arrays (T,).

    Those of query b are first[b]:first[b + 1].
    """

    query: np.ndarray
    item: np.ndarray
    in_new_thread: np.ndarray
    first: np.ndarray


def targets_of(questions: Questions, level: Kind) -> Targets:
    """The targets of all queries at a level."""
    labels, items = questions.levels[level].futures, max(1, len(questions.levels[level].texts))
    distinct, of_label = np.unique(labels.query * items + labels.item, return_inverse=True)
    query = distinct // items
    in_new_thread = np.bincount(of_label, labels.in_new_thread, len(distinct)) > 0
    return Targets(query, distinct % items, in_new_thread, np.searchsorted(query, np.arange(len(questions.person) + 1)))


def plain_contest(questions: Questions, level: Kind, futures: Futures, chosen: np.ndarray, items: np.ndarray | None = None) -> Contest:
    """Every label meets every other. `chosen` (B,) is true where a query counts, `items` (A,), if given, where an item does."""
    labels = questions.levels[level].futures
    rows = _counted(labels, futures, chosen, items)
    return _contest(questions, labels, rows, np.zeros(len(rows), np.int64), 0, share=1.0)


def matched_contest(
    questions: Questions, level: Kind, futures: Futures, chosen: np.ndarray, days: float, min_others: int, items: np.ndarray | None = None
) -> Contest:  # fmt: skip
    """Labels of the same community within so many days meet, where each has such labels of `min_others` other people; else as `plain_contest`."""
    labels, window = questions.levels[level].futures, round(days * SECONDS_A_DAY)
    rows = _counted(labels, futures, chosen, items)
    matched = rows[metrics.with_others_near(labels.place[rows], questions.person[labels.query[rows]], window, min_others)]
    return _contest(questions, labels, matched, labels.place[matched], window, share=len(matched) / max(1, len(rows)))


def _counted(labels: FutureLabels, futures: Futures, chosen: np.ndarray, items: np.ndarray | None) -> np.ndarray:
    counted = labels.of(futures) & chosen[labels.query]
    return np.flatnonzero(counted if items is None else counted & items[labels.item])


def _contest(questions: Questions, labels: FutureLabels, rows: np.ndarray, place: np.ndarray, window: int, share: float) -> Contest:
    in_order = np.argsort(place, kind="stable")
    rows, place = rows[in_order], place[in_order]
    query = labels.query[rows]
    in_query = np.bincount(query, minlength=len(questions.person))
    cuts = np.bincount(questions.person, weights=in_query > 0, minlength=questions.people)
    by_query = np.argsort(query, kind="stable")
    people, person = np.unique(questions.person[query], return_inverse=True)
    contest = Contest(
        label=rows,
        people=people,
        person=person,
        chance=1 / in_query[query] / cuts[questions.person[query]],
        first=np.searchsorted(place, place - window, "left"),
        last=np.searchsorted(place, place + window, "right"),
        of_query=np.split(by_query, np.cumsum(in_query)[:-1]) if len(in_query) else [],
        mass=np.zeros((len(people), len(people)), np.float32),
        share=share,
    )
    for own in filter(len, contest.of_query):
        _add_wins(contest.mass, contest, own, np.zeros(len(rows)))
    contest.mass[:] *= 2  # all ties
    return contest


def _add_wins(wins: np.ndarray, contest: Contest, own: np.ndarray, scores: np.ndarray) -> None:
    """Add to the asker's row of `wins` (P', P') what the labels `own` of one query win against each person's, by the scores (L,) of that query."""
    won: np.ndarray = np.zeros(len(scores), np.uint8 if 2 * len(own) < 256 else np.int32)  # bytes are counted ten times as fast
    for label in own:
        met, score = slice(contest.first[label], contest.last[label]), scores[label]
        won[met] += (scores[met] < score).view(np.uint8)
        won[met] += (scores[met] <= score).view(np.uint8)
    wins[contest.person[own[0]]] += contest.chance[own[0]] / 2 * np.bincount(contest.person, won * contest.chance, len(wins))


@dataclass(frozen=True)
class Found(Generic[Key]):
    """What a scorer gives of all queries.

    `wins`: of each contest the share (P', P') that the row's person wins against the column's, NaN where no labels of the two meet. `ranks` (T,): of each
    target among all items. `best` (B, 2 * BEST - 1): the items of mean rank BEST or better, -1 behind the last.
    """

    wins: dict[Key, np.ndarray]
    ranks: metrics.Ranks
    best: np.ndarray


def found_by(
    questions: Questions, level: Kind, scorer: Scorer, contests: Mapping[Key, Contest], targets: Targets | None = None
) -> Found[Key]:  # fmt: skip
    """Wins of the contests, and, given targets, their ranks and the best items. Goes through the queries once, a block at a time."""
    queries, items = len(questions.person), len(questions.levels[level].texts)
    wins = {key: np.zeros_like(contest.mass) for key, contest in contests.items()}
    above, tied = np.zeros((2, 0 if targets is None else len(targets.item)))
    best = np.full((queries, 2 * BEST - 1), NO_ITEM, np.int32)
    futures = questions.levels[level].futures.item
    for query, scores in _rows(scorer, queries, items):
        of_labels = scores[futures] if contests else scores[:0]
        for key, contest in contests.items():
            if len(own := contest.of_query[query]):
                _add_wins(wins[key], contest, own, of_labels[contest.label])
        if targets is not None:
            own_targets = slice(targets.first[query], targets.first[query + 1])
            if level == "catalogue":
                scores = without(scores, questions.levels[level].pasts[query])
            ranks = metrics.tied_ranks(scores, targets.item[own_targets])
            above[own_targets], tied[own_targets] = ranks.above, ranks.tied
            among_best = metrics.among_best(scores, BEST)
            best[query, : len(among_best)] = among_best
    return Found({key: _shares(won, contests[key].mass) for key, won in wins.items()}, metrics.Ranks(above, tied), best)


def without(scores: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The scores (A,), those of known items (indexes) below all others."""
    left = scores.astype(np.float32)
    left[known] = -np.inf
    return left


def rank_metrics(found: Found[Key], targets: Targets, counted: np.ndarray, by_meaning: np.ndarray | None = None) -> dict[RankMetric, np.ndarray]:
    """Metrics of each query (B,) by the targets that count (T,); NaN for a query without any. `by_meaning` (T,): with which chance each is found by meaning."""
    ranks, query, queries = found.ranks[counted], targets.query[counted], len(targets.first) - 1
    values: dict[RankMetric, np.ndarray] = {
        "recall_at_10": metrics.group_means(ranks.within(10), query, queries),
        "recall_at_50": metrics.group_means(ranks.within(50), query, queries),
        "ndcg_at_10": metrics.ndcg_at(ranks, query, queries, 10),
        "mrr": metrics.reciprocal_ranks(ranks, query, queries),
    }
    return values if by_meaning is None else values | {"recall_by_meaning_at_10": metrics.group_means(by_meaning[counted], query, queries)}


def found_by_meaning(found: Found[Key], targets: Targets, vectors: np.ndarray, min_cosine: float) -> np.ndarray:
    """Chance of each target (T,) to be one of the best items, 1 where one of them has a vector so near to its own; `vectors` (A, D) are the items', of unit length."""
    chance = found.ranks.within(BEST)
    for query, best in enumerate(found.best):
        own = slice(targets.first[query], targets.first[query + 1])
        best = best[best != NO_ITEM]
        chance[own][(vectors[targets.item[own]] @ vectors[best].T >= min_cosine).any(axis=1)] = 1
    return chance


def _rows(scorer: Scorer, queries: int, items: int) -> Iterator[tuple[int, np.ndarray]]:
    at_once = max(1, BLOCK_SCORES // max(1, items))
    for start in range(0, queries, at_once):
        yield from enumerate(scorer(slice(start, min(start + at_once, queries))), start)


def _shares(wins: np.ndarray, mass: np.ndarray) -> np.ndarray:
    shares = np.divide(wins, mass, out=np.full_like(wins, np.nan), where=mass > 0)
    np.fill_diagonal(shares, np.nan)
    return shares


def encoder_wins(
    encoder: Encoder, questions: Questions, queries: np.ndarray, level: Kind, contests: Mapping[Futures, Contest]
) -> dict[Futures, np.ndarray]:  # fmt: skip
    """Wins (P', P') of each contest by the vectors (B, D) of the queries. Encodes only those items that are in somebody's future, so that training can afford it."""
    answers = questions.levels[level]
    items = level_vectors(encoder, level, answers, np.unique(answers.futures.item))
    return found_by(questions, level, vector_scorer(queries, items), contests).wins


def level_vectors(encoder: Encoder, level: Kind, answers: LevelAnswers, wanted: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
    """Vectors of a level's items, shape (A, D); those that are not among the wanted (indexes; None: all) are not encoded and stay 0."""
    indexes = range(len(answers.texts)) if wanted is None else wanted
    vectors = np.zeros((len(answers.texts), encoder.dimension), np.float32)
    for start in range(0, len(indexes), ITEMS_AT_ONCE):  # an encoder holds what it gives twice
        part = indexes[start : start + ITEMS_AT_ONCE]
        vectors[part] = encoder.encode_texts([answers.texts[index] for index in part], level)
    return vectors


def vector_scorer(queries: np.ndarray, items: np.ndarray) -> Scorer:
    """Dot products of query vectors (B, D) and item vectors (A, D)."""
    return lambda block: queries[block] @ items.T
