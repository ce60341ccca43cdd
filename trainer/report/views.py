"""An evaluation as the page shows it: blocks of tables, each number with its interval. Pure; no number is computed here that the evaluation has not."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trainer.evaluation.comparison import EvaluationResult, Score
from trainer.evaluation.features.found import FeatureScore, Guesses, feature_title, privacy_title, task_lines
from trainer.evaluation.kept import KeptGain
from trainer.evaluation.numbers import DIFFERENCE, MINUS
from trainer.evaluation.parts import LENGTHS, POPULARITIES
from trainer.evaluation.report import KEPT_TITLE, TITLES, blocks_of_cuts, blocks_of_slices, rows_in_order
from trainer.evaluation.scores import RANK_METRICS
from trainer.evaluation.shape import STORED_METRICS, STORED_TITLES, Shape, ShapeScore, StoredScore
from trainer.evaluation.user_user import USER_USER_TITLES, UserUserScore, user_user_blocks
from trainer.report.headline import HeadLine

AnyScore = Score | UserUserScore | FeatureScore | ShapeScore | StoredScore | KeptGain
WHAT_NEXT = ("matched_personal_auc", "personal_auc", *RANK_METRICS)
OURS = ("tuned", "base", DIFFERENCE)


@dataclass(frozen=True)
class Cell:
    """A number in words, its interval in words ('' where it has none), and whether it is the best of its column."""

    number: str
    interval: str = ""
    is_best: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of a name and cells below heads; `ours` are the names of the encoder, its base and their difference."""

    corner: str
    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    ours: Sequence[str] = OURS


@dataclass(frozen=True)
class Block:
    """A table below a title; closed ones show it when they are asked."""

    title: str
    table: Table | None
    is_open: bool = True


def head_table(lines: Sequence[HeadLine]) -> Table:
    """The head lines as rows."""
    rows = [
        (
            f"{TITLES[line.metric]}: {line.words[0].lower()}{line.words[1:]}",
            [
                cell_of(line.tuned), cell_of(line.base), cell_of(line.ahead, signed=True),
                Cell("-") if line.other is None else Cell(f"{line.other.mean:.3f}", line.other.scorer), Cell(str(line.tuned.people)),
            ],
        )
        for line in lines
    ]  # fmt: skip
    return Table("", ("this encoder", "base", "difference", "best other row", "people"), rows, ours=())


def what_next_blocks(result: EvaluationResult) -> list[Block]:
    """What a person does next, all rows: all cuts are open, the future period and topics that are told apart are closed; what is kept on those topics is open."""
    blocks = [
        Block(title, score_table(scores, [(metric, TITLES[metric]) for metric in WHAT_NEXT]), is_open=", all cuts (" in title)
        for title, scores in blocks_of_cuts(result)
    ]
    return [*blocks, Block(KEPT_TITLE, _kept_table(result.kept))] if result.kept else blocks


def _kept_table(kept: Sequence[KeptGain]) -> Table:
    metrics = list(dict.fromkeys(gain.metric for gain in kept))
    by_place = {(gain.level, gain.metric): gain for gain in kept}
    rows = [(level, [cell_of(by_place[level, metric]) for metric in metrics]) for level in dict.fromkeys(gain.level for gain in kept)]
    return Table("", [TITLES[metric] for metric in metrics], rows, ours=())


def slice_blocks(result: EvaluationResult, of_items: bool) -> list[Block]:
    """By popularity of the item, or by length of the history: a row a slice, of each metric the encoder, its base and their difference."""
    wanted = POPULARITIES if of_items else LENGTHS
    blocks = ((title, [score for score in scores if score.cuts in wanted]) for title, scores in blocks_of_slices(result))
    return [Block(title.partition(",")[0], _slice_table(scores)) for title, scores in blocks if scores]


def _slice_table(scores: Sequence[Score]) -> Table:
    by_place = {(score.cuts, score.metric, score.scorer): score for score in scores}
    metrics = [metric for metric in WHAT_NEXT if metric in {score.metric for score in scores}]
    columns = [(metric, name) for metric in metrics for name in OURS]
    rows = [
        (
            cuts,
            [Cell(str(max(score.people for score in scores if score.cuts == cuts))), *(_found(by_place.get((cuts, *column)), column[1]) for column in columns)],
        )
        for cuts in dict.fromkeys(score.cuts for score in scores)
    ]
    return Table("", ["people", *(f"{TITLES[metric]}, {name}" for metric, name in columns)], rows, ours=())


