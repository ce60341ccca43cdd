"""Variants of a training side by side: what a file asks for, and one table of what was found. Pure.

A file has one mapping, `variants`: the name of each -> settings of section `trainer` that it changes, nested as in a configuration file.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from conf.errors import ConfigError
from conf.settings import Settings
from lake.config import LakeConfig
from lake.examples import Kind
from trainer.config import TrainerConfig, TrainingConfig
from trainer.evaluation.comparison import DIFFERENCE, EvaluationResult, Score
from trainer.evaluation.parts import NEW, SAME, Slice
from trainer.evaluation.questions import Futures
from trainer.evaluation.scores import Metric

EVERYTHING: tuple[Slice, ...] = ("all cuts",)
SAME_TOPICS: tuple[Slice, ...] = (NEW, SAME)
"""Topics that are told apart, held out from some variants and not from others: a column has both."""
Column = tuple[Kind, Futures, Metric, tuple[Slice, ...]]
COLUMNS: tuple[Column, ...] = (
    ("specific", "all", "matched_personal_auc", EVERYTHING), ("specific", "new", "matched_personal_auc", EVERYTHING), ("specific", "all", "personal_auc", EVERYTHING),
    ("specific", "new", "personal_auc", EVERYTHING), ("broad", "all", "matched_personal_auc", EVERYTHING), ("broad", "all", "personal_auc", EVERYTHING),
    ("title", "all", "matched_personal_auc", EVERYTHING), ("title", "all", "personal_auc", EVERYTHING), ("catalogue", "all", "recall_at_10", EVERYTHING),
    ("catalogue", "all", "ndcg_at_10", EVERYTHING), ("specific", "all", "matched_personal_auc", SAME_TOPICS), ("specific", "all", "personal_auc", SAME_TOPICS),
    ("broad", "all", "matched_personal_auc", SAME_TOPICS), ("broad", "all", "personal_auc", SAME_TOPICS),
)  # fmt: skip
"""Kind of answers, futures, metric, and cuts or topics of each column of the table; of several the first that was asked about."""


@dataclass(frozen=True)
class Variant:
    """One training and the evaluation of what it makes. `settings` are those of the run with what the variant changes."""

    name: str
    settings: Settings

    @property
    def lake(self) -> LakeConfig:
        """The lake, with a registered model for all variants of the same training, so that aliases of others stay what they are."""
        lake, config = self.settings.section("lake", LakeConfig), self.trainer
        decided = config.model_dump_json(include=set(TrainingConfig.model_fields) | {"examples"})
        return lake.model_copy(update={"registered_model": f"{lake.registered_model}-{hashlib.sha256(decided.encode()).hexdigest()[:8]}"})

    @property
    def trainer(self) -> TrainerConfig:
        """The settings of the trainer."""
        return self.settings.section("trainer", TrainerConfig)

    @property
    def but_for_seed(self) -> str:
        """What is the same in trainings, and evaluations, that only chance tells apart."""
        return self.trainer.model_copy(update={"seed": 0}).model_dump_json()


@dataclass(frozen=True)
class Outcome:
    """What the evaluation of a variant found. `but_for_seed` as the variant has it; those that share it are repetitions of one training."""

    name: str
    result: EvaluationResult
    but_for_seed: str | None = None


def variants_of(content: Mapping[str, Any], settings: Settings, origin: str) -> list[Variant]:
    """The variants of a file, in its order. Raises ConfigError for a file of another form and for wrong settings."""
    asked = content.get("variants")
    if set(content) != {"variants"} or not isinstance(asked, Mapping) or not asked:
        raise ConfigError(f"{origin}: expected one mapping, variants: name -> settings of section trainer, e.g. variants: {{titles: {{phases: [...]}}}}")
    return [_variant(str(name), changes, settings, origin) for name, changes in asked.items()]


def _variant(name: str, changes: Any, settings: Settings, origin: str) -> Variant:
    if not isinstance(changes, Mapping | None):
        raise ConfigError(f"{origin}: variant {name!r} is {changes!r}; expected settings of section trainer")
    for path, value in _leaves(changes or {}, "trainer"):
        settings = settings.with_value(path, value)
    variant = Variant(name, Settings({section: settings.given(section) for section in settings.sections}, f"{origin}, variant {name!r}"))
    assert variant.trainer
    assert variant.lake
    return variant


def _leaves(changes: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in changes.items():
        if isinstance(value, Mapping) and key in ("examples", "evaluation"):
            yield from _leaves(value, f"{path}.{key}")
        else:
            yield f"{path}.{key}", value


def ablation_table(outcomes: Sequence[Outcome]) -> str:
    """Lines of a Markdown table: of each variant the encoder's score, and its paired difference to the untouched base with the interval of the evaluation."""
    columns = [column for column in COLUMNS if any(_found(outcome.result, column) for outcome in outcomes)]
    heads = [
        "variant",
        "people",
        *map(_head, columns),
    ]
    rows = [[outcome.name, _people(outcome.result), *(_found(outcome.result, column) or "-" for column in columns)] for outcome in outcomes]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows, *_spreads(outcomes, columns)))


def _spreads(outcomes: Sequence[Outcome], columns: Sequence[Column]) -> Iterator[list[str]]:
    """A row of each training that was repeated with other seeds: the mean score and, of the difference to the base, mean and standard deviation over seeds."""
    for same in dict.fromkeys(outcome.but_for_seed for outcome in outcomes if outcome.but_for_seed is not None):
        repeated = {outcome.result.encoder_version: outcome.result for outcome in outcomes if outcome.but_for_seed == same}
        if len(repeated) > 1:
            yield [f"mean ± deviation over these {len(repeated)} seeds", "-", *(_spread([*repeated.values()], column) for column in columns)]


def _spread(results: Sequence[EvaluationResult], column: Column) -> str:
    pairs = [pair for result in results if (pair := _pair(result, *column)) is not None]
    if len(pairs) < len(results):
        return "-"
    tuned, ahead = ([score.mean for score in scores] for scores in zip(*pairs, strict=True))
    return f"{mean(tuned):.3f} ({mean(ahead):+.3f} ± {stdev(ahead):.3f})"


def _head(column: Column) -> str:
    kind, futures, metric, cuts = column
    return (
        f"{kind}, {'matched' if metric.startswith('matched') else 'plain'}{', new threads' * (futures == 'new')}{', topics told apart' * (cuts == SAME_TOPICS)}"
    )


def _people(result: EvaluationResult) -> str:
    return f"{result.people} + {result.title_people}"


def _found(result: EvaluationResult, column: Column) -> str | None:
    pair = _pair(result, *column)
    return None if pair is None else f"{pair[0].mean:.3f} ({_signed(pair[1])})"


def _pair(result: EvaluationResult, kind: Kind, futures: Futures, metric: Metric, cuts: tuple[Slice, ...]) -> tuple[Score, Score] | None:
    """The encoder's score and its difference to the base, of the first of the cuts that was asked about; None where nobody was."""
    for each in cuts:
        try:
            tuned, ahead = (result.score(scorer, metric, kind, futures, each) for scorer in ("tuned", DIFFERENCE))
        except KeyError:
            continue
        return None if tuned.mean != tuned.mean else (tuned, ahead)
    return None


def _signed(score: Score) -> str:
    return f"{score.mean:+.3f} [{score.low:+.3f}, {score.high:+.3f}]"
