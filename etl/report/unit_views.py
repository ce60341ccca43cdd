"""Sections of the page that look at the units: what was dropped on the way, contexts, people, communities, languages."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from etl.report.aggregates import PROFILES, Communities, Rows
from etl.report.facts import MissingShares, last_run, missing_shares_by_year, sums
from etl.report.plots import Bar, ColumnPlot, HeatTable, bars, column_plot, heat_table
from etl.report.words import count, share
from etl.units.acts import CONFLICTS
from lake.units import ChainState, RootState

LANGUAGES_SHOWN = 15
NAME_CHARS = 60
MOST_PEOPLE_SHARE = 0.01


@dataclass(frozen=True)
class DroppedView:
    """What became of the acts that the last run of `etl units` read, and of the people that the last run of `etl sequences` did."""

    at: str
    acts: int
    units: int
    outcomes: Sequence[Bar]
    duplicates: int
    conflicts: int
    of_sequences: Mapping[str, int]


@dataclass(frozen=True)
class ContextsView:
    """States and depths of the units' contexts."""

    units: int
    grouped: int
    whole: float
    states: HeatTable
    depths: Sequence[Bar]
    missing: Sequence[ColumnPlot]
    languages: Sequence[Bar]
    with_language: float


@dataclass(frozen=True)
class PeopleView:
    """How long histories are, and how much the longest of them hold."""

    people: int
    units: int
    most: int
    lengths: Sequence[Bar]
    alone: float
    long: str


@dataclass(frozen=True)
class CommunitiesView:
    """The largest communities, and what is left."""

    count: int
    largest: Sequence[Bar]
    shown: int
    share_shown: float


def dropped_view(runs: Rows) -> DroppedView | None:
    """The view of what was dropped; None where no run has made units."""
    made = last_run(runs, "etl units", counted="acts")
    if made is None:
        return None
    acts, dropped = made["rows"]["acts"], made["dropped"]
    reasons = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    outcomes = bars((name, number, f"{count(number)} ({share(number / acts if acts else 0)})") for name, number in reasons)
    sequences = last_run(runs, "etl sequences", counted="people")
    return DroppedView(
        at=f"{made['started_at']:%Y-%m-%d %H:%M}",
        acts=acts,
        units=made["rows"].get("units", 0),
        outcomes=outcomes,
        duplicates=dropped.get("duplicate", 0),
        conflicts=made["rows"].get(CONFLICTS, 0),
        of_sequences=sequences["dropped"] if sequences else {},
    )


def contexts_view(contexts: Rows) -> ContextsView | None:
    """The view of `units_by_context`; None where there is no unit."""
    units = sum(row["units"] for row in contexts)
    if not units:
        return None
    depths, languages = sums(contexts, "depth"), sums(contexts, "language")
    whole = sum(row["units"] for row in contexts if row["root_state"] in ("present", "none") and row["chain_state"] in ("complete", "none", "truncated"))
    return ContextsView(
        units=units,
        grouped=sum(row["grouped"] for row in contexts),
        whole=whole / units,
        states=_states(sums(contexts, "root_state", "chain_state"), units),
        depths=bars((_entries(depth), number, share(number / units)) for (depth,), number in sorted(depths.items())),
        missing=_missing(missing_shares_by_year(contexts)),
        languages=_languages(languages, units),
        with_language=1 - languages[(None,)] / units,
    )


def people_view(people: Rows) -> PeopleView | None:
    """The view of `people_by_length`; None where there is nobody."""
    if not people:
        return None
    rows = sorted(people, key=lambda row: row["doublings"])
    everybody, units = sum(row["people"] for row in rows), sum(row["units"] for row in rows)
    largest = max(max(row["people"] / everybody, row["units"] / units) for row in rows)
    lengths = [
        Bar(
            _length(row["doublings"]),
            [("first", 100 * row["people"] / everybody / largest), ("third", 100 * row["units"] / units / largest)],
            f"{count(row['people'])} people, {share(row['units'] / units)} of units",
        )
        for row in rows
    ]
    return PeopleView(
        people=everybody,
        units=units,
        most=max(row["most"] for row in rows),
        lengths=lengths,
        alone=sum(row["people"] for row in rows if row["doublings"] == 0) / everybody,
        long=_longest_histories(rows, everybody, units),
    )


def communities_view(communities: Communities, units: int) -> CommunitiesView | None:
    """The view of the largest communities; None where there is no unit."""
    if not units:
        return None
    named = [(_community(row), row["units"], f"{count(row['units'])} ({share(row['units'] / units)})") for row in communities.largest]
    shown = sum(row["units"] for row in communities.largest)
    return CommunitiesView(count=communities.count, largest=bars(named), shown=len(named), share_shown=shown / units)


def _states(counts: Counter[tuple], units: int) -> HeatTable:
    """Shares of the units by chain state (rows) and root state (columns); states that no unit has are left out."""
    roots = [state for state in get_args(RootState) if any(root == state for root, _ in counts)]
    chains = [state for state in get_args(ChainState) if any(chain == state for _, chain in counts)]
    rows = {f"chain {chain}": [counts[root, chain] / units if counts[root, chain] else None for root in roots] for chain in chains}
    return heat_table([f"root {root}" for root in roots], rows, share)


def _missing(years: Mapping[str, MissingShares]) -> list[ColumnPlot]:
    plots = []
    for title, shares in (
        ("Root missing, of the units that do not open a thread", {year: shares.root for year, shares in years.items()}),
        ("A parent missing, of the units that answer more than the root", {year: shares.chain for year, shares in years.items()}),
    ):
        tooltips = [f"{year}: {share(missing)}" for year, missing in shares.items()]
        series = {"bad": [missing or 0.0 for missing in shares.values()]}
        plots.append(column_plot(title, list(shares), series, tooltips, lambda part: f"{100 * part:g} %"))
    return plots


def _languages(languages: Counter[tuple], units: int) -> list[Bar]:
    ranked = sorted(((name or "unknown", number) for (name,), number in languages.items()), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _, number in ranked[LANGUAGES_SHOWN:])
    shown = [*ranked[:LANGUAGES_SHOWN], *([(f"{len(ranked) - LANGUAGES_SHOWN} others", rest)] if rest else [])]
    return bars((name, number, f"{count(number)} ({share(number / units)})") for name, number in shown)


def _longest_histories(rows: Rows, everybody: int, units: int) -> str:
    """How much is held by the longest histories: as many powers of two as are needed for at least MOST_PEOPLE_SHARE of the people."""
    people = held = 0
    for row in reversed(rows):
        people, held = people + row["people"], held + row["units"]
        if people >= MOST_PEOPLE_SHARE * everybody:
            break
    return f"the {share(people / everybody)} of people with {count(2 ** row['doublings'])} units or more hold {share(held / units)} of the units"


def _length(doublings: int) -> str:
    low, high = 2**doublings, 2 ** (doublings + 1) - 1
    return "1 unit" if high == 1 else f"{count(low)} to {count(high)}"


def _entries(depth: int) -> str:
    return {0: "nothing", 1: "1 entry"}.get(depth, f"{depth} entries")


def _community(row: Mapping) -> str:
    if row["community"] == PROFILES:
        return "profiles of people"
    if row["community"] is None:
        return "no community"
    return row["community"] if len(row["community"]) <= NAME_CHARS else row["community"][:NAME_CHARS] + "…"
