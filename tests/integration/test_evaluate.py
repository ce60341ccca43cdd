"""Examples and evaluation as jobs: Delta, the real MiniLM, MLflow on SQLite; hand-made people who each keep to a topic or two."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pyarrow as pa
import pyarrow.compute
import pytest
import torch
from deltalake import DeltaTable, write_deltalake

from conf.errors import ConfigError, ContractError, EncoderError
from lake import arrow_tables, registry
from lake.config import LakeConfig
from lake.encoder import Encoder
from lake.examples import EXAMPLES, PERSON_LABELS, HeldOut
from lake.job_runs import JOB_RUNS
from lake.labels import ITEMS, LABELS, LEVELS, Item, Label, label_item_id
from lake.schema import rows_table
from lake.units import SEQUENCES
from trainer import publishing
from trainer.config import EvaluationConfig, TrainerConfig
from trainer.evaluation.comparison import EvaluationResult
from trainer.evaluation.history_vectors import COMMUNITIES
from trainer.evaluation.people import never_met
from trainer.jobs import evaluate, examples
from trainer.student import base_encoder, content_version

TOPICS = {
    "Gardening": ("pruning roses", "tomato seedlings", "compost heaps", "garden slugs", "lawn mowing"),
    "Chess": ("Sicilian defence", "rook endgames", "chess clocks", "knight forks", "queen sacrifices"),
    "Baking": ("sourdough starters", "puff pastry", "oven temperature", "rye bread", "cake frosting"),
    "Astronomy": ("telescope mirrors", "Saturn's rings", "lunar eclipses", "star charts", "comet sightings"),
}
START = datetime(2024, 1, 1, tzinfo=UTC)
PEOPLE, UNITS = 16, 24
SETTINGS = [
    "examples.test_share=0.5",
    "examples.validation_share=0.1",
    "examples.future_units=4",
    "evaluation.bootstrap_samples=50",
    "evaluation.min_period_queries=5",
    "evaluation.matched_min_others=3",
    "evaluation.min_half_units=2",
    "evaluation.episode_units=5",
]


def words_of(person: int, number: int) -> tuple[str, str]:
    broad = list(TOPICS)[person % 4]
    return TOPICS[broad][(person // 4 + number * 2) % 5] + f" {number % 3}", broad


def unit(person: int, number: int) -> dict[str, Any]:
    specific, broad = words_of(person, number)
    return {
        "unit_id": f"reddit:t1_{person}x{number:02}",
        "unit_hash": f"{person}-{number}",
        "duplicate_group": None,
        "starts_session": False,
        "created_at": START + timedelta(days=number, minutes=person),
        "platform": "reddit",
        "thread_id": f"reddit:t3_{person}x{number // 2}",
        "action": "comment",
        "community": "everything" if number % 2 else f"{broad.lower()} {'before' if number < UNITS // 2 else 'after'}",
        "title": None,
        "text": f"I keep thinking about {specific.lower()} when it comes to {broad.lower()}",
        "context": [],
    }


def chunk(person: int, number: int) -> dict[str, Any]:
    units = [unit(person, place) for place in range(number * 10, min(UNITS, number * 10 + 10))]
    ends = {"first_at": units[0]["created_at"], "last_at": units[-1]["created_at"]}
    return {"person_id": f"person{person:02}", "chunk": number, "units": units, "user_ids": [f"person{person:02}"], "bucket": person % 3} | ends


def label(person: int, number: int) -> Label:
    specific, broad = words_of(person, number)
    return Label(
        unit_hash=f"{person}-{number}", teacher_version="hand", specific=specific, broad=broad, teacher_model="hand", prompt_version="1",
        rendering_version="1", decoding="", prompt_tokens=None, completion_tokens=None, batch=None, labelled_at=None,
    )  # fmt: skip


def write_people(lake: LakeConfig, people: int = PEOPLE) -> None:
    """Sequences, with chunks out of order, labels of all but the last person, and items."""
    chunks = [chunk(person, number) for number in (2, 0, 1) for person in range(people)]
    labels = [label(person, number) for person in range(people - 1) for number in range(UNITS)]
    texts = {(level, getattr(one, level)) for one in labels for level in LEVELS}
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, chunks))
    arrow_tables.overwrite(lake, LABELS, labels)
    items = [
        Item(item_id=label_item_id(level, text), source="labels", level=level, text=text, external_id=None, label_count=1)
        for level, text in sorted(texts)
    ]  # fmt: skip
    arrow_tables.overwrite(lake, ITEMS, items)


def arguments(lake: LakeConfig, *settings: str) -> list[str]:
    return ["--lake", lake.path, *(word for setting in (*SETTINGS, *settings) for word in ("--set", f"trainer.{setting}"))]


def rows(lake: LakeConfig) -> list[dict[str, Any]]:
    return arrow_tables.read(lake, EXAMPLES).sort_by("person_id").to_pylist()


def register(lake: LakeConfig, encoder: Encoder) -> None:
    registry.connect(lake)
    with mlflow.start_run():
        version = publishing.register(lake, encoder, {})
    publishing.move_alias(lake, lake.encoder_alias, version)


def shaken(base: Encoder) -> Encoder:
    """The base with a little noise in its weights: another encoder, without a training."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weights in base.model.parameters():
            weights += 0.02 * weights.std() * torch.randn_like(weights) if weights.numel() > 1 else 0
    return Encoder(base.model, base.card, content_version(base.model, base.card))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> LakeConfig:
    """A lake with examples and a registered encoder that is not its base."""
    lake = LakeConfig(path=str(tmp_path_factory.mktemp("judged")))
    write_people(lake)
    examples.main(arguments(lake))
    register(lake, shaken(base_encoder(TrainerConfig(max_tokens=64))))
    return lake


