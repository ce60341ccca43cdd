"""The page: nothing of a lake becomes markup, nothing is loaded from elsewhere, and what is absent is said."""

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from etl.report.aggregates import Communities
from etl.report.figures import LakeFigures
from etl.report.findings import LakeReport, find_all
from etl.report.page import render_page
from tests.report_rows import context, figures, file, full_figures, month, run

MADE_AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script>\"><img src=https://evil.example/x onerror=alert(1)>&lt;"


class Elements(HTMLParser):
    """Every element of a page with its attributes, and all of its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page(found: LakeFigures, made_at: datetime = MADE_AT) -> str:
    return render_page(LakeReport(lake="lake-local", made_at=made_at, findings=find_all(found, 0.01), **vars(found)))


def words_of(found: LakeFigures) -> str:
    return " ".join(Elements(page(found)).text.split())


def hostile_figures() -> LakeFigures:
    return replace(
        full_figures(),
        communities=Communities([{"platform": "reddit", "community": HOSTILE, "units": 70}], 1),
        months=[month("2020-01", platform=HOSTILE, action=HOSTILE), month("2020-03", platform=HOSTILE, action=HOSTILE)],
        files=[file(HOSTILE, rejects=100, rejects_by_reason={HOSTILE: 100}, casts_by_kind={HOSTILE: 3})],
    )


def test_hostile_names_are_text() -> None:
    hostile, harmless = Elements(page(hostile_figures())), Elements(page(full_figures()))
    assert {tag for tag, _ in hostile.found} <= {tag for tag, _ in harmless.found}
    assert all(not name.startswith("on") for _, attributes in hostile.found for name in attributes)
    assert HOSTILE[:60] in hostile.text


@pytest.mark.parametrize("found", [full_figures(), hostile_figures()], ids=["full", "hostile"])
def test_the_page_loads_nothing_and_runs_nothing(found: LakeFigures) -> None:
    html = page(found)
    elements = Elements(html).found
    assert not {tag for tag, _ in elements} & {"script", "link", "img", "iframe", "object", "embed", "base", "image", "use", "form"}
    targets = [value or "" for _, attributes in elements for name, value in attributes.items() if name in ("src", "href", "xlink:href", "srcset", "data")]
    assert targets
    assert all(target.startswith("#") for target in targets)
    style = html.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    policy = next(attributes["content"] for _, attributes in elements if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_every_link_leads_to_a_section() -> None:
    elements = Elements(page(full_figures())).found
    names = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(names) == len(set(names))
    assert {attributes["href"] for tag, attributes in elements if tag == "a"} == {f"#{name}" for name in names}


def test_the_page_says_what_the_figures_say() -> None:
    text = words_of(full_figures())
    for sentence in (
        "reddit · comment: 1 month without a row, between busy ones: 2020-02.",
        "the busiest month is 2020-03, with 150 rows of reddit · comment",
        "80.5 % kept, 0 % deleted, 19.5 % removed",
        "reddit · comment: 2 of 2 months with rows have usable scores; reddit · post: 0 of 1 months",
        "20 of 200 lines were set aside at ingest, by reason. The table rejects still holds 9 of them.",
        "read 80 acts",
        "87.5 % of them became units",
        "bots: listed: 4 (5 %)",
        "6 acts were further copies of another with the same unit_id; 1 of these said something else",
        "The last run of 'etl sequences' left out: 50 people with too few units.",
        "42.9 % of the units have all the context",
        "98 % of 51 people have a single unit, while the 2 % of people with 16 units or more hold 28.6 % of the units; the longest history has 20.",
        "no community: 10 (14.3 %)",
        "42.9 % of the units have a language.",
        "2 files of 2 kB, 8 MB of JSON, took 4 seconds of tasks: 2.0 MB of JSON a second.",
    ):
        assert sentence in text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("months", "There is no table `acts` in this lake. 'kindred etl ingest' writes it."),
        ("files", "There is no table `ingested_files` in this lake."),
        ("kept_rejects", "There is no table rejects."),
        ("contexts", "There is no table `units` in this lake. 'kindred etl units' writes it."),
        ("people", "There is no table `units` in this lake."),
        ("communities", "There is no table `units` in this lake."),
        ("histories", "There is no table `sequences` in this lake. 'kindred etl sequences' writes it."),
        ("runs", "No run of 'kindred etl units' that made units stands in `job_runs`."),
    ],
)
def test_a_part_that_is_absent_is_said_and_is_no_error(name: str, sentence: str) -> None:
    assert sentence in words_of(replace(full_figures(), **{name: None}))
    assert sentence not in words_of(full_figures())


def test_a_lake_of_empty_tables_and_one_of_nothing_but_runs_have_a_page() -> None:
    empty = figures(
        months=[], kept_rejects=[], files=[], contexts=[], people=[], communities=Communities([], 0), histories={"people": 0, "chunks": 0, "units": 0}
    )
    assert "`acts` has no rows. 'kindred etl ingest' writes it." in words_of(empty)
    assert "No run of 'kindred etl units' that made units stands in `job_runs`." in words_of(figures(runs=[]))


def test_a_run_of_a_part_of_the_acts_is_told_from_one_of_all() -> None:
    made = run("etl units", rows={"acts": 80, "units": 80})
    assert "read 80 acts of 90: it made the partitions again that had changed. 100 % of them became units." in words_of(figures(rows={"acts": 90}, runs=[made]))
    assert "read 80 acts. 100 % of them became units." in words_of(figures(rows={"acts": 80}, runs=[made]))


def test_rejects_without_a_record_of_their_files_are_still_told_by_reason() -> None:
    text = words_of(figures(kept_rejects=[{"reason": "no id", "rows": 1}, {"reason": "not json", "rows": 3}]))
    assert "The table rejects holds 4 lines, by reason: not json not json: 3 (75 %)" in text


def test_rare_languages_are_counted_together() -> None:
    contexts = [context(100 - number, language=f"l{number:02}") for number in range(17)]
    text = words_of(figures(contexts=contexts))
    assert "l14: 86" in text
    assert "2 others: 169" in text
    assert "l15" not in text


def test_of_very_many_files_the_largest_are_plotted() -> None:
    many = [file(f"{number}_comments.zst", json_bytes=10**6 + number) for number in range(1001)]
    text = page(figures(files=many))
    assert "of the 1,000 largest files" in text
    assert "<title>1000_comments.zst: 1 MB, 0.5 MB/s</title>" in text
    assert "<title>0_comments.zst" not in text
    assert text.count('class="dot"') == 1000


def test_two_pages_of_the_same_figures_differ_in_time_alone() -> None:
    later = page(full_figures(), datetime(2027, 1, 2, 3, 4, tzinfo=UTC))
    assert later != page(full_figures())
    assert later.replace("2027-01-02 03:04", "2026-11-24 12:00") == page(full_figures())
