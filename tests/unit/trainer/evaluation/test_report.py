"""What a person reads of an evaluation."""

from math import nan

import pytest

from tests.unit.trainer.test_ablation import result
from trainer.evaluation.comparison import DIFFERENCE, EvaluationResult, Score, ToldTopics
from trainer.evaluation.features.found import ALL_TASKS, AskedTask, FeatureScore, Guesses
from trainer.evaluation.kept import KeptGain
from trainer.evaluation.report import flat_numbers, report_text
from trainer.evaluation.scores import RANK_METRICS
from trainer.evaluation.user_user import Identity, UserUser, UserUserScore

METRICS = ("matched_personal_auc", "personal_auc", *RANK_METRICS)
MEANS = {"BM25": 0.55, "tuned": 0.5, DIFFERENCE: -0.1, "popular": nan, "time-decayed mean of labels": 0.7, "base": 0.6}


def score(scorer: str, metric: str, cuts: str = "all cuts", mean: float | None = None) -> Score:
    found = MEANS[scorer] if mean is None else mean
    share = 0.5 if metric == "matched_personal_auc" else None
    return Score(
        cuts=cuts, level="specific", futures="all", metric=metric, scorer=scorer, mean=found, low=found - 0.05, high=found + 0.05, people=99, share_matched=share,
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.fixture
def found() -> EvaluationResult:
    whole = [score(scorer, metric) for scorer in MEANS for metric in METRICS]
    of_slices = [
        score(scorer, metric, cuts)
        for cuts in ("history of over 100", "head items")
        for scorer in ("tuned", "base", DIFFERENCE)
        for metric in ("matched_personal_auc", "personal_auc", "recall_at_10")
    ]
    of_people = [
        UserUserScore(metric=metric, scorer=scorer, mean=0.1, low=0.1, high=0.1, people=9)
        for scorer in ("tuned", "base", DIFFERENCE, "TF-IDF")
        for metric in ("mrr", "recall_at_1", "recall_at_8", "recall_at_8_nine_ranks", "recall_at_64")
    ]
    who = Identity(people=9, left_out={}, scores=of_people, halves="time", read="full", among="everybody", candidates=20, chance_mrr=0.2)
    user_user = UserUser(identity=[who], likeness=result().user_user.likeness)
    return result().model_copy(
        update={
            "scores": [*whole, *of_slices], "items": {"specific": 1234}, "user_user": user_user,
            "as_feature": guesses(("tuned", "base", DIFFERENCE, "activity + tuned - activity"), 8), "given_away": guesses(("tuned", "base", DIFFERENCE, "text oracle"), 2),
        }
    )  # fmt: skip


def guesses(scorers: tuple[str, ...], tasks: int) -> Guesses:
    names = [f"task of a long name {number}" for number in range(tasks)]
    means = {"text oracle": 0.9, "activity + tuned - activity": 0.01, DIFFERENCE: 0.02}
    return Guesses(
        people=40, left_out={"too little": 3}, tasks=[AskedTask(name=name, words="does something", people=30, values={"yes": 12, "no": 18}) for name in names],
        tasks_left_out={"rare": "hardly anybody does it"},
        scores=[
            FeatureScore(metric=metric, scorer=scorer, mean=means.get(scorer, 0.6), low=0.01, high=0.7, people=30) for metric in (ALL_TASKS, *names) for scorer in scorers
        ],
    )  # fmt: skip


def test_rows_stand_best_first_and_no_line_is_longer_than_a_screen(found: EvaluationResult) -> None:
    lines = report_text(found).splitlines()
    assert max(map(len, lines)) <= 150
    start = next(number for number, line in enumerate(lines) if line.startswith("Specific labels, all futures, all cuts (99 people, 1234 items; 50%"))
    rows = [line[2:30].strip() for line in lines[start + 1 : start + 15]]
    names = ["", "tuned", "base", DIFFERENCE, "time-decayed mean of labels", "BM25", "popular"]
    assert rows == names * 2
    assert lines[start + 1].split() == ["matched", "personal", "AUC", "personal", "AUC", "recall@10"]
    assert lines[start + 8].split() == ["recall@10", "by", "meaning", "recall@50", "NDCG@10", "MRR"]
    assert "-0.100 [-0.150, -0.050]" in lines[start + 4]
    assert lines[start + 7].split() == ["popular", "-", "-", "-"]


def test_slices_are_a_line_each_and_how_far_the_encoder_is_ahead(found: EvaluationResult) -> None:
    lines = report_text(found).splitlines()
    start = next(number for number, line in enumerate(lines) if "by slice" in line)
    assert [line[2:30].strip() for line in lines[start + 2 : start + 4]] == ["history of over 100", "head items"]
    assert lines[start + 3].count("0.500  -0.100 [-0.150, -0.050]") == 3
    assert lines[start + 3].endswith(" 99")


def test_what_is_kept_of_a_lead_and_what_the_encoder_met_is_said(found: EvaluationResult) -> None:
    kept = [
        KeptGain(level=level, metric=metric, mean=mean, low=mean - 0.25, high=mean + 0.25, people=9)
        for level, mean in (("specific", 0.5), ("broad", nan))
        for metric in ("matched_personal_auc", "personal_auc", "recall_at_10")
    ]  # fmt: skip
    topics = ToldTopics(topics=0.1, broad=44, broad_in_all=443, are_held_out=True)
    told = found.model_copy(update={"kept": kept, "topics": topics, "platforms_met": ["reddit"], "platforms_asked": ["hackernews", "reddit"]})
    lines = report_text(told).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("Of the lead over the base"))
    assert lines[start + 1].split() == ["matched", "personal", "AUC", "personal", "AUC", "recall@10"]
    assert lines[start + 2].split() == ["specific", *["0.500", "[0.250,", "0.750]"] * 3]
    assert lines[start + 3].split() == ["broad", "-", "-", "-"]
    assert max(map(len, lines)) <= 150
    said = " ".join(lines)
    assert "Trained on reddit, asked on hackernews, reddit. New topics: 44 of 443 broad labels" in said
    assert flat_numbers(told)["kept/specific/personal_auc_low"] == 0.25
    assert not [name for name in flat_numbers(told) if name.startswith("kept/broad")]
    control = told.model_copy(update={"topics": topics.model_copy(update={"are_held_out": False}), "platforms_asked": ["hackernews"]})
    said = " ".join(report_text(control).split())
    assert "The same topics, trained on: 44 of 443" in said
    assert "asked on hackernews, of which it never saw anything." in said
    assert not [sentence for sentence in ("Trained on", "topics") if sentence in report_text(found)]