def test_examples_hold_each_labelled_person_once_in_order_and_in_one_split(judged: LakeConfig) -> None:
    found = rows(judged)
    assert [row["person_id"] for row in found] == [f"person{person:02}" for person in range(PEOPLE - 1)]
    for person, row in enumerate(found):
        assert [one["unit_id"] for one in row["history"]] == [unit(person, number)["unit_id"] for number in range(UNITS)]
        assert len(row["cuts"]) == 4
        assert row["label_set"] == ["hand"]
    assert {row["split"] for row in found} == {"train", "validation", "test"}
    (run,) = arrow_tables.read(judged, JOB_RUNS).filter(pa.compute.field("job") == "trainer examples").to_pylist(maps_as_pydicts="strict")
    assert run["rows"]["people"] == PEOPLE - 1
    assert run["dropped"] == {"people: no cut with enough units before and answers after": 1}
    labelled = arrow_tables.read(judged, PERSON_LABELS).sort_by([("person_id", "ascending"), ("unit_id", "ascending")]).to_pylist()
    assert [(one["person_id"], one["unit_id"], one["specific"], one["broad"]) for one in labelled] == [
        (f"person{person:02}", unit(person, number)["unit_id"], *words_of(person, number)) for person in range(PEOPLE - 1) for number in range(UNITS)
    ]


def test_a_second_run_of_examples_writes_nothing_and_another_setting_does(lake: LakeConfig) -> None:
    write_people(lake, people=5)
    examples.main(arguments(lake))
    first, versions = rows(lake), [arrow_tables.table_version(lake, spec) for spec in (EXAMPLES, JOB_RUNS)]
    examples.main(arguments(lake))
    assert [arrow_tables.table_version(lake, spec) for spec in (EXAMPLES, JOB_RUNS)] == versions
    examples.main(arguments(lake, "examples.cuts_per_person=1"))
    assert [len(row["cuts"]) for row in rows(lake)] == [1] * 4
    examples.main(arguments(lake))
    assert rows(lake) == first


def test_people_without_labels_give_an_empty_table(lake: LakeConfig) -> None:
    write_people(lake, people=1)
    examples.main(arguments(lake))
    assert rows(lake) == []


def test_examples_need_no_items_and_no_labels(lake: LakeConfig) -> None:
    write_people(lake, people=3)
    shutil.rmtree(f"{lake.path}/items")
    examples.main(arguments(lake))
    assert [row["person_id"] for row in rows(lake)] == ["person00", "person01"]
    shutil.rmtree(f"{lake.path}/labels")
    titled = [chunk(person, 0) for person in range(2)]
    for row in titled:
        row["units"] = [one | {"title": f"Title {one['unit_id']}"} for one in row["units"]]
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, titled))
    examples.main(arguments(lake))
    assert [(row["person_id"], row["labelled"], len(row["cuts"]) > 0) for row in rows(lake)] == [("person00", [], True), ("person01", [], True)]


