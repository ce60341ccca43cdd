"""Variants of a training: what a file asks for, and the table of what was found."""

from pathlib import Path
from typing import Any

import pytest

from conf.errors import ConfigError
from conf.settings import Settings, load_settings, read_mappings
from trainer.ablation import Outcome, ablation_table, variants_of
from trainer.config import Phase
from trainer.evaluation.comparison import DIFFERENCE, EvaluationResult, Score
from trainer.evaluation.parts import NEW, SAME, Slice
from trainer.evaluation.shape import Shape
from trainer.evaluation.user_user import Likeness, UserUser

ROOT = Path(__file__).parents[3]
SETTINGS = Settings({"lake": {"path": "somewhere"}, "trainer": {"max_tokens": 64, "examples": {"test_share": 0.3}}})
NOBODY = UserUser(identity=[], likeness=Likeness(people=0, left_out={}, scores=[], at=None, pairs=0, labelled_people=0))


def result(cuts: Slice = "all cuts", encoder_version: str = "e", **scores: tuple[float, float, float]) -> EvaluationResult:
    found = [
        Score(cuts=cuts, level=level, futures="all", metric="personal_auc", scorer=scorer, mean=mean, low=low, high=high, people=9)  # type: ignore[arg-type]
        for level, (mean, low, high) in scores.items()
        for scorer in ("tuned", DIFFERENCE)
    ]
    return EvaluationResult(
        encoder_version=encoder_version, base_version="b", base_model="m", max_tokens=64, versions_read={}, people=9, queries=9, title_people=4, title_queries=4, future_queries=0,
        items={}, interval=0.9, matched_days=45, matched_min_others=5, same_meaning_cosine=0.9, scores=found, user_user=NOBODY, shape=Shape(scores=[], stored=[]),
    )  # fmt: skip


def test_a_variant_is_the_run_with_what_it_changes() -> None:
    content = {
        "variants": {
            "titles, 1/8": {"people_share": 0.125, "phases": [{"epochs": {"titles": 1}}], "examples": {"held_out_communities": ["tea"]}},
            "as it is": None,
        }
    }
    first, second = variants_of(content, SETTINGS, "file")
    assert first.name == "titles, 1/8"
    assert first.lake.registered_model != second.lake.registered_model
    assert first.lake.path == "somewhere"
    assert (first.trainer.max_tokens, first.trainer.people_share, first.trainer.phases) == (64, 0.125, [Phase(epochs={"titles": 1})])
    assert (first.trainer.examples.test_share, first.trainer.examples.held_out_communities) == (0.3, ["tea"])
    assert (second.trainer.people_share, second.trainer.examples.held_out_communities) == (1, [])


def test_variants_that_are_judged_otherwise_are_trained_once() -> None:
    changes = {"asked": {"evaluation": {"communities": ["tea"]}}, "as it is": None, "cut": {"examples": {"cuts_per_person": 2}}, "trained": {"seed": 8}}
    asked, plain, cut, trained = (variant.lake.registered_model for variant in variants_of({"variants": changes}, SETTINGS, "file"))
    assert asked == plain
    assert len({plain, cut, trained}) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "expected one mapping, variants"),
        ({"variants": []}, "expected one mapping, variants"),
        ({"variants": {"a": None}, "trainer": {}}, "expected one mapping, variants"),
        ({"variants": {"a": 3}}, "variant 'a' is 3"),
        ({"variants": {"a": None, "b": {"peple_share": 0.5}}}, "variant 'b'.*peple_share"),
        ({"variants": {"a": {"examples": {"test_share": 2}}}}, "variant 'a'.*test_share"),
    ],
)
def test_a_wrong_file_is_told_before_anything_is_trained(content: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        variants_of(content, SETTINGS, "file")


@pytest.mark.parametrize(
    ("file", "config", "variants"),
    [
        ("benchmarks/reddit_college_places.yaml", "benchmarks/reddit_college.yaml", 6),
        ("benchmarks/reddit_college_topics.yaml", "benchmarks/reddit_college.yaml", 2),
        ("benchmarks/seeds.yaml", "benchmarks/reddit_college.yaml", 3),
        ("benchmarks/reddit_college_learning_curve.yaml", "benchmarks/reddit_college.yaml", 12),
        ("pipeline/demo_answers.yaml", "conf/demo.yaml", 1),
    ],
)
def test_the_files_of_variants_that_ship_are_right(file: str, config: str, variants: int) -> None:
    found = variants_of(read_mappings(ROOT / file), load_settings(str(ROOT / config)).with_value("lake.path", "somewhere"), file)
    assert len(found) == variants


def test_the_table_has_a_row_a_variant_and_a_column_for_what_was_asked() -> None:
    table = ablation_table([Outcome("one", result(specific=(0.5, -0.25, 0.75), title=(0.7, 0.6, 0.8))), Outcome("two", result(specific=(0.625, 0.5, 0.75)))])
    assert table.splitlines() == [
        "| variant | people | specific, plain | title, plain |",
        "| --- | --- | --- | --- |",
        "| one | 9 + 4 | 0.500 (+0.500 [-0.250, +0.750]) | 0.700 (+0.700 [+0.600, +0.800]) |",
        "| two | 9 + 4 | 0.625 (+0.625 [+0.500, +0.750]) | - |",
    ]


def test_topics_told_apart_have_a_column_whether_they_were_held_out_or_not() -> None:
    table = ablation_table([Outcome("without", result(NEW, specific=(0.5, 0.25, 0.75))), Outcome("at home", result(SAME, specific=(0.625, 0.5, 0.75)))])
    assert table.splitlines()[0] == "| variant | people | specific, plain, topics told apart |"
    assert [line.split(" | ")[-1] for line in table.splitlines()[2:]] == ["0.500 (+0.500 [+0.250, +0.750]) |", "0.625 (+0.625 [+0.500, +0.750]) |"]


def test_trainings_that_differ_by_the_seed_alone_end_in_their_spread() -> None:
    variants = {"a": {"seed": 1}, "b": {"seed": 2}, "c": {"seed": 3}, "other": {"seed": 1, "people_share": 0.5}, "a again": {"seed": 1}}
    found = [
        Outcome(variant.name, result(encoder_version=f"{variant.name[0]}", specific=(score, 0, 1)), variant.but_for_seed)
        for variant, score in zip(variants_of({"variants": variants}, SETTINGS, "file"), (0.5, 0.625, 0.75, 0.9, 0.5), strict=True)
    ]
    lines = ablation_table(found).splitlines()
    assert lines[7:] == ["| mean ± deviation over these 3 seeds | - | 0.625 (+0.625 ± 0.125) |"]
    assert len(ablation_table(found[2:4]).splitlines()) == 4
    assert found[0].but_for_seed != found[3].but_for_seed
