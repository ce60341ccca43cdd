"""An app's own items as answers, ranked by hand-made scores."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conf.errors import ConfigError, EncoderError
from lake.encoder import EncoderCard
from lake.examples import HeldOut
from trainer.config import EvaluationConfig
from trainer.evaluation.asked import asked_of_all
from trainer.evaluation.baselines import label_counts
from trainer.evaluation.catalogue import AppItems, app_items, catalogue_questions, people_with_items, trained_items
from trainer.evaluation.parts import NOVELTIES
from trainer.evaluation.people import check_acts
from trainer.evaluation.questions import Questions
from trainer.evaluation.rankings import ranking_hashes, rankings_of
from trainer.evaluation.rows import baseline_rows
from trainer.evaluation.scores import RANK_METRICS, found_by, rank_metrics, targets_of
from trainer.evaluation.transitions import next_label, transition_graph

START = datetime(2024, 1, 1, tzinfo=UTC)
ITEMS = app_items(pa.table({"item_id": ["f", "a", "b", "c", "d", "e"], "text": ["ALIEN", "Alien", "Brazil", "Casablanca", "Duel", "Eraserhead"]}))


def example(person: str, films: str, *cuts: tuple[int, list[int], str | None], trained: int | None = None) -> dict[str, Any]:
    """Somebody who acts on these films, one a day; '-' is a unit on none."""
    units = [{"unit_id": f"{person}{day}", "created_at": START + timedelta(days=day), "community": "films"} for day in range(len(films))]
    return {
        "person_id": person, "history": units, "trained_units": trained,
        "acted_on": [{"place": place, "item_id": film, "text": film} for place, film in enumerate(films) if film != "-"],
        "cuts": [{"history_length": length, "acted_on": acted_on, "part": part, "period": "future", "community": "films"} for length, acted_on, part in cuts],
    }  # fmt: skip


PEOPLE = [
    example("p", "ab-cd", (3, [3], "validation"), (4, [4], "test"), trained=3),
    example("q", "bbfae", (3, [4], "test"), (2, [2], None), trained=3),
]


@pytest.fixture
def questions() -> Questions:
    return catalogue_questions(PEOPLE, ITEMS, "test")


def test_items_of_the_same_words_are_one() -> None:
    assert (ITEMS.item_ids, ITEMS.number["f"], len(ITEMS.texts)) == (["a", "b", "c", "d", "e"], ITEMS.number["a"], 5)


def test_what_is_asked_is_the_part_that_is_meant_and_what_was_acted_on_before_stands_in_time(questions: Questions) -> None:
    answers = questions.levels["catalogue"]
    assert questions.person_ids == ["p", "q"]
    assert [past.tolist() for past in answers.pasts] == [[0, 1, 2], [1, 1, 0]]
    assert answers.past_times[0].tolist() == [(START + timedelta(days=day)).timestamp() for day in (0, 1, 3)]
    assert list(zip(answers.futures.query.tolist(), answers.futures.item.tolist(), strict=True)) == [(0, 3), (1, 4)]
    assert [len(history) for history in questions.histories] == [4, 3]
    assert catalogue_questions(PEOPLE, ITEMS, "validation").person_ids == ["p"]
    assert catalogue_questions(PEOPLE, ITEMS, None).levels["catalogue"].futures.item.tolist() == [0]
    assert catalogue_questions(PEOPLE, ITEMS, "test", ["elsewhere"]).people == 0
    gone = AppItems(["a"], ["Alien"], {"a": 0})
    assert catalogue_questions(PEOPLE, gone, "test").levels["catalogue"].futures.item.tolist() == []
    batch = pa.RecordBatch.from_pylist([{"person_id": each["person_id"], "cuts": each["cuts"]} for each in reversed(PEOPLE)])
    assert people_with_items([batch], "test") == ["p", "q"]
    assert people_with_items([batch], "validation") == ["p"]
    assert people_with_items([batch], "test", ["elsewhere"]) == []


def test_rows_learn_from_what_lies_before_the_held_out_acts_alone() -> None:
    assert [past.tolist() for past in trained_items(PEOPLE, ITEMS)] == [[0, 1], [1, 1, 0]]
    people_held_out = [example("r", "abcde", (2, [2], None), (3, [3], None)), example("s", "--e", (2, [2], None))]
    assert [past.tolist() for past in trained_items(people_held_out, ITEMS)] == [[0, 1, 2]]


def test_what_was_acted_on_before_is_no_candidate(questions: Questions) -> None:
    scores = np.array([[9, 8, 7, 6, 5], [9, 8, 7, 6, 5]], np.float32)
    targets = targets_of(questions, "catalogue")
    found = found_by(questions, "catalogue", lambda block: scores[block], {}, targets)
    assert found.ranks.means.tolist() == [1, 3]  # p met 9, 8 and 7; q 9 and 8
    assert scores[0].tolist() == [9, 8, 7, 6, 5]
    metrics = rank_metrics(found, targets, np.ones(2, bool))
    assert metrics["ndcg_at_10"].tolist() == pytest.approx([1, 1 / 2])
    assert metrics["mrr"].tolist() == pytest.approx([1, 1 / 3])


def test_items_that_nobody_of_the_training_has_are_told_apart(questions: Questions) -> None:
    counts = label_counts(trained_items(PEOPLE, ITEMS), 5)
    config = EvaluationConfig(min_period_queries=1)
    asked = asked_of_all(questions, "catalogue", config, counts)
    assert [cuts for cuts, _ in asked.parts] == ["all cuts", *NOVELTIES]
    assert asked.contests == {}
    vectors = np.eye(5, dtype=np.float32)
    values = asked.values(found_by(questions, "catalogue", lambda block: np.ones((block.stop - block.start, 5)), {}, asked.targets), vectors, 0.9)
    assert {metric for _, _, metric in values} == set(RANK_METRICS)
    met, new = (values[name, "all", "recall_at_10"] for name in NOVELTIES)
    assert np.isnan(met).all()
    assert new.tolist() == [1, 1]
    assert [cuts for cuts, _ in asked_of_all(questions, "catalogue", config, np.ones(5)).parts] == ["all cuts"]


def test_rows_of_items_are_those_of_labels_but_for_own_repeats(questions: Questions) -> None:
    training = trained_items(PEOPLE, ITEMS)
    rows = dict(baseline_rows(questions, "catalogue", np.eye(5, dtype=np.float32), ["alien brazil", "alien"], training, EvaluationConfig()))
    assert list(rows) == [
        "BM25", "TF-IDF", "popular", "last item", "mean of last 5 items", "mean of last 20 items", "mean of all items", "time-decayed mean of items",
        "transition graph", "ALS",
    ]  # fmt: skip
    assert rows["popular"](slice(0, 2)).tolist() == [[2, 3, 0, 0, 0]] * 2
    after = next_label(transition_graph(training, label_counts(training, 5)), questions.levels["catalogue"].pasts)(slice(0, 2))
    assert after[1].argmax() == 1


def ranking(tmp_path: Path, **columns: Any) -> dict[str, str]:
    file = tmp_path / "ranking.parquet"
    pq.write_table(pa.table(columns), file)
    return {"SASRec": str(file)}


def test_a_ranking_out_of_a_file_is_judged_as_any_other_row(tmp_path: Path, questions: Questions, caplog: pytest.LogCaptureFixture) -> None:
    files = ranking(tmp_path, person_id=["q", "q", "x", "p", "q"], item_id=["e", "b", "e", "gone", "c"], score=[0.5, 9.0, 1.0, 2.0, 0.7])
    with caplog.at_level(logging.WARNING):
        ((name, scorer),) = rankings_of(files, ITEMS)(questions, "catalogue")
    assert "nothing at 1 of 2 moments asked about" in caplog.text
    found = found_by(questions, "catalogue", scorer, {}, targets_of(questions, "catalogue"))
    assert (name, found.ranks.means.tolist()) == ("SASRec", [1.5, 2])  # of p nothing is ranked: d and e tie; of q, c stands above e
    assert scorer(slice(1, 2))[0, 2] == np.float32(0.7)


def test_rankings_that_cannot_be_read_are_told(tmp_path: Path, questions: Questions) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        ranking_hashes({"SASRec": str(tmp_path / "absent.parquet")})
    files = ranking(tmp_path, person_id=["p"], item_id=["a"])
    with pytest.raises(ConfigError, match="'SASRec' has no column 'score'"):
        list(rankings_of(files, ITEMS)(questions, "catalogue"))
    before = ranking_hashes(files)
    files = ranking(tmp_path, person_id=["p"], item_id=["a"], score=[float("nan")])
    assert ranking_hashes(files) != before
    with pytest.raises(ConfigError, match="scores that are no numbers"):
        list(rankings_of(files, ITEMS)(questions, "catalogue"))
    twice = catalogue_questions([example("p", "abcd", (2, [2], None), (3, [3], None))], ITEMS, None)
    with pytest.raises(ConfigError, match="asked at several moments"):
        list(rankings_of(files, ITEMS)(twice, "catalogue"))
    (tmp_path / "ranking.parquet").write_text("no Parquet")
    with pytest.raises(ConfigError, match="is no Parquet file"):
        list(rankings_of(files, ITEMS)(questions, "catalogue"))


def test_a_ranking_says_of_which_moment_it_is_where_people_are_asked_at_several(tmp_path: Path) -> None:
    twice = catalogue_questions([example("p", "abcd", (2, [2], None), (3, [3], None))], ITEMS, None)
    files = ranking(tmp_path, person_id=["p", "p", "p"], item_id=["c", "d", "d"], score=[1.0, 2.0, 3.0], history_length=[2, 3, 9])
    ((_, scorer),) = rankings_of(files, ITEMS)(twice, "catalogue")
    assert (scorer(slice(0, 2)) > 0).tolist() == [[item == wanted for item in ITEMS.item_ids] for wanted in "cd"]


@pytest.mark.parametrize("kind", [pa.int32(), pa.float64(), pa.decimal128(20, 1), pa.string()])
def test_a_ranking_is_read_alike_whatever_library_wrote_it(tmp_path: Path, kind: pa.DataType) -> None:
    twice = catalogue_questions([example("p", "abcd", (2, [2], None), (3, [3], None))], ITEMS, None)
    lengths = pa.array([2, 3]).cast(kind) if kind != pa.string() else pa.array(["2", "3"])
    files = ranking(
        tmp_path,
        person_id=pa.array(["p", "p"], pa.large_string()),
        item_id=pa.array(["c", "d"]).cast(pa.string_view()),
        score=pa.array([1, 2]),
        history_length=lengths,
    )
    ((_, scorer),) = rankings_of(files, ITEMS)(twice, "catalogue")
    assert (scorer(slice(0, 2)) > 0).tolist() == [[item == wanted for item in ITEMS.item_ids] for wanted in "cd"]


@pytest.mark.parametrize("columns", [{"score": ["high"]}, {"history_length": [2.5]}, {"history_length": [float("nan")]}])
def test_a_ranking_of_other_types_is_refused(tmp_path: Path, questions: Questions, columns: dict[str, list[Any]]) -> None:
    files = ranking(tmp_path, **({"person_id": ["p"], "item_id": ["a"], "score": [1.0]} | columns))
    with pytest.raises(ConfigError, match="'SASRec': ids must be texts, history_length whole numbers and score numbers"):
        list(rankings_of(files, ITEMS)(questions, "catalogue"))


def test_a_ranking_of_other_items_is_no_row_of_these(tmp_path: Path, questions: Questions) -> None:
    files = ranking(tmp_path, person_id=["p"], item_id=["a label"], score=[1.0])
    labels = replace(questions, levels={"broad": replace(questions.levels["catalogue"], item_ids=["other"] * 5)})
    assert list(rankings_of(files, ITEMS)(labels, "broad")) == []
    labels = replace(questions, levels={"broad": replace(questions.levels["catalogue"], item_ids=["a label", *["other"] * 4])})
    assert [name for name, _ in rankings_of(files, ITEMS)(labels, "broad")] == ["SASRec"]


def test_an_encoder_is_asked_about_acts_only_where_it_surely_met_none_of_them() -> None:
    base = EncoderCard(base_model="m", rendering_version="1", max_tokens=64)
    check_acts(base, "last", 3)
    people, acts = (
        base.model_copy(update={"trained_on": {"examples": 3}, "held_out": HeldOut(validation_share=0, test_share=0.2, acts=acts)}) for acts in (None, "last")
    )
    check_acts(people, None, 4)
    check_acts(acts, "last", 3)
    for card, asked, version in ((people, "last", 3), (acts, None, 3), (acts, "later", 3), (acts, "last", 4)):
        with pytest.raises(EncoderError, match=r"trainer\.examples\.held_out_acts"):
            check_acts(card, asked, version)  # type: ignore[arg-type]
