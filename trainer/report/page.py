"""An evaluation -> one HTML page that needs nothing besides: no network; its one script draws the plots. All words of people and tables are escaped by the templates' engine."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lake.examples import Kind
from lake.pages import page_environment
from trainer.evaluation.comparison import EvaluationResult
from trainer.evaluation.report import TITLES, explained, kind_words
from trainer.evaluation.scores import Metric
from trainer.evaluation.shape import STORED_METRICS, STORED_TITLES
from trainer.evaluation.shown import ShownPerson
from trainer.report import plots, views
from trainer.report.headline import head_lines, head_sentence

PLOTTED: tuple[Metric, ...] = ("matched_personal_auc", "recall_at_10")


@dataclass(frozen=True)
class EncoderReport:
    """What the page is of. `made_at` is when the evaluation was made, UTC; `name` what the encoder is called in the registry."""

    name: str
    made_at: datetime
    result: EvaluationResult
    people: Sequence[ShownPerson] = ()
    ablations: plots.Outcomes = field(default_factory=tuple)


@dataclass(frozen=True)
class Plot:
    """A drawing, by its place on the page."""

    place: str
    caption: str
    spec: str


def render_page(report: EncoderReport) -> str:
    """The report as a page; the same for the same report."""
    result, environment = report.result, page_environment("trainer.report")
    who, alike = views.user_user_views(result)
    drawn = _plots(report)
    return environment.get_template("page.html").render(
        report=report, result=result, sentence=head_sentence(result), explained=explained(result), lines=head_lines(result), titles=TITLES,
        head=views.head_table(head_lines(result)), what_next=views.what_next_blocks(result), who_is_it=who, who_is_alike=alike,
        lengths=views.slice_blocks(result, of_items=False), popularities=views.slice_blocks(result, of_items=True),
        feature=views.feature_block(result.as_feature), feature_lines=views.guess_lines(result.as_feature),
        privacy=views.privacy_block(result.given_away), privacy_lines=views.guess_lines(result.given_away),
        shape=views.shape_table(result.shape), stored=views.stored_blocks(result.shape),
        first=[person for person in report.people if person.chosen == "first"], worst=[person for person in report.people if person.chosen == "worst"],
        plots=drawn, library=plots.library() if any(drawn.values()) else "",
    )  # fmt: skip


def _plots(report: EncoderReport) -> dict[str, list[Plot]]:
    """Section -> its plots."""
    kinds: list[Kind] = [kind for kind in report.result.items if any(score.level == kind for score in report.result.scores)]
    found: dict[str, list[Plot]] = {"lengths": [], "popularities": [], "stored": [], "ablations": []}

    def add(section: str, kind: Kind, title: str, chart: plots.Chart | None) -> None:
        if chart is not None:
            found[section].append(Plot(f"{section}-{len(found[section])}", f"{kind_words(kind, 'all').partition(',')[0]}: {title}", plots.spec_text(chart)))

    for kind in kinds:
        for metric in PLOTTED:
            add("lengths", kind, TITLES[metric], plots.length_plot(report.result, kind, metric))
            add("popularities", kind, TITLES[metric], plots.popularity_plot(report.result, kind, metric))
        for stored in STORED_METRICS:
            add("stored", kind, STORED_TITLES[stored], plots.stored_plot(report.result, kind, stored))
        add("ablations", kind, TITLES["matched_personal_auc"], plots.ablation_plot(report.ablations, kind, "matched_personal_auc"))
    return found
