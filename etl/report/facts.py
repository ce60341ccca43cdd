"""What the aggregates say: months without rows, months with usable scores, shares of broken contexts, rejects and casts by era."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from etl.report.aggregates import Rows

Kind = tuple[str, str]
"""Platform and action."""
ScoreState = Literal["usable", "constant", "absent", "too few"]

FEWEST_BESIDE_A_GAP = 60
"""Acts in the two months around months without one: where there are fewer, nobody may have written; else such months are missing from the archive."""
FEWEST_SCORES = 30
LEAST_SCORED = 0.5
MOST_OF_ONE = 0.9
"""Of a month's acts with a score; where more have the score 1, the archive fetched them before anybody could vote."""


@dataclass(frozen=True)
class MonthCounts:
    """Rows of one kind in one month."""

    rows: int
    scored: int
    scored_one: int
    states: Mapping[str, int]

    @property
    def score_state(self) -> ScoreState:
        """Whether the month's scores tell anything; 'too few' rows tell nothing either way."""
        if self.rows < FEWEST_SCORES:
            return "too few"
        if self.scored < LEAST_SCORED * self.rows:
            return "absent"
        return "constant" if self.scored_one > MOST_OF_ONE * self.scored else "usable"


@dataclass(frozen=True)
class Run:
    """A run of months, both ends in it."""

    first: str
    last: str
    months: int

    @property
    def neighbours(self) -> tuple[str, str]:
        """The month before it and the month after it."""
        return _month(_number(self.first) - 1), _month(_number(self.last) + 1)

    def __str__(self) -> str:
        return self.first if self.months == 1 else f"{self.first} to {self.last} ({self.months} months)"


@dataclass(frozen=True)
class MissingShares:
    """Of the units that should have a root or a chain of parents in their context, the share for which the archive lacks it; None where there are none."""

    root: float | None
    chain: float | None


def months_between(first: str, last: str) -> list[str]:
    """All months from '2005-12' to '2006-01', both in it."""
    return [_month(number) for number in range(_number(first), _number(last) + 1)]


def counts_by_kind(months: Rows) -> dict[Kind, dict[str, MonthCounts]]:
    """The counts of each kind and month that has rows; the kind with most rows first. Acts whose time is unknown stand in no month."""
    by_kind: dict[Kind, dict[str, Rows]] = defaultdict(lambda: defaultdict(list))
    for row in months:
        if row["month"] is not None:
            by_kind[row["platform"], row["action"]][row["month"]].append(row)
    counts = {kind: {month: _month_counts(rows) for month, rows in sorted(found.items())} for kind, found in by_kind.items()}
    return dict(sorted(counts.items(), key=lambda item: (-sum(count.rows for count in item[1].values()), item[0])))


def undated(months: Rows) -> Counter[Kind]:
    """Acts of each kind whose source told no time."""
    counts: Counter[Kind] = Counter()
    for row in months:
        if row["month"] is None:
            counts[row["platform"], row["action"]] += row["rows"]
    return counts


def empty_runs(counts: Mapping[str, MonthCounts]) -> list[Run]:
    """Runs of months without rows between the first and the last month that has some."""
    return _runs(set(counts), months_between(min(counts), max(counts)), wanted=False) if counts else []


def gaps(counts: Mapping[str, MonthCounts]) -> list[Run]:
    """Those runs of months without rows beside which there is so much that the archive must lack them."""
    return [run for run in empty_runs(counts) if sum(counts[month].rows for month in run.neighbours) >= FEWEST_BESIDE_A_GAP]


def runs_in_state(counts: Mapping[str, MonthCounts], state: ScoreState) -> list[Run]:
    """Runs of neighbouring months whose scores are in this state."""
    wanted = {month for month, count in counts.items() if count.score_state == state}
    return _runs(wanted, months_between(min(wanted), max(wanted)), wanted=True) if wanted else []


def missing_shares(contexts: Rows) -> MissingShares:
    """Missing roots among the units that do not open a thread, and missing parents among those that have a parent besides the root."""
    return MissingShares(_share_missing(contexts, "root_state"), _share_missing(contexts, "chain_state"))


def units_to_have(contexts: Rows, column: str) -> int:
    """Units that should have a root (`root_state`) or a parent besides it (`chain_state`) in their context."""
    return sum(row["units"] for row in contexts if row[column] != "none")


def missing_shares_by_year(contexts: Rows) -> dict[str, MissingShares]:
    """`missing_shares` of each year from the first that has units to the last."""
    years = [int(row["year"]) for row in contexts if row["year"] is not None]
    every_year = [str(year) for year in range(min(years), max(years) + 1)] if years else []
    return {year: missing_shares([row for row in contexts if row["year"] == year]) for year in every_year}


def sums(rows: Rows, *keys: str) -> Counter[tuple]:
    """Units by the values of these columns, or by one of them alone as a tuple of one."""
    counts: Counter[tuple] = Counter()
    for row in rows:
        counts[tuple(row[key] for key in keys)] += row["units"]
    return counts


def counts_by_era(files: Rows, column: str) -> dict[str, Counter[str]]:
    """What a map column of the files counts (rejects_by_reason, left_out_by_kind, casts_by_kind): its key -> era of the file -> count; the most frequent first."""
    eras: dict[str, Counter[str]] = defaultdict(Counter)
    for file in files:
        for name, count in file[column].items():
            eras[name][era_of(file)] += count
    return dict(sorted(eras.items(), key=lambda item: (-item[1].total(), item[0])))


def era_of(file: Mapping) -> str:
    """Year of a file's acts; 'several years' where it is no month's file, 'no acts' where it gave none, 'time unknown' where none has a time."""
    years = {f"{time:%Y}" for time in (file["first_created_at"], file["last_created_at"]) if time is not None}
    if not years:
        return "time unknown" if file["rows"] else "no acts"
    return years.pop() if len(years) == 1 else "several years"


def last_run(runs: Rows | None, job: str, counted: str | None = None) -> Mapping | None:
    """The newest run of a job that ended well and, where `counted` is given, counted such rows: one with nothing to do counts none."""
    done = [run for run in runs or () if run["job"] == job and run["status"] == "done" and (counted is None or counted in run["rows"])]
    return done[-1] if done else None


def _month_counts(rows: Rows) -> MonthCounts:
    states: Counter[str] = Counter()
    for row in rows:
        states[row["state"]] += row["rows"]
    return MonthCounts(states.total(), sum(row["scored"] for row in rows), sum(row["scored_one"] for row in rows), states)


def _runs(there: set[str], months: Sequence[str], wanted: bool) -> list[Run]:
    runs = [list(run) for is_there, run in groupby(months, key=there.__contains__) if is_there == wanted]
    return [Run(run[0], run[-1], len(run)) for run in runs]


def _share_missing(contexts: Rows, column: str) -> float | None:
    expected = units_to_have(contexts, column)
    missing = sum(row["units"] for row in contexts if row[column] == "missing")
    return missing / expected if expected else None


def _number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:]) - 1


def _month(number: int) -> str:
    return f"{number // 12:04}-{number % 12 + 1:02}"
