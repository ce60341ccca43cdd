"""Variants of a training side by side: what a file asks for, and one table of what was found. Pure.

A file has one mapping, `variants`: the name of each -> settings of section `trainer` that it changes, nested as in a configuration file.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conf.errors import ConfigError
from conf.settings import Settings
from lake.config import LakeConfig
from trainer.config import TrainerConfig, TrainingConfig
from trainer.evaluation.comparison import DIFFERENCE, EvaluationResult, Score

COLUMNS = (
    ("specific", "all", "matched_personal_auc"), ("specific", "new", "matched_personal_auc"), ("specific", "all", "personal_auc"), ("specific", "new", "personal_auc"),
    ("broad", "all", "matched_personal_auc"), ("broad", "all", "personal_auc"), ("title", "all", "matched_personal_auc"), ("title", "all", "personal_auc"),
    ("catalogue", "all", "recall_at_10"), ("catalogue", "all", "ndcg_at_10"),
)  # fmt: skip
"""Kind of answers, futures and metric of each column of the table."""


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


@dataclass(frozen=True)
class Outcome:
    """What the evaluation of a variant found."""

    name: str
    result: EvaluationResult


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
    columns = [column for column in COLUMNS if any(_found(outcome.result, *column) for outcome in outcomes)]
    heads = [
        "variant",
        "people",
        *(f"{kind}, {'matched' if metric.startswith('matched') else 'plain'}{', new threads' * (futures == 'new')}" for kind, futures, metric in columns),
    ]
    rows = [[outcome.name, _people(outcome.result), *(_found(outcome.result, *column) or "-" for column in columns)] for outcome in outcomes]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))


def _people(result: EvaluationResult) -> str:
    return f"{result.people} + {result.title_people}"


def _found(result: EvaluationResult, kind: Any, futures: Any, metric: str) -> str | None:
    try:
        tuned, ahead = (result.score(scorer, metric, kind, futures) for scorer in ("tuned", DIFFERENCE))
    except KeyError:
        return None
    return None if tuned.mean != tuned.mean else f"{tuned.mean:.3f} ({_signed(ahead)})"


def _signed(score: Score) -> str:
    return f"{score.mean:+.3f} [{score.low:+.3f}, {score.high:+.3f}]"
