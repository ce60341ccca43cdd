"""Sections of the page that follow the acts through time: rows, gaps, states and scores by month."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl.report.aggregates import Rows
from etl.report.facts import Kind, MonthCounts, Run, ScoreState, counts_by_kind, empty_runs, gaps, months_between, undated
from etl.report.plots import Cell, ColumnPlot, HeatTable, Strip, column_plot, heat_table, strip
from etl.report.words import count, kind_name, share, short

SCORE_STYLES: Mapping[ScoreState, str] = {"usable": "good", "constant": "second", "absent": "bad", "too few": "faint"}
SCORE_WORDS: Mapping[ScoreState, str] = {
    "usable": "usable",
    "constant": "nearly all are 1",
    "absent": "most rows have none",
    "too few": "too few rows to tell",
}
_NO_COUNTS = MonthCounts(0, 0, 0, {})


@dataclass(frozen=True)
class MonthsView:
    """Plots over the same months, one for each kind of act.

    By name of the kind: `gaps`, `quiet` (how many months without an act are no gap) and `undated` (acts whose time is unknown).
    """

    rows: Sequence[ColumnPlot]
    busiest: str | None
    gaps: Mapping[str, Sequence[Run]]
    quiet: Mapping[str, int]
    undated: Mapping[str, int]
    numbers: HeatTable
    states: Sequence[ColumnPlot]
    states_in_words: str
    scores: Strip
    scores_in_words: str


def months_view(months: Rows) -> MonthsView | None:
    """The view of `acts_by_month`; None where there is no row."""
    if not months:
        return None
    kinds = counts_by_kind(months)
    there = {month for counts in kinds.values() for month in counts}
    labels = months_between(min(there), max(there)) if there else []
    return MonthsView(
        rows=[_rows_plot(kind, counts, labels) for kind, counts in kinds.items()],
        busiest=_busiest(kinds),
        numbers=heat_table(
            [kind_name(*kind) for kind in kinds],
            {month: [counts[month].rows if month in counts else None for counts in kinds.values()] for month in labels},
            lambda rows: count(int(rows)),
        ),
        gaps={kind_name(*kind): gaps(counts) for kind, counts in kinds.items()},
        quiet={kind_name(*kind): sum(run.months for run in empty_runs(counts) if run not in gaps(counts)) for kind, counts in kinds.items()},
        undated={kind_name(*kind): rows for kind, rows in sorted(undated(months).items())},
        states=[_states_plot(kind, counts, labels) for kind, counts in kinds.items()],
        states_in_words=_states_in_words(months),
        scores=strip({kind_name(*kind): [_score_cell(month, counts) for month in labels] for kind, counts in kinds.items()}, labels),
        scores_in_words=_scores_in_words(kinds),
    )


def _rows_plot(kind: Kind, counts: Mapping[str, MonthCounts], labels: Sequence[str]) -> ColumnPlot:
    rows = [counts.get(month, _NO_COUNTS).rows for month in labels]
    missing = {month for run in gaps(counts) for month in months_between(run.first, run.last)}
    tooltips = [f"{month}: {count(found) if found else 'no'} rows" for month, found in zip(labels, rows, strict=True)]
    return column_plot(kind_name(*kind), labels, {"first": rows}, tooltips, short, missing)


def _states_plot(kind: Kind, counts: Mapping[str, MonthCounts], labels: Sequence[str]) -> ColumnPlot:
    found = [counts.get(month, _NO_COUNTS) for month in labels]
    shares = {state: [_part(month.states.get(state, 0), month.rows) for month in found] for state in ("deleted", "removed")}
    tooltips = [
        f"{label}: {share(deleted)} deleted, {share(removed)} removed of {count(month.rows)}" if month.rows else f"{label}: no rows"
        for label, month, deleted, removed in zip(labels, found, shares["deleted"], shares["removed"], strict=True)
    ]
    series = {"second": shares["deleted"], "bad": shares["removed"]}
    return column_plot(kind_name(*kind), labels, series, tooltips, lambda part: f"{100 * part:g} %")


def _busiest(kinds: Mapping[Kind, Mapping[str, MonthCounts]]) -> str | None:
    busiest = max(((found.rows, month, kind) for kind, counts in kinds.items() for month, found in counts.items()), default=None)
    return None if busiest is None else f"{busiest[1]}, with {count(busiest[0])} rows of {kind_name(*busiest[2])}"


def _states_in_words(months: Rows) -> str:
    states: Counter[str] = Counter()
    for row in months:
        states[row["state"]] += row["rows"]
    return ", ".join(f"{share(states[state] / states.total())} {state}" for state in ("kept", "deleted", "removed"))


def _score_cell(month: str, counts: Mapping[str, MonthCounts]) -> Cell:
    found = counts.get(month)
    if found is None:
        return Cell(f"{month}: no rows", "none")
    words = f"{SCORE_WORDS[found.score_state]}; {count(found.scored)} of {count(found.rows)} rows have a score, {count(found.scored_one)} of these are 1"
    return Cell(f"{month}: {words}", SCORE_STYLES[found.score_state])


def _scores_in_words(kinds: Mapping[Kind, Mapping[str, MonthCounts]]) -> str:
    usable = {kind: sum(month.score_state == "usable" for month in counts.values()) for kind, counts in kinds.items()}
    return "; ".join(f"{kind_name(*kind)}: {usable[kind]} of {len(counts)} months with rows have usable scores" for kind, counts in kinds.items())


def _part(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
