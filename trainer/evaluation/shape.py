"""What was found of the shape of the space, as it is kept and printed: how vectors lie in it, and what is left of it in shorter or coarser ones."""

import math
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from lake.examples import Kind
from trainer.evaluation.numbers import DIFFERENCE, Number, plain_name, with_interval

Precision = Literal["float32", "int8"]
BYTES: Mapping[Precision, int] = {"float32": 4, "int8": 1}
ShapeMetric = Literal["alignment", "uniformity", "hubness"]
StoredMetric = Literal["matched_personal_auc", "personal_auc", "recall_at_10", "overlap_at_10"]
STORED_METRICS: tuple[StoredMetric, ...] = get_args(StoredMetric)
STORED_TITLES = {"matched_personal_auc": "matched AUC", "personal_auc": "personal AUC", "recall_at_10": "recall@10", "overlap_at_10": "overlap of ten best"}
NAME_WIDTH, CELL_WIDTH = 30, 30
STORED_NAME_WIDTH, STORED_CELL_WIDTH = 36, 26


class _Number(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    scorer: str = Field(description="tuned, base, or 'tuned - base': the (paired) difference.")
    mean: Number
    low: Number = Field(description="NaN where there is no interval: of what is no mean over people.")
    high: Number


class ShapeScore(_Number):
    """How vectors lie."""

    metric: ShapeMetric
    of: Kind | Literal["people"] = Field(description="Items of this kind with the histories that are asked about them; or people's newest histories.")

    @property
    def words(self) -> str:
        """What it is, for a person."""
        return f"{self.metric}, {'people' if self.of == 'people' else f'{self.of} items'}"


class StoredScore(_Number):
    """What vectors are worth that are cut to their first numbers (and made unit length again), and perhaps written in a byte a number."""

    level: Kind
    numbers: int = Field(description="Numbers of a vector that are kept.")
    precision: Precision = Field(description="int8: each dimension on a scale on which 127 is its largest absolute value, of queries and items together.")
    metric: StoredMetric = Field(description="overlap_at_10: of the ten best by whole vectors in float32, the share that is among the ten best.")
    people: int

    @property
    def bytes(self) -> int:
        """Of one vector."""
        return self.numbers * BYTES[self.precision]


class Shape(BaseModel):
    """All that was found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scores: list[ShapeScore]
    stored: list[StoredScore] = Field(description="Of the first `max_curve_people` people.")

    def score(self, scorer: str, metric: ShapeMetric, of: str) -> ShapeScore:
        """The one score of these coordinates. Raises KeyError where there is none."""
        for score in self.scores:
            if (score.scorer, score.metric, score.of) == (scorer, metric, of):
                return score
        raise KeyError((scorer, metric, of))

    def curve(self, scorer: str, metric: StoredMetric, level: Kind, precision: Precision) -> dict[int, StoredScore]:
        """Numbers that are kept -> score, most first."""
        wanted = (scorer, metric, level, precision)
        return {score.numbers: score for score in self.stored if (score.scorer, score.metric, score.level, score.precision) == wanted}


def shape_blocks(shape: Shape) -> Iterator[tuple[str, list[str]]]:
    """Title and lines of each block of the report."""
    if shape.scores:
        yield (
            "Shape of the space: squared distance of a history and its future; uniformity of items, and of people's newest histories; skew of being among the ten nearest",
            list(_lines_of_shape(shape)),
        )
    for level in dict.fromkeys(score.level for score in shape.stored):
        of_level = [score for score in shape.stored if score.level == level]
        people = max(score.people for score in of_level)
        yield f"Shorter and coarser vectors, {level}: the first numbers of each, in float32 and int8 ({people} people)", list(_lines_of_stored(of_level))


def _lines_of_shape(shape: Shape) -> Iterator[str]:
    names = ("tuned", "base", DIFFERENCE)
    yield "  " + " " * NAME_WIDTH + "".join(f"{name:<{CELL_WIDTH}}" for name in names).rstrip()
    by_place = {(score.words, score.scorer): score for score in shape.scores}
    for words in dict.fromkeys(score.words for score in shape.scores):
        cells = [number_words(by_place[words, name], signed=name == DIFFERENCE) for name in names]
        yield "  " + f"{words:<{NAME_WIDTH}}" + "".join(f"{cell:<{CELL_WIDTH}}" for cell in cells).rstrip()


def _lines_of_stored(scores: list[StoredScore]) -> Iterator[str]:
    yield "  " + " " * STORED_NAME_WIDTH + "".join(f"{STORED_TITLES[metric]:<{STORED_CELL_WIDTH}}" for metric in STORED_METRICS).rstrip()
    by_place = {(score.scorer, score.numbers, score.precision, score.metric): score for score in scores}
    for scorer, numbers, precision in dict.fromkeys(place[:3] for place in by_place):
        found = [by_place.get((scorer, numbers, precision, metric)) for metric in STORED_METRICS]
        cells = ["" if each is None else number_words(each, signed=scorer == DIFFERENCE) for each in found]
        name = f"{scorer}, {numbers} {precision} ({numbers * BYTES[precision]} bytes)"
        yield "  " + (f"{name:<{STORED_NAME_WIDTH}}" + "".join(f"{cell:<{STORED_CELL_WIDTH}}" for cell in cells)).rstrip()


def number_words(score: _Number, signed: bool) -> str:
    """A number with its interval, where it has one."""
    return "-" if math.isnan(score.mean) else with_interval(score, signed)


def shape_numbers(shape: Shape) -> dict[str, float]:
    """Metric name -> number, NaN left out: 'shape/specific/alignment/tuned' and 'stored/specific/192_int8/recall_at_10/tuned', with '_low' and '_high' beside them."""
    named: dict[str, _Number] = {f"shape/{score.of}/{score.metric}/{score.scorer}": score for score in shape.scores}
    named |= {f"stored/{score.level}/{score.numbers}_{score.precision}/{score.metric}/{score.scorer}": score for score in shape.stored}
    numbers = {name + end: value for name, score in named.items() for end, value in (("", score.mean), ("_low", score.low), ("_high", score.high))}
    return {plain_name(name): number for name, number in numbers.items() if not math.isnan(number)}
