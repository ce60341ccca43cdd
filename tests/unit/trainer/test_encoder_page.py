"""The page on an encoder: what stands on it, and that nothing that people wrote acts there."""

import json
import re
from datetime import UTC, datetime
from math import nan

import pytest

from lake.pages import page_environment
from tests.unit.trainer.test_ablation import result
from trainer.evaluation.comparison import DIFFERENCE, EvaluationResult, Score
from trainer.evaluation.features.found import AskedTask, FeatureScore, Guesses
from trainer.evaluation.kept import KeptGain
from trainer.evaluation.shape import Shape, ShapeScore, StoredScore
from trainer.evaluation.shown import ShownFuture, ShownItem, ShownPerson, ShownUnit
from trainer.model_card import with_section
from trainer.report import plots
from trainer.report.headline import CARD_HEADING, card_section, head_lines, head_sentence
from trainer.report.page import EncoderReport, render_page

AT = datetime(2026, 11, 29, 10, tzinfo=UTC)
MEANS = {"tuned": 0.6268, "base": 0.5601, DIFFERENCE: 0.0667, "popular": 0.5, "mean of last 5 labels": 0.5634}


def score(scorer: str, mean: float, metric: str = "matched_personal_auc", cuts: str = "all cuts") -> Score:
    share = 0.5 if metric == "matched_personal_auc" else None
    return Score(
        cuts=cuts, level="specific", futures="all", metric=metric, scorer=scorer, mean=mean, low=mean - 0.02, high=mean + 0.02, people=76, share_matched=share,
    )  # type: ignore[arg-type]  # fmt: skip