def user_user_views(result: EvaluationResult) -> tuple[list[Block], list[Block]]:
    """Who is it, and who is alike; closed are the candidates who share a community. Nothing where everybody was trained on."""
    if result.user_user is None:
        return [], []
    blocks = []
    for title, scores in user_user_blocks(result.user_user):
        columns = [(metric, USER_USER_TITLES[metric]) for metric in dict.fromkeys(score.metric for score in scores)]
        blocks.append(Block(_without_question(title), score_table(scores, columns) if scores else None, is_open="share a community" not in title))
    return blocks[:-1], blocks[-1:]


def feature_block(found: Guesses | None) -> Block | None:
    """Use as a feature; None where it was not asked about."""
    return None if found is None else Block(_without_question(feature_title(found)), _guess_table(found))


def privacy_block(found: Guesses | None) -> Block | None:
    """What is given away; None where no attributes were given."""
    return None if found is None else Block(privacy_title(found), _guess_table(found))


def guess_lines(found: Guesses | None) -> list[str]:
    """What each task is, in a sentence."""
    return [] if found is None else list(task_lines(found))


def _guess_table(found: Guesses) -> Table | None:
    columns = [(metric, metric) for metric in dict.fromkeys(score.metric for score in found.scores)]
    return score_table(found.scores, columns) if found.scores else None


def _without_question(title: str) -> str:
    """A block's title below a heading that is the question."""
    asked = title.partition(": ")[2]
    return f"{asked[0].upper()}{asked[1:]}"


def shape_table(shape: Shape) -> Table | None:
    """Alignment, uniformity and hubness; None where nobody was asked."""
    by_place = {(score.words, score.scorer): score for score in shape.scores}
    rows = [(words, [_found(by_place.get((words, name)), name) for name in OURS]) for words in dict.fromkeys(score.words for score in shape.scores)]
    return Table("", OURS, rows, ours=()) if rows else None


def stored_blocks(shape: Shape) -> list[Block]:
    """Vectors cut or written in bytes, a block a kind of item."""
    return [
        Block(
            f"{level} ({max(score.people for score in shape.stored if score.level == level)} people)",
            _stored_table([s for s in shape.stored if s.level == level]),
        )
        for level in dict.fromkeys(score.level for score in shape.stored)
    ]


def _stored_table(scores: Sequence[StoredScore]) -> Table:
    by_place = {(score.scorer, score.numbers, score.precision, score.metric): score for score in scores}
    rows = [
        (f"{scorer}, {numbers} {precision}", [Cell(str(found[0].bytes)), *map(cell_of, found)])
        for scorer, numbers, precision in dict.fromkeys(place[:3] for place in by_place)
        if (found := [by_place[scorer, numbers, precision, metric] for metric in STORED_METRICS])
    ]
    return Table("", ["bytes", *(STORED_TITLES[metric] for metric in STORED_METRICS)], rows, ours=())


def score_table(scores: Sequence[Score] | Sequence[UserUserScore] | Sequence[FeatureScore], columns: Iterable[tuple[str, str]]) -> Table:
    """All rows of a block in the report's order, a column a metric (name, title); the best of each column is marked."""
    by_place = {(score.scorer, score.metric): score for score in scores}
    shown = [(metric, title) for metric, title in columns if ("tuned", metric) in by_place]
    best = {
        metric: max((score.mean for score in scores if score.metric == metric and MINUS not in score.scorer and not math.isnan(score.mean)), default=None)
        for metric, _ in shown
    }
    rows = [
        (name, [cell_of(score := by_place[name, metric], MINUS in name, is_best=MINUS not in name and score.mean == best[metric]) for metric, _ in shown])
        for name in rows_in_order(scores)
    ]
    return Table("", [title for _, title in shown], rows)


def cell_of(score: AnyScore, signed: bool = False, is_best: bool = False) -> Cell:
    """A mean with its interval."""
    if math.isnan(score.mean):
        return Cell("-")
    sign = "+" if signed else ""
    interval = "" if math.isnan(score.low) else f"{score.low:{sign}.3f} to {score.high:{sign}.3f}"
    return Cell(f"{score.mean:{sign}.3f}", interval, is_best)


def _found(score: AnyScore | None, name: str) -> Cell:
    return Cell("-") if score is None else cell_of(score, signed=name == DIFFERENCE)
