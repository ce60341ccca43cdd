"""The few figures of an evaluation that are asked for first: for the head of the page and for the model card."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from lake.examples import Kind
from trainer.evaluation.comparison import TUNED_POPULAR, EvaluationResult, Score
from trainer.evaluation.numbers import DIFFERENCE, with_interval
from trainer.evaluation.questions import FUTURES
from trainer.evaluation.report import TITLES, kind_words
from trainer.evaluation.scores import Metric

LEADING: tuple[Metric, ...] = ("matched_personal_auc", "personal_auc")
LEADING_OF_ITEMS: tuple[Metric, ...] = ("ndcg_at_10", "recall_at_10")
"""Of an app's own items, which have no personal AUC."""
CARD_HEADING = "## On held-out people"


@dataclass(frozen=True)
class HeadLine:
    """One figure of the encoder, beside its base's and that of the best row that is neither."""

    words: str
    metric: Metric
    tuned: Score
    base: Score
    ahead: Score
    other: Score | None


def head_lines(result: EvaluationResult) -> list[HeadLine]:
    """Matched personal AUC, then the plain one, of each kind of item and of futures, then NDCG@10 and recall@10 of an app's own items; what nobody could be asked is left out."""
    labels: list[Kind] = [level for level in result.items if level != "catalogue"]
    lines = [line for metric in LEADING for line in _lines_of(result, metric, labels)]
    return lines + [line for metric in LEADING_OF_ITEMS for line in _lines_of(result, metric, ["catalogue"])]


def _lines_of(result: EvaluationResult, metric: Metric, levels: Iterable[Kind]) -> Iterator[HeadLine]:
    for level in levels:
        for futures in FUTURES:
            found = {
                score.scorer: score
                for score in result.scores
                if (score.cuts, score.level, score.futures, score.metric) == ("all cuts", level, futures, metric) and not math.isnan(score.mean)
            }
            if "tuned" in found:
                others = [score for name, score in found.items() if name not in ("tuned", "base", DIFFERENCE, TUNED_POPULAR)]
                best = max(others, key=lambda score: score.mean, default=None)
                yield HeadLine(kind_words(level, futures), metric, found["tuned"], found["base"], found[DIFFERENCE], best)


def head_sentence(result: EvaluationResult) -> str:
    """The first figure as a sentence that says what it means; that nobody could be asked, where that is so."""
    lines = head_lines(result)
    if not lines:
        return "Nobody could be asked."
    line = lines[0]
    if line.metric in LEADING_OF_ITEMS:
        return _sentence_of_items(line, result)
    where = f" in the same community and within {result.matched_days:g} days" if line.metric == "matched_personal_auc" else ""
    other = f", the best other row ({line.other.scorer}) {line.other.mean:.3f}" if line.other else ""
    return (
        f"Given something that a person does later and something that somebody else does later{where}, it tells which is the person's own in "
        f"{100 * line.tuned.mean:.0f} of 100 cases ({line.words}, {TITLES[line.metric]} {with_interval(line.tuned)}); its untouched base has "
        f"{line.base.mean:.3f}{other}, chance is 0.5. These are {line.tuned.people} people whom training never saw."
    )


def _sentence_of_items(line: HeadLine, result: EvaluationResult) -> str:
    other = f", the best other row ({line.other.scorer}) {line.other.mean:.3f}" if line.other else ""
    whom = "whom training never saw" if result.held_out_acts is None else "whom training saw; what they did later was held out from it"
    return (
        f"Among all items of an app, by their words alone, it ranks what a person acts on next at {TITLES[line.metric]} {with_interval(line.tuned)}; its untouched base has "
        f"{line.base.mean:.3f}{other}. These are {line.tuned.people} people {whom}."
    )


def card_section(result: EvaluationResult, made_at: datetime) -> str:
    """The head as a section of the model card, Markdown; replaced whole by that of another evaluation."""
    rows = [
        f"| {line.words}, {TITLES[line.metric]} | {with_interval(line.tuned)} | {line.base.mean:.3f} | {with_interval(line.ahead, signed=True)} | "
        f"{'-' if line.other is None else f'{line.other.mean:.3f} ({line.other.scorer})'} | {line.tuned.people} |"
        for line in head_lines(result)
    ]
    table = ["| | this encoder | base | difference | best other row | people |", "| --- | --- | --- | --- | --- | --- |", *rows, ""] if rows else []
    tables = ", ".join(f"`{table}` {version}" for table, version in sorted(result.versions_read.items()))
    said = f"`kindred trainer evaluate` of {made_at:%Y-%m-%d}, on {tables} (Delta versions); intervals of {result.interval:.0%} over people. All figures: `kindred trainer report`."
    return "\n".join([CARD_HEADING, "", head_sentence(result), "", *table, said])