def test_use_as_a_feature_and_what_is_given_away_are_told_apart(found: EvaluationResult) -> None:
    text = report_text(found)
    feature, privacy = text.index("Use as a feature: AUROC of one small network"), text.index("PRIVACY, no feature: what a vector gives away")
    assert feature < privacy
    for line in ("  task of a long name 0: does something (30 people: yes 12, no 18)", "  rare: not asked, hardly anybody does it"):
        assert feature < text.index(line) < privacy
    assert text.count("task of a long name 7\n") == 1, "a column of the last of three tables"
    assert "  activity + tuned - activity +0.010 [+0.010, +0.700]" in text
    assert "  text oracle                 0.900 [0.010, 0.700]" in text[privacy:]
    assert report_text(found.model_copy(update={"as_feature": None, "given_away": None})).count("PRIVACY") == 0


def test_every_number_has_a_name_that_mlflow_takes(found: EvaluationResult) -> None:
    from mlflow.utils.validation import _validate_metric_name

    numbers = flat_numbers(found)
    assert numbers["all_cuts/specific/all/recall_by_meaning_at_10/tuned"] == 0.5
    assert numbers["head_items/specific/all/personal_auc/tuned_minus_base_low"] == pytest.approx(-0.15)
    assert not [name for name in numbers if name.endswith("popular")]
    assert numbers["as_feature/task_of_a_long_name_0/activity_plus_tuned_minus_activity"] == 0.01
    assert numbers["privacy/all_tasks/text_oracle_high"] == 0.7
    for name in numbers:
        _validate_metric_name(name)