def test_examples_are_the_same_whatever_is_held_at_once(judged: LakeConfig, lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write_people(lake)
    monkeypatch.setattr(examples, "MEMORY_OF_BYTES", 2_000)
    examples.main(arguments(lake, "examples.memory_mb=1", "examples.labels_at_once=7"))
    assert rows(lake) == rows(judged)
    assert sorted(map(str, arrow_tables.read(lake, PERSON_LABELS).to_pylist())) == sorted(map(str, arrow_tables.read(judged, PERSON_LABELS).to_pylist()))


def test_a_table_of_an_older_program_is_replaced(lake: LakeConfig) -> None:
    write_people(lake, people=3)
    write_deltalake(f"{lake.path}/examples", pa.table({"person_id": ["somebody"], "history": [["old"]], "split": ["train"]}))
    with pytest.raises(ContractError, match="rebuild with 'kindred trainer examples'"):
        rows(lake)
    examples.main(arguments(lake))
    assert [row["person_id"] for row in rows(lake)] == ["person00", "person01"]


def test_a_label_set_that_is_not_there_is_a_config_error(lake: LakeConfig) -> None:
    write_people(lake, people=3)
    with pytest.raises(ConfigError, match="no labels of teacher version 'other'"):
        examples.main(arguments(lake, "examples.label_set=[other]"))


def test_a_stream_that_fails_leaves_the_table_as_it_was(lake: LakeConfig) -> None:
    write_people(lake, people=3)
    examples.main(arguments(lake))
    before, version = arrow_tables.read(lake, EXAMPLES), arrow_tables.table_version(lake, EXAMPLES)

    def failing() -> Iterator[pa.Table]:
        yield before
        raise ContractError("no more")

    with pytest.raises(ContractError, match="no more"):
        arrow_tables.overwrite_stream(lake, EXAMPLES, failing())
    assert arrow_tables.table_version(lake, EXAMPLES) == version
    arrow_tables.overwrite_stream(lake, EXAMPLES, iter(()))
    assert arrow_tables.read(lake, EXAMPLES).num_rows == 0


def test_evaluation_compares_encoder_base_and_baselines_and_is_logged(judged: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    versions = {spec.name: arrow_tables.table_version(judged, spec) for spec in (EXAMPLES, ITEMS, SEQUENCES, LABELS)}
    evaluate.main([*arguments(judged), "--json"])
    result = json.loads(capsys.readouterr().out)
    scores = {(one["cuts"], one["level"], one["futures"], one["metric"], one["scorer"]): one for one in result["scores"]}
    auc = {scorer: scores["all cuts", "specific", "all", "personal_auc", scorer] for scorer in ("tuned", "base", "popular", "tuned - base")}
    assert auc["base"]["mean"] > 0.7
    assert [auc["popular"][end] for end in ("low", "mean", "high")] == pytest.approx([0.5] * 3)
    matched = {scorer: scores["all cuts", "specific", "all", "matched_personal_auc", scorer] for scorer in ("tuned", "base", "popular", "tuned - base")}
    assert matched["popular"]["mean"] == pytest.approx(0.5)
    assert matched["tuned - base"]["mean"] == pytest.approx(matched["tuned"]["mean"] - matched["base"]["mean"])
    assert matched["base"]["mean"] > 0.7
    assert 0 < matched["base"]["share_matched"] <= 1
    assert auc["base"]["share_matched"] is None
    assert auc["tuned - base"]["mean"] == pytest.approx(auc["tuned"]["mean"] - auc["base"]["mean"])
    assert auc["base"]["low"] <= auc["base"]["mean"] <= auc["base"]["high"]
    assert ("future period", "broad", "new", "mrr", "mean of last 5 labels") in scores
    rows = {scorer for cuts, level, _, _, scorer in scores if (cuts, level) == ("all cuts", "specific")}
    means = {"last label", "mean of last 5 labels", "mean of last 20 labels", "mean of all labels", "time-decayed mean of labels"}
    assert rows == {"tuned", "base", "tuned - base", "popular", "own repeats, then popular", "BM25", "TF-IDF", "transition graph", "ALS"} | means
    for scorer in ("BM25", "TF-IDF", "ALS", *(means - {"last label"})):
        assert scores["all cuts", "specific", "all", "personal_auc", scorer]["mean"] > 0.7
    after, popular = (scores["all cuts", "specific", "all", "mrr", scorer]["mean"] for scorer in ("transition graph", "popular"))
    assert after > 2 * popular
    by_meaning, recall = (scores["all cuts", "specific", "all", metric, "tuned"] for metric in ("recall_by_meaning_at_10", "recall_at_10"))
    assert recall["mean"] <= by_meaning["mean"] <= 1
    sliced = {cuts: one for (cuts, *place), one in scores.items() if place == ["specific", "all", "recall_at_10", "tuned - base"]}
    assert {"history of 6-10", "history of 11-20", "head items", "tail items"} <= set(sliced)
    assert not [scorer for cuts, _, _, _, scorer in scores if cuts == "head items" and scorer not in ("tuned", "base", "tuned - base")]
    assert {spec.name: arrow_tables.table_version(judged, spec) for spec in (EXAMPLES, ITEMS, SEQUENCES, LABELS)} == versions

    found = EvaluationResult(**result).user_user
    for halves in ("time", "communities"):
        for read in ("full", "episodes"):
            one, near = found.who_is_it(halves, read), found.who_is_it(halves, read, "same communities")
            assert (one.people, one.candidates, one.left_out) == (result["people"], PEOPLE - 1, {})
            assert near.candidates <= one.candidates
            assert one.score("base", "mrr").mean > one.score(COMMUNITIES, "mrr").mean + 0.05, "but for one place where all are, nobody is where they were"
            assert one.score("tuned - base", "mrr").mean == pytest.approx(one.score("tuned", "mrr").mean - one.score("base", "mrr").mean)
    like = found.likeness
    assert (like.people, like.labelled_people, like.left_out) == (result["people"], result["people"], {})
    assert like.at is not None
    assert like.score("base", "partial_spearman_communities").mean > 0.3, "who keeps to a topic stays among its people"

    (run,) = mlflow.search_runs(experiment_names=[registry.EXPERIMENT], filter_string="tags.`kindred.job` = 'trainer evaluate'", output_format="list")
    assert run.data.metrics["who_is_it/time/full/everybody/mrr/tuned"] == pytest.approx(found.who_is_it("time", "full").score("tuned", "mrr").mean)
    assert run.data.metrics["who_is_alike/spearman_communities/base"] == pytest.approx(like.score("base", "spearman_communities").mean)
    assert run.data.metrics["all_cuts/specific/all/personal_auc/tuned"] == pytest.approx(auc["tuned"]["mean"])
    assert run.data.metrics["all_cuts/specific/all/matched_personal_auc/tuned"] == pytest.approx(matched["tuned"]["mean"])
    assert run.data.metrics["all_cuts/specific/all/matched_personal_auc/share_matched"] == pytest.approx(matched["tuned"]["share_matched"])
    assert run.data.params["encoder_version"] == result["encoder_version"] != result["base_version"]
    assert run.data.params["examples_version"] == str(versions["examples"])
    assert sorted(one.dataset.name for one in run.inputs.dataset_inputs) == ["examples", "items"]


def test_a_second_evaluation_repeats_what_was_found_until_something_changes(
    judged: LakeConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    def result(*settings: str) -> dict[str, Any]:
        capsys.readouterr()
        evaluate.main([*arguments(judged, *settings), "--json"])
        return json.loads(capsys.readouterr().out)

    first, runs = result(), arrow_tables.table_version(judged, JOB_RUNS)
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "load_encoder", lambda *_: pytest.fail("evaluated again"))
        assert result() == first
    assert arrow_tables.table_version(judged, JOB_RUNS) == runs
    assert result("evaluation.interval=0.5")["interval"] == 0.5
    (run,) = mlflow.search_runs(experiment_names=[registry.EXPERIMENT], filter_string="params.interval = '0.5'", output_format="list")
    Path(run.info.artifact_uri.removeprefix("file://"), "evaluation.json").unlink()
    assert result("evaluation.interval=0.5")["interval"] == 0.5
    assert len(mlflow.search_runs(experiment_names=[registry.EXPERIMENT], filter_string="params.interval = '0.5'", output_format="list")) == 2


def test_the_base_as_champion_is_said_and_costs_one_encoding(lake: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    write_people(lake, people=9)
    examples.main(arguments(lake))
    register(lake, base_encoder(TrainerConfig(max_tokens=64)))
    evaluate.main(arguments(lake, "evaluation.max_people=2", "evaluation.max_askers=2", "evaluation.max_other_people=0", "evaluation.episode_units=16"))
    table = capsys.readouterr().out
    assert "IS the untouched base" in table
    assert "Specific labels, new threads only, all cuts (2 people" in table
    assert "own repeats, then popular" in table
    assert table.index("matched personal AUC  ") < table.index(" personal AUC  ")
    assert "; 0% of the futures of 0 people matched)" in table
    assert "+0.000 [+0.000, +0.000]" in table
    assert "Who is it: one's own other half, halves in time, full length, among 2 second halves (2 people; MRR by chance 0.750)" in table
    assert "a fixed budget of own words, among 0 second halves (0 people; 2 left out: fewer than 16 units in one of the halves; MRR" in " ".join(table.split())


def test_without_an_encoder_or_without_held_out_people_evaluation_says_what_to_do(lake: LakeConfig) -> None:
    write_people(lake, people=3)
    examples.main(arguments(lake, "examples.test_share=0"))
    with pytest.raises(EncoderError, match="kindred trainer train"):
        evaluate.main(arguments(lake))
    register(lake, base_encoder(TrainerConfig(max_tokens=64)))
    with pytest.raises(ContractError, match="nobody of split 'test'"):
        evaluate.main(arguments(lake))


def test_a_community_that_is_held_out_is_judged_on_alone_and_must_exist(lake: LakeConfig) -> None:
    write_people(lake)
    found = arrow_tables.read(lake, SEQUENCES).to_pylist()
    for row in found:
        for each in row["units"]:
            each["community"] = "elsewhere" if row["person_id"] in ("person02", "person03") else each["community"]
            each["title"] = each["text"]
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, found))
    with pytest.raises(ConfigError, match="nobody with an example ever acted in 'elsewere'"):
        examples.main(arguments(lake, 'examples.held_out_communities=["elsewere"]'))
    examples.main(arguments(lake, 'examples.held_out_communities=["elsewhere"]', "examples.test_share=0.2"))
    of = {row["person_id"]: row["split"] for row in rows(lake)}
    assert (of["person02"], of["person03"]) == ("test", "test")
    assert set(of.values()) >= {"train", "test"}
    base, shares = base_encoder(TrainerConfig(max_tokens=64)), HeldOut(validation_share=0.1, test_share=0.2, communities=("elsewhere",))
    card = base.card.model_copy(update={"held_out": shares})
    register(lake, Encoder(base.model, card, content_version(base.model, card)))
    result = evaluate.evaluate(lake, TrainerConfig(max_tokens=64, evaluation=EvaluationConfig(communities=["elsewhere"], bootstrap_samples=10)))
    assert (result.people, result.title_people) == (2, 2)


def test_who_came_to_a_held_out_community_after_the_training_is_not_asked(lake: LakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    write_people(lake)
    shares = HeldOut(validation_share=0, test_share=0.2, communities=("elsewhere",))
    newcomer = next(f"person{number:02}" for number in range(PEOPLE) if shares.split_of(f"person{number:02}") == "train")
    settings = ("examples.validation_share=0", "examples.test_share=0.2")
    examples.main(arguments(lake, *settings))
    trained_on = arrow_tables.table_version(lake, EXAMPLES)
    assert trained_on is not None
    found = arrow_tables.read(lake, SEQUENCES).to_pylist()
    for each in (each for row in found if row["person_id"] == newcomer for each in row["units"][-1:]):
        each["community"] = "elsewhere"
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, found))
    examples.main(arguments(lake, *settings, 'examples.held_out_communities=["elsewhere"]'))
    test = {row["person_id"] for row in rows(lake) if row["split"] == "test"}
    version = arrow_tables.table_version(lake, EXAMPLES)
    assert version is not None
    card = base_encoder(TrainerConfig(max_tokens=64)).card.model_copy(update={"held_out": shares})
    assert newcomer in test
    for met_at, strangers in ((None, test), (version, test), (trained_on, test - {newcomer})):
        known = {} if met_at is None else {"examples": met_at}
        assert never_met(lake, version, card.model_copy(update={"trained_on": known})) == strangers
    for file in DeltaTable(f"{lake.path}/examples", version=trained_on).file_uris():
        Path(file).unlink()
    assert never_met(lake, version, card.model_copy(update={"trained_on": {"examples": trained_on}})) == test - {newcomer}
    assert "may have been met" in caplog.text


