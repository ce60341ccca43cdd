"""Figures -> one HTML page that needs nothing besides: no network, no script. All texts of the lake are escaped by the templates' engine."""

from etl.report import words
from etl.report.facts import FEWEST_SCORES, LEAST_SCORED, MOST_OF_ONE
from etl.report.file_views import files_view, kept_reasons, rejects_view, speed_of
from etl.report.findings import LakeReport
from etl.report.month_views import SCORE_STYLES, SCORE_WORDS, months_view
from etl.report.unit_views import communities_view, contexts_view, dropped_view, people_view
from lake.acts import ACTS
from lake.pages import page_environment

SCORE_RULE = {"fewest": FEWEST_SCORES, "least_scored": LEAST_SCORED, "most_of_one": MOST_OF_ONE}


def render_page(report: LakeReport) -> str:
    """The report as a page. It is the same for the same figures, but for the time."""
    environment = page_environment("etl.report")
    environment.filters |= {"count": words.count, "share": words.share, "size": words.size, "speed": speed_of}
    views = {
        "months": months_view(report.months or []),
        "rejects": rejects_view(report.files or []),
        "kept_reasons": kept_reasons(report.kept_rejects or []),
        "dropped": dropped_view(report.runs or []),
        "contexts": contexts_view(report.contexts or []),
        "people": people_view(report.people or []),
        "communities": None if report.communities is None else communities_view(report.communities, sum(row["units"] for row in report.contexts or [])),
        "files": files_view(report.files or []),
    }
    return environment.get_template("page.html").render(
        figures=report, acts=report.table(ACTS), findings=report.findings, lake=report.lake, made_at=report.made_at,
        score_rule=SCORE_RULE, score_legend=[(SCORE_STYLES[state], SCORE_WORDS[state]) for state in SCORE_STYLES], **views,
    )  # fmt: skip
