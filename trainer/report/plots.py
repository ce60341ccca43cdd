"""Plots of an evaluation as Vega-Lite (edge): made by Altair, drawn in the reader's browser by JavaScript that stands in the page. Follows https://altair-viz.github.io."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import vl_convert

from lake.examples import Kind
from trainer.evaluation.comparison import EvaluationResult
from trainer.evaluation.numbers import DIFFERENCE
from trainer.evaluation.parts import LENGTHS, POPULARITIES
from trainer.evaluation.report import TITLES
from trainer.evaluation.scores import Metric
from trainer.evaluation.shape import StoredMetric

Chart = alt.Chart | alt.LayerChart | alt.FacetChart
Rows = list[dict[str, Any]]
Outcomes = Sequence[tuple[str, EvaluationResult]]
"""Variants of an ablation and what each found."""
HEIGHT = 230
FORMAT = ".3f"
ENCODERS = ("tuned", "base")


@lru_cache(maxsize=1)
def library() -> str:
    """The JavaScript that draws plots: vega-embed with all that it needs, as `window.vegaEmbed`."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2]))


def spec_text(chart: Chart) -> str:
    """A chart as JSON that may stand in a script of a page, whatever words are in it."""
    spec = chart.to_dict()
    del spec["$schema"]
    return json.dumps(spec, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def length_plot(result: EvaluationResult, level: Kind, metric: Metric) -> Chart | None:
    """Encoder and base by units before the cut; None where there are no such slices."""
    return _slice_plot(result, level, metric, {name: name.removeprefix("history of ").replace("over ", "> ") for name in LENGTHS}, "units before the cut")


def popularity_plot(result: EvaluationResult, level: Kind, metric: Metric) -> Chart | None:
    """Encoder and base by how often training people have the item; None where nobody was counted."""
    return _slice_plot(result, level, metric, {name: name.removesuffix(" items") for name in POPULARITIES}, "popularity of the item")


def _slice_plot(result: EvaluationResult, level: Kind, metric: Metric, names: Mapping[str, str], title: str) -> Chart | None:
    rows = [
        {"slice": names[score.cuts], "encoder": score.scorer, "people": score.people, **_interval(score.mean, score.low, score.high)}
        for score in result.scores
        if (score.level, score.metric) == (level, metric) and score.cuts in names and score.scorer in ENCODERS and not math.isnan(score.mean)
    ]
    if not rows:
        return None
    in_order = [short for short in names.values() if short in {row["slice"] for row in rows}]
    x = alt.X("slice:N", sort=in_order, title=title, axis=alt.Axis(labelAngle=0))
    return _with_intervals(rows, x, [alt.Tooltip("slice:N"), alt.Tooltip("people:Q")], offset=alt.XOffset("encoder:N", sort=list(ENCODERS)))


def stored_plot(result: EvaluationResult, level: Kind, metric: StoredMetric) -> Chart | None:
    """Encoder and base by the bytes of a stored vector, in float32 (solid lines) and int8 (dashed, as the page says); None where nothing was stored."""
    rows = [
        {"bytes": score.bytes, "numbers": score.numbers, "written in": score.precision, "encoder": score.scorer, **_interval(score.mean, score.low, score.high)}
        for score in result.shape.stored
        if (score.level, score.metric) == (level, metric) and not math.isnan(score.mean)
    ]
    if not rows:
        return None
    sizes: list[float] = sorted({score.bytes for score in result.shape.stored if score.level == level})
    x = alt.X(
        "bytes:Q",
        scale=alt.Scale(type="log", base=2, nice=False, padding=12),
        title="bytes of a vector",
        axis=alt.Axis(values=sizes, labelOverlap=True, format="d"),
    )
    chart = alt.Chart(alt.Data(values=rows))
    lines = chart.mark_line(point=True).encode(
        x=x, y=_y(), color=_color(), strokeDash=alt.StrokeDash("written in:N", sort=["float32", "int8"], legend=None),
        tooltip=[alt.Tooltip("encoder:N"), alt.Tooltip("numbers:Q"), alt.Tooltip("written in:N"), *_tooltips()],
    )  # fmt: skip
    return _sized(lines)


def ablation_plot(outcomes: Outcomes, level: Kind, metric: Metric) -> Chart | None:
    """How far each variant of a training is ahead of its base, in the order in which they were made; None where none was asked this."""
    rows = [
        {"variant": name, "encoder": "tuned", "people": score.people, **_interval(score.mean, score.low, score.high)}
        for name, result in outcomes
        for score in result.scores
        if (score.cuts, score.level, score.futures, score.metric, score.scorer) == ("all cuts", level, "all", metric, DIFFERENCE) and not math.isnan(score.mean)
    ]
    if not rows:
        return None
    y = alt.Y("variant:N", sort=[name for name, _ in outcomes], title=None, axis=alt.Axis(labelLimit=130))
    chart = alt.Chart(alt.Data(values=rows))
    x = alt.X("mean:Q", title=f"{TITLES[metric]}, ahead of the base", scale=alt.Scale(zero=False))
    rule = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(strokeDash=[4, 4], opacity=0.5).encode(x="zero:Q")
    bars = chart.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", y=y, color=_color(legend=False))
    dots = chart.mark_point(filled=True, size=70, opacity=1).encode(
        x=x, y=y, color=_color(legend=False), tooltip=[alt.Tooltip("variant:N"), alt.Tooltip("people:Q"), *_tooltips()]
    )
    return _sized(alt.layer(rule, bars, dots), height=40 + 26 * len(rows))


def _with_intervals(rows: Rows, x: alt.X, tooltips: list[alt.Tooltip], offset: alt.XOffset) -> Chart:
    chart = alt.Chart(alt.Data(values=rows)).encode(x=x, xOffset=offset, color=_color())
    bars = chart.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", scale=alt.Scale(zero=False), title=None), y2="high:Q")
    dots = chart.mark_point(filled=True, size=70, opacity=1).encode(y=_y(), tooltip=[alt.Tooltip("encoder:N"), *tooltips, *_tooltips()])
    return _sized(alt.layer(bars, dots))


def _interval(mean: float, low: float, high: float) -> dict[str, float]:
    """Numbers of a row; an interval that is not known has no width."""
    return {"mean": mean, "low": mean if math.isnan(low) else low, "high": mean if math.isnan(high) else high}


def _y() -> alt.Y:
    return alt.Y("mean:Q", scale=alt.Scale(zero=False), title=None)


def _color(legend: bool = True) -> alt.Color:
    """The page says which colours they are, by day and by night."""
    return alt.Color("encoder:N", sort=list(ENCODERS), scale=alt.Scale(domain=list(ENCODERS)), legend=alt.Legend(title=None) if legend else None)


def _tooltips() -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{name}:Q", format=FORMAT) for name in ("mean", "low", "high")]


def _sized(chart: Chart, height: int = HEIGHT) -> Chart:
    """As wide as its place on the page."""
    return chart.properties(width="container", height=height, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
