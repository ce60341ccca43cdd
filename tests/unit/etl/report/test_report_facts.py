"""What the aggregates say: gaps, usable scores, missing contexts, eras and the run that counts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from etl.report.facts import (
    MissingShares,
    MonthCounts,
    Run,
    counts_by_era,
    counts_by_kind,
    empty_runs,
    gaps,
    last_run,
    missing_shares,
    missing_shares_by_year,
    months_between,
    runs_in_state,
    undated,
)
from tests.report_rows import context, file, month, run


def test_months_between_cross_the_year_and_hold_both_ends() -> None:
    assert months_between("2005-11", "2006-02") == ["2005-11", "2005-12", "2006-01", "2006-02"]
    assert months_between("2006-01", "2006-01") == ["2006-01"]


def counts(**rows: int) -> dict[str, MonthCounts]:
    """Counts of months, 'm2006_01' being 2006-01."""
    return {name[1:].replace("_", "-"): MonthCounts(number, 0, 0, {}) for name, number in rows.items()}


def test_months_without_rows_are_told_as_runs_inside_the_first_and_the_last() -> None:
    found = empty_runs(counts(m2005_11=1, m2006_03=1, m2006_04=1, m2006_06=1))
    assert found == [Run("2005-12", "2006-02", 3), Run("2006-05", "2006-05", 1)]
    assert [str(run) for run in found] == ["2005-12 to 2006-02 (3 months)", "2006-05"]
    assert empty_runs(counts(m2006_03=1)) == empty_runs({}) == []


def test_months_without_rows_are_a_gap_where_much_stands_beside_them() -> None:
    assert gaps(counts(m2005_11=1, m2006_01=58, m2006_03=2, m2006_05=100, m2006_07=1)) == [
        Run("2006-02", "2006-02", 1),
        *[Run(m, m, 1) for m in ("2006-04", "2006-06")],
    ]
    assert gaps(counts(m2005_11=30, m2006_01=29, m2006_03=30)) == []


def test_acts_of_unknown_time_stand_in_no_month() -> None:
    months = [month("2020-01"), month(None, 7, action="object"), month(None, 2, action="object", state="removed")]
    assert list(counts_by_kind(months)) == [("reddit", "comment")]
    assert undated(months) == {("reddit", "object"): 9}


def test_counts_join_the_states_of_a_month_and_put_the_largest_kind_first() -> None:
    counts = counts_by_kind([month("2020-01", 5, action="post"), month("2020-02", 60), month("2020-02", 40, state="removed")])
    assert list(counts) == [("reddit", "comment"), ("reddit", "post")]
    found = counts["reddit", "comment"]["2020-02"]
    assert (found.rows, found.scored, found.scored_one, found.states) == (100, 100, 50, {"kept": 60, "removed": 40})


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"scored": 100, "scored_one": 90}, "usable"),
        ({"scored": 100, "scored_one": 91}, "constant"),
        ({"scored": 50, "scored_one": 0}, "usable"),
        ({"scored": 49, "scored_one": 0}, "absent"),
        ({"rows": 29, "scored": 0}, "too few"),
    ],
)
def test_scores_are_usable_where_most_rows_have_one_and_it_is_not_always_1(values: dict[str, Any], state: str) -> None:
    assert counts_by_kind([month("2020-01", **values)])["reddit", "comment"]["2020-01"].score_state == state


def test_months_in_a_state_are_told_as_runs() -> None:
    early = {"scored": 100, "scored_one": 100}
    months = [month("2023-07"), month("2023-08", **early), month("2023-09", **early), month("2023-10"), month("2023-12", **early)]
    assert runs_in_state(counts_by_kind(months)["reddit", "comment"], "constant") == [Run("2023-08", "2023-09", 2), Run("2023-12", "2023-12", 1)]


def test_missing_shares_leave_out_units_that_need_no_such_context() -> None:
    contexts = [context(10, "none", "none"), context(6, "missing", "none"), context(1, "present", "missing"), context(3, "present", "complete")]
    assert missing_shares(contexts) == MissingShares(root=0.6, chain=0.25)
    assert missing_shares([context(10, "none", "none")]) == MissingShares(None, None)


def test_missing_shares_by_year_have_the_years_without_units_too() -> None:
    by_year = missing_shares_by_year([context(1, "missing", year="2020"), context(1, year="2018")])
    assert by_year == {"2018": MissingShares(0.0, None), "2019": MissingShares(None, None), "2020": MissingShares(1.0, None)}
    assert missing_shares_by_year([]) == {}


def test_rejects_are_counted_by_reason_and_the_year_of_the_file() -> None:
    files = [
        file("a", rejects=2, year=2006),
        file("b", rejects=3, year=2007, last_created_at=datetime(2009, 1, 1, tzinfo=UTC)),
        file("c", lines=9, rejects=9, year=None, rejects_by_reason={"no id": 8, "not json": 1}),
    ]
    assert counts_by_era(files, "rejects_by_reason") == {"no id": {"no acts": 8}, "not json": {"2006": 2, "several years": 3, "no acts": 1}}
    assert list(counts_by_era(files, "rejects_by_reason")) == ["no id", "not json"]


def test_the_last_run_that_counted_something_is_found_behind_one_that_had_nothing_to_do() -> None:
    runs = [run("etl units", 1, rows={"acts": 5}), run("etl units", 2), run("etl units", 3, status="failed", rows={"acts": 7}), run("etl ingest", 4)]
    assert last_run(runs, "etl units", counted="acts") is runs[0]
    assert last_run(runs, "etl units") is runs[1]
    assert last_run(None, "etl units") is None