def test_without_labels_titles_are_asked_about(lake: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    write_people(lake)
    found = arrow_tables.read(lake, SEQUENCES).to_pylist()
    for row in found:
        for each in row["units"]:
            each["title"] = each["text"]
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, found))
    arrow_tables.overwrite(lake, LABELS, [])
    arrow_tables.overwrite(lake, ITEMS, [])
    examples.main(arguments(lake))
    register(lake, base_encoder(TrainerConfig(max_tokens=64)))
    evaluate.main(arguments(lake, "max_tokens=64"))
    printed = capsys.readouterr().out
    assert "0 held-out people with labels" in printed
    assert "Titles of threads entered next, all cuts (" in printed
    assert {"BM25", "TF-IDF"} < {line[2:30].strip() for line in printed.splitlines()}
    assert "popular" not in printed
    assert "Specific labels" not in printed
    people = sum(row["split"] == "test" for row in rows(lake))
    assert f"{people} asked about titles" in printed
    result = evaluate.evaluate(lake, TrainerConfig(max_tokens=64, evaluation=EvaluationConfig(bootstrap_samples=10, max_title_people=3)))
    assert result.score("tuned", "personal_auc", "title", "all").people == 3


def test_people_and_cuts_without_labels_are_not_asked_and_do_not_count(lake: LakeConfig) -> None:
    write_people(lake)
    examples.main(arguments(lake))
    found = rows(lake)
    test = [row for row in found if row["split"] == "test"]
    for one in test[0]["cuts"]:
        one["positives"] = []
    test[1]["cuts"][0]["positives"] = [positive for positive in test[1]["cuts"][0]["positives"] if positive["where"] == "inside"]
    arrow_tables.overwrite(lake, EXAMPLES, rows_table(EXAMPLES, found))
    register(lake, base_encoder(TrainerConfig(max_tokens=64)))
    result = evaluate.evaluate(lake, TrainerConfig(max_tokens=64, evaluation=EvaluationConfig(max_people=2, bootstrap_samples=10)))
    assert (result.people, result.queries) == (2, 3 + 4)
    assert result.user_user.who_is_it("time", "full").candidates == len(found)


