"""Vectors of an encoder -> the shape of its space: alignment, uniformity, hubness, and what is left in vectors that are cut or written in bytes.

Memory beside the vectors: potentials of BLOCK_ROWS by UNIFORM_ITEMS, one copy of the items in int8 (0.36 GiB for a million of 384 numbers) and a block of scores.
Shape letters: B queries, A items, P people, D vector size.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np

from lake.examples import Kind
from trainer.config import EvaluationConfig
from trainer.evaluation import geometry, metrics
from trainer.evaluation.asked import Asked, estimate
from trainer.evaluation.numbers import DIFFERENCE
from trainer.evaluation.questions import Questions
from trainer.evaluation.scores import BEST, Scorer, Targets, found_by, vector_scorer
from trainer.evaluation.shape import STORED_METRICS, Precision, ShapeScore, StoredMetric, StoredScore

FEWEST_NUMBERS = 8
UNIFORM_ITEMS = 10_000
"""Items, drawn by the seed, whose pairs tell the uniformity of all: fifty million pairs."""
Stored = tuple[int, Precision]
"""How many numbers of a vector are kept, and how each is written."""


@dataclass(frozen=True)
class ItemShape:
    """What one encoder's vectors of histories and of the items of one kind say. `alignment`: of each person (P,). `stored`: values by person, or of pairs of people."""

    alignment: np.ndarray
    uniformity: float
    hubness: float
    stored: dict[Stored, dict[StoredMetric, np.ndarray]]


def item_shape(
    questions: Questions, targets: Targets, queries: np.ndarray, items: np.ndarray, best: np.ndarray, curve: Asked, level: Kind, seed: int
) -> ItemShape:  # fmt: skip
    """The shape of the space of queries (B, D) and items (A, D); `best` (B, K) are the best items of each query, `curve` what shorter vectors are asked."""
    apart = geometry.squared_distances(queries, items, (targets.query, targets.item))
    of_queries = metrics.group_means(apart, targets.query, len(queries))
    drawn = np.random.default_rng(seed).choice(len(items), UNIFORM_ITEMS, replace=False) if len(items) > UNIFORM_ITEMS else np.arange(len(items))
    return ItemShape(
        alignment=metrics.group_means(of_queries, questions.person, questions.people),
        uniformity=geometry.uniformity(items[drawn]),
        hubness=geometry.occurrence_skew(best, len(items)),
        stored=stored_values(curve, queries[: len(curve.questions.person)], items, level),
    )


def ways_to_store(dimension: int) -> list[Stored]:
    """All numbers, half of them, a quarter, ... down to FEWEST_NUMBERS, each in float32 and in int8."""
    sizes = [dimension]
    while sizes[-1] // 2 >= FEWEST_NUMBERS:
        sizes.append(sizes[-1] // 2)
    return [(size, precision) for size in sizes for precision in get_args(Precision)]


def stored_values(curve: Asked, queries: np.ndarray, items: np.ndarray, level: Kind) -> dict[Stored, dict[StoredMetric, np.ndarray]]:
    """What each way to store the vectors is worth, whole ones in float32 first."""
    values: dict[Stored, dict[StoredMetric, np.ndarray]] = {}
    whole = None
    for stored in ways_to_store(items.shape[1]):
        found = found_by(curve.questions, level, stored_scorer(queries, items, stored), curve.contests, curve.targets)
        whole = found.best if whole is None else whole
        kept = geometry.overlap_of_best(found.best, whole)
        worth = {metric: value for (_, _, metric), value in curve.values(found, items, 1.0).items()}  # of an app's own items there is no personal AUC
        values[stored] = {metric: worth[metric] for metric in STORED_METRICS if metric in worth}
        values[stored]["overlap_at_10"] = metrics.group_means(kept, curve.questions.person, curve.questions.people)
    return values


def stored_scorer(queries: np.ndarray, items: np.ndarray, stored: Stored) -> Scorer:
    """Scores of items (A, D) for queries (B, D), both stored so."""
    numbers, precision = stored
    if stored == (items.shape[1], "float32"):
        return vector_scorer(queries, items)  # as they are: unit length made anew would part ties
    kept = geometry.CutVectors.of(items, numbers) if precision == "float32" else geometry.ByteVectors.of(items, numbers, queries)
    return lambda block: kept.scores(queries[block])


def item_shape_scores(tuned: ItemShape, base: ItemShape, level: Kind, config: EvaluationConfig) -> tuple[list[ShapeScore], list[StoredScore]]:
    """The numbers of encoder, base and their difference, paired by people where they are means over people."""
    aligned = {"tuned": tuned.alignment, "base": base.alignment, DIFFERENCE: tuned.alignment - base.alignment}
    found = [_shape_score("alignment", level, name, estimate(values, config)) for name, values in aligned.items()]
    found += _plain("uniformity", level, tuned.uniformity, base.uniformity)
    found += _plain("hubness", level, tuned.hubness, base.hubness)
    return found, list(_stored_scores(tuned, base, level, config))


def _stored_scores(tuned: ItemShape, base: ItemShape, level: Kind, config: EvaluationConfig) -> Iterator[StoredScore]:
    for name, shape in (("tuned", tuned), ("base", base)):
        for (numbers, precision), values in shape.stored.items():
            for metric, value in values.items():
                mean = estimate(value, config)
                yield StoredScore(
                    scorer=name,
                    level=level,
                    numbers=numbers,
                    precision=precision,
                    metric=metric,
                    mean=mean.mean,
                    low=mean.low,
                    high=mean.high,
                    people=mean.people,
                )


def people_shape_scores(questions: Questions, vectors: Mapping[str, np.ndarray], config: EvaluationConfig) -> list[ShapeScore]:
    """Uniformity and hubness of people, each by the newest of the person's histories; `vectors` (B, D) of the queries by encoder, tuned and base."""
    newest = np.flatnonzero(np.append(questions.person[1:] != questions.person[:-1], True)) if questions.people else np.zeros(0, np.int64)
    found = {name: of_queries[newest] for name, of_queries in vectors.items()}
    skews = {name: geometry.occurrence_skew(geometry.nearest_others(of_people, BEST), len(of_people)) for name, of_people in found.items()}
    potential = {name: metrics.pairs_mean(geometry.potentials(of_people, of_people), config.interval) for name, of_people in found.items()}
    even = {name: metrics.Estimate(_log(mean.mean), _log(mean.low), _log(mean.high), mean.people) for name, mean in potential.items()}
    return [
        *(_shape_score("uniformity", "people", name, mean) for name, mean in even.items()),
        _difference("uniformity", "people", even["tuned"].mean, even["base"].mean),
        *_plain("hubness", "people", skews["tuned"], skews["base"]),
    ]


def _plain(metric: str, of: str, tuned: float, base: float) -> list[ShapeScore]:
    """Numbers that are no means over people."""
    return [*(_score(metric, of, name, value) for name, value in (("tuned", tuned), ("base", base))), _difference(metric, of, tuned, base)]


def _difference(metric: str, of: str, tuned: float, base: float) -> ShapeScore:
    return _score(metric, of, DIFFERENCE, tuned - base)


def _score(metric: str, of: str, scorer: str, value: float) -> ShapeScore:
    return _shape_score(metric, of, scorer, metrics.Estimate(value, math.nan, math.nan, 0))


def _shape_score(metric: str, of: str, scorer: str, found: metrics.Estimate) -> ShapeScore:
    return ShapeScore.model_validate({"metric": metric, "of": of, "scorer": scorer, "mean": found.mean, "low": found.low, "high": found.high})


def _log(value: float) -> float:
    return math.log(value) if value > 0 else math.nan
