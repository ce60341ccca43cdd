"""What an item's popularity weighs beside a cosine where items are ranked by what is likely: fitted on people to choose by.

A loss that leaves popularity out asks for its temperature (`baselines.with_popularity`), as far as it was brought to its end; another loss, and a base, ask for what can only be tried.
"""

from collections.abc import Mapping

import numpy as np

from lake.encoder import Encoder
from lake.labels import LEVELS, Level
from trainer.config import EvaluationConfig
from trainer.evaluation import metrics
from trainer.evaluation.baselines import with_popularity
from trainer.evaluation.questions import Questions
from trainer.evaluation.scores import Found, Scorer, Targets, found_by, level_vectors, rank_metrics, targets_of, vector_scorer

WEIGHTS = (0.0, *np.geomspace(0.01, 0.64, 13).round(4).tolist())
"""What is tried: cosines lie closer together than 0.64 and the logarithms of two counts seldom within 1, so that the last is a list of what is popular."""


def fitted_weights(
    encoder: Encoder, questions: Questions, queries: np.ndarray, counts: Mapping[Level, np.ndarray], config: EvaluationConfig
) -> dict[Level, float]:  # fmt: skip
    """By level, the weight of the logarithm of one more than an item's count at which the people's futures are ranked best, by NDCG@10: of several that do alike, the smallest.

    `queries` (B, D) are vectors of the questions' histories, `counts` (A,) how often training people have each item. A level is left out in which nobody has a future.
    """
    found: dict[Level, float] = {}
    for level in LEVELS:
        if level in questions.levels and len((targets := targets_of(questions, level)).item):
            tried = tried_items(targets, counts[level], config.max_items_to_fit, config.seed)
            vectors = level_vectors(encoder, level, questions.levels[level], np.flatnonzero(tried))
            scorer = vector_scorer(queries, vectors)
            values = [ndcg(questions, level, targets, _among(tried, with_popularity(scorer, counts[level], weight))) for weight in WEIGHTS]
            found[level] = WEIGHTS[int(np.argmax(values))]
    return found


def tried_items(targets: Targets, counts: np.ndarray, at_most: int, seed: int) -> np.ndarray:
    """Among which items (A,) futures are ranked: all of them where they are no more than that many, else half so many that come most often and half by lot; and the futures, which are to be found."""
    chosen = np.ones(len(counts), bool)
    if len(counts) > at_most:
        lot = np.random.default_rng(seed).permutation(len(counts))
        chosen[:] = False
        chosen[lot[: at_most // 2]] = True
        chosen[lot[np.argsort(-counts[lot], kind="stable")[: at_most // 2]]] = True
        chosen[targets.item] = True
    return chosen


def ndcg(questions: Questions, level: Level, targets: Targets, scorer: Scorer) -> float:
    """NDCG@10 of all futures, the mean over people of the means over their cuts."""
    found: Found[str] = found_by(questions, level, scorer, {}, targets)
    of_queries = rank_metrics(found, targets, np.ones(len(targets.item), bool))["ndcg_at_10"]
    return float(np.nanmean(metrics.group_means(of_queries, questions.person, questions.people)))


def _among(tried: np.ndarray, scorer: Scorer) -> Scorer:
    return lambda block: np.where(tried, scorer(block), -np.inf)
