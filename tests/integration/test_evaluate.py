"""Evaluation as a job: Delta, the real MiniLM, MLflow on SQLite; hand-made people who each keep to a topic or two."""

import json
import re
from pathlib import Path
from typing import Any

import mlflow
import pytest
from markupsafe import escape

from conf.errors import ContractError, EncoderError
from lake import arrow_tables, registry
from lake.config import LakeConfig
from lake.encoder import Encoder, encoder_version, load_registered, registered_folder
from lake.examples import EXAMPLES
from lake.job_runs import JOB_RUNS
from lake.labels import ITEMS, LABELS
from lake.units import SEQUENCES
from tests.topic_people import PEOPLE, arguments, register, rows, shaken, words_of, write_people
from trainer import tracking
from trainer.config import TrainerConfig
from trainer.evaluation.comparison import EvaluationResult
from trainer.evaluation.features.rows import REDUCED
from trainer.evaluation.history_vectors import COMMUNITIES
from trainer.jobs import evaluate, examples, report
from trainer.report.headline import head_sentence
from trainer.report.plots import library
from trainer.student import base_encoder

HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> LakeConfig:
    """A lake with examples and a registered encoder that is not its base."""
    lake = LakeConfig(path=str(tmp_path_factory.mktemp("judged")))
    write_people(lake)
    examples.main(arguments(lake))
    register(lake, shaken(base_encoder(TrainerConfig(max_tokens=64))))
    return lake


