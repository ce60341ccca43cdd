"""What stands out, and what does not: each finding has its case on both sides of its border."""

from typing import Any

import pytest

from etl.report.findings import find_all
from tests.report_rows import context, figures, file, month, run


def texts(**values: Any) -> list[str]:
    return [finding.text for finding in find_all(figures(**values), max_reject_share=0.01)]


def test_nothing_stands_out_in_a_lake_without_faults() -> None:
    sound = {
        "months": [month("2020-01"), month("2020-02")],
        "files": [file("a", rejects=1)],
        "contexts": [context(7, chain="complete", language="en"), context(3, "missing", "missing")],
        "people": [{"doublings": 6, "people": 100, "units": 10_000, "most": 100}],
        "runs": [run("etl units"), run("etl sequences")],
    }
    assert texts(**sound, rows={"acts": 99}) == []


def test_little_is_no_fault() -> None:
    """A site of few people: months without an act, a line in fifty rejected, a person's empty list, an object without a time, contexts out of reach."""
    quiet = {
        "months": [month("2015-01", 30), month("2015-04", 29), month(None, 3, action="object"), month("2015-02", action="watch", scored=0, scored_one=0)],
        "files": [file("a", lines=50, rejects=1), file("b", lines=0, year=None, left_out_by_kind={"file without comments or posts": 1})],
        "contexts": [context(60, "missing", "missing", language="en"), context(39, "present", "complete", language="en")],
    }
    assert texts(**quiet) == []


def test_months_without_rows_are_told_by_kind_and_warnings_come_first() -> None:
    months = [month("2020-01", scored=1), month("2020-03", scored=0), month("2020-01", action="post")]
    found = find_all(figures(months=months), 0.01)
    assert [(finding.level, finding.section, finding.text) for finding in found] == [
        ("warning", "rows", "reddit · comment: 1 month without a row, between busy ones: 2020-02."),
        ("note", "scores", "reddit · comment: most rows have no score in 2020-01, 2020-03."),
    ]


def test_files_of_rejects_of_lost_lines_and_of_nothing_are_named() -> None:
    files = [
        file("fine", rejects=10), file("bad", rejects=11), file("large", 2000, rejects=20), file("refused", rejects=100), file("empty", lines=0),
        file("lossy", rows=98),
    ]  # fmt: skip
    assert texts(files=files) == [
        "Lines that are neither act nor reject: lossy.",
        "Every line was rejected: refused.",
        "More than 1 % of the lines were rejected: bad (11 %).",
        "Files without a line: empty.",
    ]


def test_of_many_files_a_few_are_named() -> None:
    (text,) = texts(files=[file(f"f{number}", rejects=100) for number in range(8)])
    assert text == "Every line was rejected: f0, f1, f2, f3, f4 and 3 more."


def test_rows_that_the_files_did_not_give_stand_out() -> None:
    assert texts(files=[file("a")], rows={"acts": 101}) == [
        "acts holds 101 rows, but the ingested files gave 100: rows were lost, doubled or taken out since."
    ]  # fmt: skip


def test_a_failed_last_run_and_tables_behind_their_source_stand_out() -> None:
    runs = [run("etl ingest", 2, status="failed", error="ArchiveError: a"), run("etl sequences", 3, status="failed"), run("etl sequences", 4)]
    assert texts(runs=runs, behind={"etl units": (3, 4)}) == [
        "The last run of 'etl ingest' failed: ArchiveError: a",
        "units was made from version 3 of acts, which is at 4 now: run 'kindred etl units' again.",
    ]


def test_duplicates_that_differ_stand_out() -> None:
    assert texts(runs=[run("etl units", rows={"acts": 9, "duplicates that differ": 2})]) == [
        "2 duplicates say something else than the act that was taken in their place."
    ]  # fmt: skip


@pytest.mark.parametrize(("missing", "is_told"), [(30, False), (31, True)])
def test_missing_roots_and_parents_stand_out_above_thirty_percent(missing: int, is_told: bool) -> None:
    contexts = [context(missing, "missing", "missing", language="en"), context(100 - missing, "present", "complete")]
    assert [text.split(" is missing")[0] for text in texts(contexts=contexts)] == (["What opened the thread", "A parent"] if is_told else [])


def test_one_person_with_much_of_the_lake_stands_out_unless_it_is_small() -> None:
    assert texts(people=[{"doublings": 6, "people": 90, "units": 10_000, "most": 101}]) == ["One person has 101 units, 1 % of all: is it a bot?"]
    assert texts(people=[{"doublings": 6, "people": 1, "units": 101, "most": 101}]) == []


def test_months_of_constant_scores_and_a_lake_without_languages_stand_out() -> None:
    assert texts(months=[month("2023-08", scored_one=100)], contexts=[context(1)]) == [
        "reddit · comment: nearly all scores are 1 in 2023-08.",
        "No unit has a language: neither the platform nor a detector gave one.",
    ]
