"""Who is it: does the first half of a person's history find that person's own second half among many? Likeness of people was never trained for.

Protocol: Andrews and Bishop 2019 (IUR: 25,000 askers, 111,396 candidates, 16 units of 32 tokens a side), with the stricter halves and candidates that stand in
`Halving` and `Among`. Memory: of each half its vectors and distinct words are kept, one way of halving and reading at a time. At IUR's size 25,000 first and 111,396 second halves are
136,396 * 384 * 4 bytes = 0.2 GB for each of two encoders of 384 numbers, at 1,024 tokens (about 400 distinct words of 8 bytes) 0.5 GB of words, and as much again while
words are weighed; scores are made BLOCK_SCORES at a time: 150 askers by all candidates, 67 MB for each row (11 GB it would be at once), with at
most thrice that while they are made. A process that held all that for 600 of the askers took 3.0 GB at most.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import get_args

import numpy as np
from scipy.special import digamma

from lake.encoder import Encoder
from lake.rendering import QueryFormat, is_readable
from trainer.config import EvaluationConfig
from trainer.evaluation import metrics
from trainer.evaluation.halves import Halving, History, Person, halves_of, words_alone
from trainer.evaluation.history_vectors import Matrix, ReadHistories, community_matrix, dot, read_histories
from trainer.evaluation.numbers import DIFFERENCE
from trainer.evaluation.user_user import Among, Identity, Read, UserUserScore

People = Callable[[], Iterable[Person]]
"""Reads all people anew, one at a time: their histories never stand in memory together."""
BLOCK_SCORES = 2**24
TIED = 1e-6
"""Scores this near are one: products of the same float32 vectors differ in the last digits by where in a matrix they stand."""
AMONG: tuple[Among, ...] = get_args(Among)
RECALLED = {"recall_at_1": 1, "recall_at_8": 8, "recall_at_8_nine_ranks": 9, "recall_at_64": 64}
"""Metric -> ranks that count. LUAR's published recall@8 counts nine: its code compares ranks that begin at 0 by `<= 8`."""
Half = tuple[str, bool]
"""Whose half it is, and whether it is the first."""


def who_is_it(people: People, tuned: Encoder, base: Encoder, config: EvaluationConfig) -> list[Identity]:
    """Every way of halving and of reading, each with every choice of candidates. An encoder that reads labels alone is asked at full length only."""
    reads: tuple[Read, ...] = ("full",) if tuned.card.query_format == "labels" else get_args(Read)
    return [one for halving in get_args(Halving) for read in reads for one in _identities(people, halving, read, tuned, base, config)]


def _identities(people: People, halving: Halving, read: Read, tuned: Encoder, base: Encoder, config: EvaluationConfig) -> list[Identity]:
    left_out: Counter[str] = Counter()
    shown = partial(words_alone, tokens=config.episode_tokens, token_starts=tuned.token_starts) if read == "episodes" else None
    halves = read_histories(_halves_to_read(people(), halving, read, tuned.card.query_format, config, left_out), tuned, base, shown)
    ranks, candidates = own_ranks(halves)
    counted = {among: int((~np.isnan(candidates[number])).sum()) for number, among in enumerate(AMONG)}
    alone = {
        "everybody": Counter({"nobody else has a second half": candidates.shape[1] - counted["everybody"]}),
        "same communities": Counter({"nobody else's second half shares a community with theirs": candidates.shape[1] - counted["same communities"]}),
    }
    return [
        Identity(
            halves=halving, read=read, among=among, people=counted[among], candidates=float(np.nanmedian(candidates[number])) if counted[among] else 0,
            chance_mrr=float(np.nanmean(chance_reciprocal_rank(candidates[number]))) if counted[among] else math.nan,
            left_out=dict(left_out + alone[among]),
            scores=list(_scores({name: found[number] for name, found in ranks.items()}, config)) if counted[among] else [],
        )
        for number, among in enumerate(AMONG)
    ]  # fmt: skip