def test_people_whom_the_encoder_met_are_not_asked_whatever_split_they_have_now(lake: LakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    write_people(lake)
    examples.main(arguments(lake, "examples.test_share=0.9", "examples.validation_share=0"))
    base, shares = base_encoder(TrainerConfig(max_tokens=64)), HeldOut(validation_share=0.1, test_share=0.5)
    card = base.card.model_copy(update={"held_out": shares})
    register(lake, Encoder(base.model, card, content_version(base.model, card)))
    found = evaluate.evaluate(lake, TrainerConfig(max_tokens=64))
    test = [row["person_id"] for row in rows(lake) if row["split"] == "test"]
    met = [person_id for person_id in test if shares.split_of(person_id) != "test"]
    assert met
    assert found.people == len(test) - len(met)
    assert f"{len(met)} of {len(test)} people of split 'test' are not asked" in caplog.text


def test_an_encoder_that_does_not_say_whom_it_met_judges_nobody(lake: LakeConfig) -> None:
    write_people(lake)
    examples.main(arguments(lake))
    base = base_encoder(TrainerConfig(max_tokens=64))
    card = base.card.model_copy(update={"trained_on": {"examples": 0, "items": 0}})  # as programs wrote it that noted no shares
    register(lake, Encoder(base.model, card, content_version(base.model, card)))
    with pytest.raises(EncoderError, match="may have met anybody; run 'kindred trainer train'"):
        evaluate.main(arguments(lake))
