"""Plots as plain geometry, which the templates draw: lengths along an axis are percent of it, columns are one wide each.

By hand, since the page has no script and is read on phones: drawings that Altair makes are three times as large, have no tooltips without a script, and
words that shrink with the page (benchmarks/RESULTS.md).
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

MOST_LABELS, MOST_LONG_LABELS = 7, 4
LAST_LABEL_AT = 93
"""Percent of an axis; a label that began further right would not fit on a phone."""
LEAST_HEIGHT = 0.8
"""Of a piece of a column: a month of ten rows beside one of a million is still to be seen."""


@dataclass(frozen=True)
class Tick:
    """A label on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Part:
    """A piece of a column, from the top of the plot, in a style of the page."""

    top: float
    height: float
    style: str


@dataclass(frozen=True)
class Column:
    """One column: what it says when pointed at, and its pieces from the bottom up. A gap is a time for which there should be something."""

    tooltip: str
    parts: Sequence[Part]
    is_gap: bool = False


@dataclass(frozen=True)
class ColumnPlot:
    """Columns side by side, over labels of theirs, beside an axis of values."""

    title: str
    columns: Sequence[Column]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]

    @property
    def is_empty(self) -> bool:
        """Whether all values are 0, so that there is nothing to look at."""
        return not any(column.parts for column in self.columns)


@dataclass(frozen=True)
class Cell:
    """One cell of a strip: what it says when pointed at, and its style; no style leaves it empty."""

    tooltip: str
    style: str


@dataclass(frozen=True)
class Strip:
    """Rows of cells over a common axis, each with a label."""

    rows: Mapping[str, Sequence[Cell]]
    x_ticks: Sequence[Tick]


@dataclass(frozen=True)
class Bar:
    """A row of horizontal bars: pairs of style and length, and the number in words."""

    label: str
    lengths: Sequence[tuple[str, float]]
    words: str


@dataclass(frozen=True)
class Dot:
    """A point of a scatter plot, from the left and from the bottom."""

    x: float
    y: float
    tooltip: str


@dataclass(frozen=True)
class DotPlot:
    """Points between two axes."""

    dots: Sequence[Dot]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


@dataclass(frozen=True)
class HeatTable:
    """Numbers in rows and columns; `heat` of a cell, from 0 to 1, is how strongly it is coloured."""

    columns: Sequence[str]
    rows: Mapping[str, Sequence[tuple[str, float]]]


def column_plot(
    title: str, labels: Sequence[str], series: Mapping[str, Sequence[float]], tooltips: Sequence[str], format_value: Callable[[float], str],
    gaps: Collection[str] = (),
) -> ColumnPlot:  # fmt: skip
    """Stacked columns, one for each label: `series` is style -> values, the first at the bottom."""
    top = round_up(max((sum(values) for values in zip(*series.values(), strict=True)), default=0))
    columns = [
        Column(tooltip, _stacked([(style, values[at]) for style, values in series.items()], top), label in gaps)
        for at, (label, tooltip) in enumerate(zip(labels, tooltips, strict=True))
    ]
    y_ticks = [Tick(100 * part, format_value(top * part)) for part in (0, 0.5, 1)]
    return ColumnPlot(title, columns, label_ticks(labels), y_ticks)


def strip(rows: Mapping[str, Sequence[Cell]], labels: Sequence[str]) -> Strip:
    """Rows of cells, one for each label."""
    return Strip(rows, label_ticks(labels))


def bars(rows: Iterable[tuple[str, float, str]], style: str = "first") -> list[Bar]:
    """One bar a row of (label, value, words); the longest fills its place."""
    rows = list(rows)
    longest = max((value for _, value, _ in rows), default=0) or 1
    return [Bar(label, [(style, 100 * value / longest)], words) for label, value, words in rows]


def dot_plot(points: Iterable[tuple[float, float, str]], format_x: Callable[[float], str], format_y: Callable[[float], str]) -> DotPlot:
    """Points of (x, y, tooltip) over a logarithmic x axis from one power of ten to another."""
    points = [(math.log10(max(x, 1)), y, tooltip) for x, y, tooltip in points]
    low, high = math.floor(min(x for x, _, _ in points)), math.floor(max(x for x, _, _ in points)) + 1
    top = round_up(max(y for _, y, _ in points))
    dots = [Dot(100 * (x - low) / (high - low), 100 * y / top, tooltip) for x, y, tooltip in points]
    step = math.ceil((high - low) / MOST_LONG_LABELS)
    x_ticks = [Tick(100 * (power - low) / (high - low), format_x(10.0**power)) for power in range(low, high, step)]
    return DotPlot(dots, _fitting(x_ticks), [Tick(100 * part, format_y(top * part)) for part in (0, 0.5, 1)])


def heat_table(columns: Sequence[str], rows: Mapping[str, Sequence[float | None]], format_value: Callable[[float], str]) -> HeatTable:
    """Values in cells, coloured by their part of the largest; None is an empty cell."""
    largest = max((value or 0 for values in rows.values() for value in values), default=0) or 1
    cells = {label: [("", 0.0) if value is None else (format_value(value), value / largest) for value in values] for label, values in rows.items()}
    return HeatTable(columns, cells)


def round_up(number: float) -> float:
    """The next number that reads well at the end of an axis: 1, 2, 3, 4, 5, 6, 8 or 10 times a power of ten; 1 for 0."""
    if number <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(number))
    return next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10, 20) if step * power >= number)


def label_ticks(labels: Sequence[str]) -> list[Tick]:
    """A few of the labels, at the left of what they name; of many months, only years, where their January stands."""
    years = [(at, label[:4]) for at, label in enumerate(labels) if label.endswith("-01")]
    is_long = len(years) > 2 and len(labels) > 24
    shown = years if is_long else list(enumerate(labels))
    most = MOST_LABELS if is_long or max(map(len, labels), default=0) <= 4 else MOST_LONG_LABELS
    step = math.ceil(len(shown) / most) if shown else 1
    return _fitting([Tick(100 * at / len(labels), label) for at, label in shown[::step]])


def _fitting(ticks: Sequence[Tick]) -> list[Tick]:
    return [tick for tick in ticks if tick.at <= LAST_LABEL_AT]


def _stacked(values: Iterable[tuple[str, float]], top: float) -> list[Part]:
    parts, below = [], 0.0
    for style, value in values:
        if value:
            height = max(100 * value / top, LEAST_HEIGHT)
            parts.append(Part(100 - below - height, height, style))
            below += height
    return parts