@pytest.fixture(scope="module")
def attributes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file that says what each of the people cares for, and on which side of their street they live."""
    file = tmp_path_factory.mktemp("attributes") / "people.jsonl"
    rows = [
        {"person_id": f"person{person:02}", "attribute": name, "value": value}
        for person in range(PEOPLE)
        for name, value in (("hobby", words_of(person, 0)[1]), ("side", "left" if person // 4 % 2 else "right"))
    ]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(file)


def test_evaluation_compares_encoder_base_and_baselines_and_is_logged(judged: LakeConfig, attributes: str, capsys: pytest.CaptureFixture[str]) -> None:
    versions = {spec.name: arrow_tables.table_version(judged, spec) for spec in (EXAMPLES, ITEMS, SEQUENCES, LABELS)}
    evaluate.main([*arguments(judged, f"evaluation.attributes={attributes}"), "--json"])
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
    named = {scorer for cuts, level, _, _, scorer in scores if (cuts, level) == ("all cuts", "specific")}
    means = {"last label", "mean of last 5 labels", "mean of last 20 labels", "mean of all labels", "time-decayed mean of labels"}
    popular_too = {"tuned, with popularity", "base, with popularity"}
    assert named == popular_too | {"tuned", "base", "tuned - base", "popular", "own repeats, then popular", "BM25", "TF-IDF", "transition graph", "ALS"} | means
    for scorer in ("BM25", "TF-IDF", "ALS", *(means - {"last label"})):
        assert scores["all cuts", "specific", "all", "personal_auc", scorer]["mean"] > 0.7
    after, popular = (scores["all cuts", "specific", "all", "mrr", scorer]["mean"] for scorer in ("transition graph", "popular"))
    assert after > 2 * popular
    assert result["temperature"] == 0.1
    for scorer in popular_too:  # nothing personal is lost, and nothing is asked by slice
        assert scores["all cuts", "specific", "all", "personal_auc", scorer]["mean"] > 0.7
    assert not [one for one in scores if one[0].startswith("history") and one[-1] in popular_too]
    assert not [one for one in scores if one[1] == "title" and one[-1] in popular_too]
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

    feature, given_away = EvaluationResult(**result).as_feature, EvaluationResult(**result).given_away
    assert feature is not None
    assert given_away is not None
    strangers = [row for row in rows(judged) if row["split"] == "test"]
    assert (feature.people, feature.at, given_away.people) == (len(strangers), like.at, len(strangers))
    assert [task.name for task in feature.tasks] == ["place", "long words"]
    assert feature.tasks_left_out["acts again"].startswith(f"of {len(strangers)} people {len(strangers)} are alike in it")
    assert {score.scorer for score in feature.scores} == {
        "tuned", "base", "tuned - base", "random vector", "activity", "activity + tuned", "activity + tuned - activity", COMMUNITIES, REDUCED,
    }  # fmt: skip
    assert {score.scorer for score in given_away.scores} == {"tuned", "base", "tuned - base", "random vector", "text oracle"}
    assert given_away.score("base", "hobby").mean > 0.9
    assert given_away.score("text oracle", "hobby").mean > 0.9

    (run,) = mlflow.search_runs(experiment_names=[registry.EXPERIMENT], filter_string="tags.`kindred.job` = 'trainer evaluate'", output_format="list")
    assert run.data.metrics["privacy/hobby/base"] == pytest.approx(given_away.score("base", "hobby").mean)
    assert run.data.metrics["as_feature/people"] == len(strangers)
    assert run.data.metrics["who_is_it/time/full/everybody/mrr/tuned"] == pytest.approx(found.who_is_it("time", "full").score("tuned", "mrr").mean)
    assert run.data.metrics["who_is_alike/spearman_communities/base"] == pytest.approx(like.score("base", "spearman_communities").mean)
    assert run.data.metrics["all_cuts/specific/all/personal_auc/tuned"] == pytest.approx(auc["tuned"]["mean"])
    assert run.data.metrics["all_cuts/specific/all/matched_personal_auc/tuned"] == pytest.approx(matched["tuned"]["mean"])
    assert run.data.metrics["all_cuts/specific/all/matched_personal_auc/share_matched"] == pytest.approx(matched["tuned"]["share_matched"])
    shape = EvaluationResult(**result).shape
    for level in ("specific", "broad"):
        whole = shape.curve("tuned", "personal_auc", level, "float32")
        assert list(whole) == [384, 192, 96, 48, 24, 12]
        assert whole[384].mean == pytest.approx(scores["all cuts", level, "all", "personal_auc", "tuned"]["mean"], abs=1e-6), "nothing is cut off"
        assert 0 < shape.score("base", "alignment", level).mean < 2
    assert run.data.metrics["stored/specific/192_int8/overlap_at_10/base"] == shape.curve("base", "overlap_at_10", "specific", "int8")[192].mean
    people = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/people.json")["people"]
    assert {one["person_id"] for one in people if one["chosen"] == "first"} <= {row["person_id"] for row in rows(judged) if row["split"] == "test"}
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
    encoder, weights = load_registered(judged, "cpu"), {"specific": 0.02, "broad": 0.32}
    register(judged, Encoder(encoder.model, encoder.card.model_copy(update={"popularity_weights": weights}), encoder.version))
    again = result()
    assert (again["encoder_version"], again["popularity_weights"], first["popularity_weights"]) == (first["encoder_version"], weights, {})


def test_the_page_shows_what_was_found_and_a_second_run_replaces_it(judged: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.main(arguments(judged))
    capsys.readouterr()
    before = encoder_version(registered_folder(judged))
    evaluation = tracking.newest_evaluation(before)
    assert evaluation is not None
    result = EvaluationResult(**evaluation.found)
    with tracking.ablation_run(f"titles of 1/2 {HOSTILE}", {}):
        tracking.log_evaluation(result.model_dump())
    report.main(arguments(judged))
    out = Path(capsys.readouterr().out.strip())
    page = out.read_text(encoding="utf-8")
    for score in (score for score in result.scores if score.cuts in ("all cuts", "future period", "head items") and score.people):
        assert f">{score.mean:{'+' if score.scorer == 'tuned - base' else ''}.3f}<" in page, score
    assert f">{result.shape.score('tuned', 'hubness', 'specific').mean:.3f}<" in page
    assert not re.findall(r"""(?:src|href)=["']?[^"'#]""", page.replace(library(), "")), "nothing is fetched"
    assert not re.findall(r"@import|url\(", page.replace(library(), ""))
    assert 'id="ablations-0"' in page
    assert HOSTILE not in page
    assert "titles of 1/2 \\u003cscript\\u003ealert('x')" in page
    shown = evaluation.people[0]["newest"][-1]["words"]
    assert shown.startswith("I keep thinking about")
    assert str(escape(shown)) in page
    assert page.count('<details class="person"') == 2 * result.people, "of eight people all are among the first and the worst"

    found = mlflow.MlflowClient().get_model_version_by_alias(judged.registered_model, judged.encoder_alias)
    kept = f"runs:/{found.run_id}/report-{before}.html"
    assert mlflow.artifacts.load_text(kept) == page
    card = (registered_folder(judged) / "README.md").read_text(encoding="utf-8")
    assert head_sentence(result) in card
    assert encoder_version(registered_folder(judged)) == before, "a card is no part of the encoder"
    out.write_text("another page", encoding="utf-8")
    report.main([*arguments(judged), "--out", str(out)])
    assert out.read_text(encoding="utf-8") == mlflow.artifacts.load_text(kept) == page
    assert (registered_folder(judged) / "README.md").read_text(encoding="utf-8") == card


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
    with pytest.raises(ContractError, match=r"no evaluation of encoder .*; run 'kindred trainer evaluate'"):
        report.main(arguments(lake))
    with pytest.raises(ContractError, match="nobody of split 'test'"):
        evaluate.main(arguments(lake))