def _halves_to_read(
    people: Iterable[Person], halving: Halving, read: Read, query_format: QueryFormat, config: EvaluationConfig, left_out: Counter[str]
) -> Iterator[tuple[Half, History]]:  # fmt: skip
    """Both halves of who is asked, the second alone of others; who has too little is left out, and those asked are counted in `left_out` by reason."""
    at_least = config.min_half_units if read == "full" else max(config.min_half_units, config.episode_units)
    for person in people:
        first, second = halves_of(person.history, halving)
        enough = min(len(first), len(second)) >= at_least
        if not enough or not all(is_readable(half, query_format) for half in (first, second)):
            left_out[f"fewer than {at_least} units in one of the halves" if not enough else "no label to read in one of the halves"] += person.is_asked
            continue
        for half, is_first in ((first, True), (second, False)):
            if person.is_asked or not is_first:
                yield (person.person_id, is_first), half if read == "full" else half[-config.episode_units :]


def own_ranks(halves: ReadHistories[Half]) -> tuple[dict[str, metrics.Ranks], np.ndarray]:
    """By each row the ranks (2, P) of the P first halves' own second halves, in the order of person ids; and how many candidates there are (2, P).

    The two are everybody's second halves and those that share a community with the right one, which counts itself; NaN where there is no other of them.
    """
    seconds = np.array([number for number, (_, is_first) in enumerate(halves.keys) if not is_first], np.int64)
    firsts = np.array([number for _, number in sorted((person_id, number) for number, (person_id, is_first) in enumerate(halves.keys) if is_first)], np.int64)
    places = {halves.keys[number][0]: place for place, number in enumerate(seconds)}
    own = np.array([places[halves.keys[number][0]] for number in firsts], np.int64)
    rows = halves.rows(seconds) if len(firsts) else dict(halves.vectors)
    ranks = {name: metrics.Ranks(*np.full((2, 2, len(firsts)), np.nan)) for name in rows}
    candidates = np.full((2, len(firsts)), np.nan)
    sides = {name: (vectors[firsts], vectors[seconds]) for name, vectors in rows.items()}
    visited = community_matrix(halves.communities)[seconds].sign()
    at_once = max(1, BLOCK_SCORES // max(1, len(seconds)))
    for block in (slice(start, start + at_once) for start in range(0, len(firsts), at_once)):
        near = dot(visited[own[block]], visited) > 0
        near[np.arange(len(near)), own[block]] = True
        candidates[:, block] = _or_nan([np.full(len(near), len(seconds)), near.sum(axis=1)])
        for name, (first, second) in sides.items():
            found, is_alone = _ranks(first[block], second, own[block], near), np.isnan(candidates[:, block])
            ranks[name].above[:, block], ranks[name].tied[:, block] = (np.where(is_alone, np.nan, counts) for counts in (found.above, found.tied))
    return ranks, candidates


def chance_reciprocal_rank(candidates: np.ndarray) -> np.ndarray:
    """Expected reciprocal rank of whoever guesses among so many candidates (P,): the mean of 1, 1/2, ..., 1/C."""
    return (digamma(candidates + 1) + np.euler_gamma) / candidates


def _or_nan(counts: Sequence[np.ndarray]) -> np.ndarray:
    found = np.array(counts, float)
    return np.where(found > 1, found, np.nan)


def _ranks(queries: Matrix, candidates: Matrix, own: np.ndarray, near: np.ndarray) -> metrics.Ranks:
    """Ranks (2, B) of each query's own candidate among all and among the near ones (B, C)."""
    scores = dot(queries, candidates)
    right = scores[np.arange(len(scores)), own][:, None]
    metrics.check_numbers(right)
    above, level = scores > right + TIED, np.abs(scores - right) <= TIED
    return metrics.Ranks(*(np.array([(counted & among).sum(axis=1) for among in (np.True_, near)]) for counted in (above, level)))


def _scores(ranks: Mapping[str, metrics.Ranks], config: EvaluationConfig) -> Iterator[UserUserScore]:
    for metric in ("mrr", *RECALLED):
        values = {name: found.reciprocal() if metric == "mrr" else found.within(RECALLED[metric]) for name, found in ranks.items()}
        values[DIFFERENCE] = values["tuned"] - values["base"]
        for name, value in values.items():
            mean = metrics.bootstrap_mean(value, config.bootstrap_samples, config.interval, config.seed)
            yield UserUserScore(metric=metric, scorer=name, mean=mean.mean, low=mean.low, high=mean.high, people=mean.people)
