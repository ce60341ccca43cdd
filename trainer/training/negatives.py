"""Which negatives a step had: how near to a query, in place and time, the people are whose answers it is told from.

Negatives that neither place nor era tells apart teach what is personal, those of strangers teach place and era: what stands beside whom in a step decides
what is learnt, so these counts belong beside a run's loss.
"""

import numpy as np

from trainer.training.masks import KIND_PLACES, Numbers, Relation

NEARNESS = ("unowned", "strangers", "era", "place", "near")
"""What a negative is to a query, by those of its owners who are nearest: nobody's positive in this step (a hard negative); of another community
and time; close in time alone; of the same community alone; of one person who is both."""
MICROSECONDS_A_DAY = 86_400_000_000


def negatives_by_nearness(
    relation: Relation, kinds: Numbers, communities: Numbers, times: Numbers, days: float, max_queries: int = 256, seed: int = 0
) -> dict[str, float]:  # fmt: skip
    """`negatives_<nearness>`: pairs of a query and a negative in a step, by NEARNESS; `masked_share` of all pairs; `positives_per_query`.

    Counted are the pairs that the loss contrasts before it looks at vectors: of answers whose kind the query has a positive of. kinds (A,) are places in KINDS;
    communities (B,) hashes (people without one get a number each); times (B,) UTC microseconds, close where at most `days` lie between. An answer is owned by
    the queries that have it as a positive. Up to `max_queries` queries are counted exactly; of more, so many are drawn with `seed`, and counts are scaled to all.
    """
    queries = len(communities)
    asks = np.zeros((queries, KIND_PLACES), bool)
    asks[relation.positive.queries, kinds[relation.positive.answers]] = True
    drawn = np.arange(queries) if queries <= max_queries else np.random.default_rng(seed).choice(queries, max_queries, replace=False)
    counts = np.zeros(len(NEARNESS))
    for query in drawn:
        counted = asks[query][kinds]
        for pairs in (relation.positive, relation.masked):
            counted[pairs.answers[slice(*np.searchsorted(pairs.queries, [query, query + 1]))]] = False
        found = _nearest(relation, communities == communities[query], np.abs(times - times[query]) <= days * MICROSECONDS_A_DAY)
        counts += np.bincount(found[counted], minlength=len(NEARNESS))
    scaled = counts * (queries / max(1, len(drawn)))
    contrasted = int((asks * np.bincount(kinds, minlength=KIND_PLACES)).sum())
    masked = int(asks[relation.masked.queries, kinds[relation.masked.answers]].sum())
    return {f"negatives_{name}": float(count) for name, count in zip(NEARNESS, scaled, strict=True)} | {
        "masked_share": masked / max(1, contrasted),
        "positives_per_query": len(relation.positive.queries) / max(1, queries),
    }


def _nearest(relation: Relation, is_place: np.ndarray, is_era: np.ndarray) -> Numbers:
    """The place in NEARNESS of each answer (A,), given which queries (B,) are of the same community and which are close in time."""
    found = np.zeros(relation.shape[1], np.int64)
    of_owners = 1 + is_era.astype(np.int64) + 2 * is_place
    np.maximum.at(found, relation.positive.answers, of_owners[relation.positive.queries])
    return found