def person(chosen: str, words: str = "words") -> ShownPerson:
    item = ShownItem(words=words, hit="done later")
    return ShownPerson(
        person_id="ab" * 32, chosen=chosen, kind="specific", cut_at=AT, units=7, newest=[ShownUnit(at=AT, community="tea", words=words)], recommended=[item],
        recommended_by_base=[item], future=[ShownFuture(words=words, tuned_rank=1, base_rank=1_000_000)], future_items=3,
        tuned_auc={"personal_auc": 0.21, "matched_personal_auc": nan}, base_auc={"personal_auc": 0.42, "matched_personal_auc": nan},
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.fixture(autouse=True)
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundle of JavaScript takes seconds to make; the integration test has it."""
    monkeypatch.setattr(plots, "library", lambda: "/* library */")


@pytest.fixture
def found() -> EvaluationResult:
    scores = [score(name, mean) for name, mean in MEANS.items()]
    scores += [
        score(name, MEANS[name], cuts=cuts) for cuts in ("history of 3-5", "history of over 100", "head items") for name in ("tuned", "base", DIFFERENCE)
    ]
    shape = Shape(
        scores=[ShapeScore(metric="hubness", of="specific", scorer=name, mean=mean, low=nan, high=nan) for name, mean in (("tuned", 1.25), ("base", 3.5), (DIFFERENCE, -2.25))],
        stored=[
            StoredScore(scorer=name, level="specific", numbers=numbers, precision="int8", metric=metric, mean=0.375, low=0.3, high=0.4, people=20)
            for name in ("tuned", "base")
            for numbers in (384, 192)
            for metric in ("matched_personal_auc", "personal_auc", "recall_at_10", "overlap_at_10")
        ],
    )  # fmt: skip
    return result().model_copy(update={"scores": scores, "items": {"specific": 1234}, "shape": shape, "versions_read": {"examples": 3}})


def test_the_page_has_what_is_kept_on_new_topics(found: EvaluationResult) -> None:
    kept = KeptGain(level="specific", metric="personal_auc", mean=0.4376, low=0.125, high=0.75, people=9)
    page = page_of(found.model_copy(update={"kept": [kept]}))
    assert ">0.438<" in page
    assert "0.125 to 0.750" in page
    assert "Of the lead over the base on the other topics" in page
    assert "Of the lead over the base" not in page_of(found)


def page_of(found: EvaluationResult, *people: ShownPerson, ablations: plots.Outcomes = ()) -> str:
    return render_page(EncoderReport("kindred-encoder", AT, found, people, ablations))


def test_the_head_names_encoder_base_and_the_best_other_row(found: EvaluationResult) -> None:
    (line,) = head_lines(found)
    assert (line.tuned.mean, line.base.mean, line.ahead.mean) == (0.6268, 0.5601, 0.0667)
    assert line.other is not None
    assert line.other.scorer == "mean of last 5 labels"
    sentence = head_sentence(found)
    assert "in the same community and within 45 days, it tells which is the person's own in 63 of 100 cases" in sentence
    assert "matched personal AUC 0.627 [0.607, 0.647]); its untouched base has 0.560, the best other row (mean of last 5 labels) 0.563" in sentence
    assert head_sentence(result()) == "Nobody could be asked."


def test_figures_of_all_tables_stand_on_the_page(found: EvaluationResult) -> None:
    page = page_of(found)
    for figure in ("0.627", "0.607 to 0.647", "+0.067", "0.563", "1.250", "-2.250", "0.375", "0.300 to 0.400", "1,234"):
        assert figure in page, figure
    drawn = re.findall(r'data-plot="([\w-]+)">(.*?)</script>', page)
    assert [place for place, _ in drawn] == ["lengths-0", "popularities-0", *(f"stored-{number}" for number in range(4))]
    drawing = json.loads(drawn[0][1])
    assert drawing["width"] == "container"
    assert "0.6268" in json.dumps(drawing)
    assert "'kindred trainer ablate'" not in page


def test_what_a_vector_gives_away_is_no_feature_and_says_so_where_it_was_not_measured(found: EvaluationResult) -> None:
    assert "Not measured: trainer.evaluation.attributes names no file" in page_of(found)
    scores = [
        FeatureScore(metric="sex", scorer=name, mean=mean, low=mean - 0.1, high=mean + 0.1, people=50)
        for name, mean in (("tuned", 0.613), ("base", 0.6), (DIFFERENCE, 0.013), ("text oracle", 0.817))
    ]
    tasks = [AskedTask(name="sex", words="sex, as the file says", people=50, values={"<b>male</b>": 20})]
    away = Guesses(people=50, left_out={}, tasks=tasks, tasks_left_out={"age": "too few"}, scores=scores)
    page = page_of(found.model_copy(update={"given_away": away, "as_feature": away.model_copy(update={"at": AT})}))
    assert page.count("0.817") == 2
    assert page.count("+0.013") == 2
    assert "A privacy figure, and no feature" in page
    assert "&lt;b&gt;male&lt;/b&gt; 20" in page
    assert "age: not asked, too few" in page
    assert "<b>male" not in page


def test_a_learning_curve_is_drawn_where_variants_were_judged(found: EvaluationResult) -> None:
    page = page_of(found, ablations=[("titles of 1/8 </script><script>alert(1)</script>", found), ("titles of all", found)])
    assert 'data-plot="ablations-0"' in page
    assert "titles of all" in page
    assert "<script>alert(1)" not in page


def test_words_of_people_are_words(found: EvaluationResult) -> None:
    page = page_of(found, person("first", "<script>alert('x')</script> & <b>bold</b>"), person("worst", '"><img src=http://evil/x onerror=alert(1)>'))
    assert "<script>alert(" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &lt;b&gt;bold&lt;/b&gt;" in page
    assert "<img" not in page
    assert "personal AUC 0.21 (0.42), matched - (-)" in page
    assert "1 of 3, best found first" in page
    assert "rank 1, base 1,000,000" in page
    assert "ab" * 32 not in page, "so much of a pseudonym is enough"


def test_nobody_asked_is_a_page_that_says_so() -> None:
    page = page_of(result())
    assert page.count("Nobody could be asked") >= 3
    assert "No people were kept" in page
    assert "vegaEmbed" not in page


def test_a_template_that_lacks_a_value_is_an_error() -> None:
    with pytest.raises(Exception, match="undefined"):
        page_environment("trainer.report").get_template("page.html").render()


def test_the_card_quotes_the_newest_head_once(found: EvaluationResult) -> None:
    card = "# m\n\n## Scores\n\nnone\n\n## Terms\n\nfree\n"
    section = card_section(found, AT)
    first = with_section(card, section)
    assert first == f"# m\n\n## Scores\n\nnone\n\n{section}\n\n## Terms\n\nfree\n"
    assert (
        "| Specific labels, all futures, matched personal AUC | 0.627 [0.607, 0.647] | 0.560 | +0.067 [+0.047, +0.087] | 0.563 (mean of last 5 labels) | 76 |"
        in first
    )
    assert with_section(first, section) == first
    other = card_section(result(), AT)
    again = with_section(first, other)
    assert again.count(CARD_HEADING) == 1
    assert "0.627" not in again
    assert again.endswith("## Terms\n\nfree\n")
    assert with_section("# m\n", section) == f"# m\n\n{section}\n"
    assert with_section(with_section("# m\n", section), other) == with_section("# m\n", other)
