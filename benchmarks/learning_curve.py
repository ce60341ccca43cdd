"""Learning curve: how far ahead of its base an encoder is, by how many people were trained on whose answers, as one SVG.

kindred trainer ablate benchmarks/reddit_college_learning_curve.yaml --config benchmarks/reddit_college.yaml --lake DIR --json > outcomes.json
python -m benchmarks.learning_curve outcomes.json benchmarks/learning_curve.svg
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from trainer.evaluation.numbers import DIFFERENCE

METRICS = {"matched_personal_auc": "matched personal AUC, ahead of the base", "personal_auc": "plain personal AUC, ahead of the base"}
ANSWERS = ("titles", "labels", "both")


def main() -> None:
    """Draw the variants of a file whose names are 'titles of 1/8' and so on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outcomes", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    rows = list(curve_rows(json.loads(asked.outcomes.read_text(encoding="utf-8"))))
    asked.out.write_text(vl_convert.vegalite_to_svg(curve(rows).to_dict()), encoding="utf-8")


def curve_rows(outcomes: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """One row for each variant and metric at the specific level, all futures."""
    for outcome in outcomes:
        answers, _, share = outcome["variant"].partition(" of ")
        for score in outcome["scores"]:
            place = (score["cuts"], score["level"], score["futures"], score["scorer"])
            if place == ("all cuts", "specific", "all", DIFFERENCE) and score["metric"] in METRICS:
                numbers = {name: score[name] for name in ("mean", "low", "high")}
                yield {"answers": answers, "share": 1.0 if share == "all" else float(Fraction(share)), "metric": METRICS[score["metric"]], **numbers}


def curve(rows: list[dict[str, Any]]) -> alt.FacetChart:
    """A panel for each metric; a line for each kind of answers, with 90 % intervals."""
    lines = alt.Chart().encode(
        x=alt.X("share:Q", scale=alt.Scale(type="log", base=2), title="share of the people trained on", axis=alt.Axis(values=[0.125, 0.25, 0.5, 1])),
        color=alt.Color("answers:N", sort=list(ANSWERS), title=None),
    )
    means = lines.mark_line(point=True).encode(y=alt.Y("mean:Q", title=None))
    intervals = lines.mark_rule(opacity=0.4).encode(y="low:Q", y2="high:Q")
    panels = alt.layer(intervals, means, data=alt.Data(values=rows)).properties(width=300, height=240)
    return panels.facet(column=alt.Column("metric:N", sort=list(METRICS.values()), title=None))


if __name__ == "__main__":
    main()
