"""One small training on people of Reddit without two topics, asked about what it never heard of: those topics, and people of another platform. Real MiniLM, Delta, MLflow and Spark."""

import json
import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from conf.errors import ConfigError, ContractError, EncoderError
from etl.jobs import ingest, sequences, units
from lake import arrow_tables, registry
from lake.config import LakeConfig
from lake.encoder import load_registered, registered_folder
from lake.examples import EXAMPLES, answer_key
from lake.job_runs import JOB_RUNS, last_done_run
from lake.labels import LEVELS
from lake.schema import rows_table
from lake.units import SEQUENCES
from tests.conftest import SHARED_DATA
from tests.topic_people import TOPICS, arguments, rows, words_of, write_people
from trainer.evaluation.comparison import EvaluationResult
from trainer.evaluation.parts import KNOWN, NEW
from trainer.jobs import compare, evaluate, examples, train

HELD_OUT = ("Baking", "Chess")
WITHOUT = ('examples.held_out_topics=["chess!", "Baking"]', "max_tokens=32", "people_per_batch=4", "phases=[{epochs: {titles: 1}}, {epochs: {labels: 1}}]")
COFFEE = ("examples.test_share=0.9", "examples.validation_share=0", "examples.min_past_units=2", "evaluation.bootstrap_samples=20")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> LakeConfig:
    """A lake whose encoder was trained without two topics."""
    lake = LakeConfig(path=str(tmp_path_factory.mktemp("home") / "lake"))
    write_people(lake)
    found = arrow_tables.read(lake, SEQUENCES).to_pylist()
    for each in (each for row in found for each in row["units"]):
        each["title"] = f"On {each['text'].removeprefix('I keep thinking about ')}"
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, found))
    examples.main(arguments(lake, *WITHOUT))
    train.main(arguments(lake, *WITHOUT))
    return lake.model_copy(update={"encoder_alias": "trained"})


def trained(lake: LakeConfig, *settings: str) -> list[str]:
    return [*arguments(lake, *settings), "--set", "lake.encoder_alias=trained"]


def evaluated(capsys: pytest.CaptureFixture[str], *words: str) -> EvaluationResult:
    capsys.readouterr()
    evaluate.main([*words, "--json"])
    return EvaluationResult(**json.loads(capsys.readouterr().out))


def test_nobody_who_trains_or_chooses_has_an_answer_of_a_held_out_topic(home: LakeConfig) -> None:
    held_out = {answer_key(text) for broad in HELD_OUT for text in (broad, *(f"{each} {number}" for each in TOPICS[broad] for number in range(3)))}
    titles = {"train": [], "validation": [], "test": []}  # type: dict[str, list[str]]
    for row in rows(home):
        person = int(row["person_id"].removeprefix("person"))
        has_one = words_of(person, 0)[1] in HELD_OUT and person < 15
        words = {answer_key(one[level]) for one in row["labelled"] for level in LEVELS}
        assert bool(words & held_out) is (has_one and row["split"] == "test")
        assert bool(words) is (person < 15 and not (has_one and row["split"] != "test"))
        assert {cut["labelled"] for cut in row["cuts"]} == {0} or words
        titles[row["split"]] += [row["history"][place]["title"] for cut in row["cuts"] for place in cut["entered"]]
        assert (row["platforms"], row["held_out_topics"]) == (["reddit"], '["baking", "chess"]')
    assert not [title for split in ("train", "validation") for title in titles[split] if "chess" in title or "baking" in title]
    assert [title for title in titles["test"] if "chess" in title]
    assert titles["train"]
    done = last_done_run(home, "trainer examples")
    assert done is not None
    assert (done.rows["broad labels held out"], done.rows["broad labels"]) == (2, 4)
    assert done.rows["labelled units of held-out topics"] == 24 * sum(words_of(person, 0)[1] in HELD_OUT for person in range(15))


def test_the_encoder_says_what_it_never_met_and_is_asked_about_it_apart(home: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    card = load_registered(home, "cpu").card
    assert card.held_out is not None
    assert (card.held_out.topics, card.platforms) == (("baking", "chess"), ["reddit"])
    readme = (registered_folder(home) / "README.md").read_text(encoding="utf-8")
    assert "from everybody's answers, the broad labels baking, chess with all specific labels beside one of them." in readme
    assert "They are of people of reddit." in readme
    result = evaluated(capsys, *trained(home))
    assert result.topics is not None
    assert (result.topics.broad, result.topics.broad_in_all, result.topics.are_held_out) == (2, 4, True)
    for level in LEVELS:
        for metric in ("matched_personal_auc", "personal_auc", "recall_at_10"):
            for name in (NEW, KNOWN):
                tuned, base, ahead = (result.score(scorer, metric, level, "all", name) for scorer in ("tuned", "base", "tuned - base"))
                assert ahead.mean == pytest.approx(tuned.mean - base.mean, nan_ok=True)
    assert result.score("popular", "mrr", "specific", "all", NEW).mean < result.score("popular", "mrr", "specific", "all", KNOWN).mean
    assert {(gain.level, gain.metric) for gain in result.kept} == {
        (level, metric) for level in LEVELS for metric in ("matched_personal_auc", "personal_auc", "recall_at_10")
    }
    evaluate.main(trained(home))
    said = " ".join(capsys.readouterr().out.split())
    assert "New topics: 2 of 4 broad labels with all specific ones beside them were held out" in said
    assert "Trained on reddit, asked on reddit. " in said
    assert "Specific labels, all futures, new topics (" in said
    assert "Of the lead over the base on the other topics" in said


def test_what_does_not_fit_is_told(home: LakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    lake = LakeConfig(path=str(shutil.copytree(home.path, tmp_path / "lake")))
    with pytest.raises(
        ContractError, match=r"of topics they hold out .*baking.*, and trainer\.examples\.held_out_topics is None; run 'kindred trainer examples'"
    ):
        train.main(arguments(lake, *WITHOUT[1:], "seed=8"))
    with pytest.raises(ConfigError, match=r"the encoder was trained without .*baking"):
        evaluate.main(trained(lake, "evaluation.topics=[Gardening]"))
    with pytest.raises(ConfigError, match=r"held_out_topics: no label has the broad 'trains'"):
        examples.main(arguments(lake, "examples.held_out_topics=[Chess, Trains]"))
    with pytest.raises(ConfigError, match=r"none of 4 broad labels falls into a share of 1e-06"):
        examples.main(arguments(lake, "examples.held_out_topics=1.0e-6"))
    examples.main(arguments(lake, *WITHOUT, "examples.cuts_per_person=3"))
    result = evaluated(capsys, *trained(lake))
    assert (result.topics, result.kept) == (None, [])
    assert "topics are not told apart: the encoder was trained without some, on other `examples`" in caplog.text


def test_topics_are_told_apart_for_an_encoder_that_knew_them_too_which_is_a_control(
    home: LakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = LakeConfig(path=str(shutil.copytree(home.path, tmp_path / "lake")))
    examples.main(arguments(lake))
    train.main(arguments(lake, *WITHOUT[1:]))
    result = evaluated(capsys, *trained(lake, "evaluation.topics=[Chess, Baking]"))
    assert result.topics is not None
    assert not result.topics.are_held_out
    assert result.score("tuned", "personal_auc", "specific", "all", "the same topics, trained on").people > 0
    evaluate.main(trained(lake, "evaluation.topics=[Chess, Baking]"))
    assert "They were NOT held out from this encoder" in " ".join(capsys.readouterr().out.split())


def test_encoders_are_compared_over_people_whom_none_of_them_met(home: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    tables = {spec.name: arrow_tables.table_version(home, spec) for spec in (EXAMPLES, JOB_RUNS)}
    folder = str(registered_folder(home))
    compare.main(["trained", "champion", folder, *arguments(home), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["people"] == sum(row["split"] == "test" for row in rows(home))
    scores = {(score["one"], score["other"], score["metric"], score["of"]): score for score in found["scores"]}
    assert len(scores) == 3 * 5
    for (one, other, metric, _), score in scores.items():
        if metric == "cosine after the best rotation":
            assert score["mean"] is None, "64 items and seven people do not tell how 384 numbers turn"
        elif {one, other} == {"trained", folder}:
            assert score["mean"] == pytest.approx(1)
        else:
            assert 0.5 < score["mean"] <= 1
    assert scores["trained", "champion", "cosine of a person's vectors", None]["mean"] < 0.999
    assert scores["trained", "champion", "ten best items", "specific"]["chance"] == pytest.approx(10 / 60)
    compare.main(["trained", "champion", *arguments(home)])
    assert "\ntrained and champion\n  ten nearest people " in capsys.readouterr().out
    assert {spec.name: arrow_tables.table_version(home, spec) for spec in (EXAMPLES, JOB_RUNS)} == tables
    with pytest.raises(ConfigError, match="expected two encoders or more"):
        compare.main(["trained", *arguments(home)])
    with pytest.raises(EncoderError, match="no such encoder"):
        compare.main(["trained", "7", *arguments(home)])


@pytest.fixture
def coffee(spark: SparkSession, lake: LakeConfig) -> LakeConfig:
    """A lake of coffee.stackexchange, without labels and without an encoder."""
    if not (SHARED_DATA / "stackexchange").is_dir():
        pytest.skip("the sample of coffee.stackexchange is not there")
    shared = ["--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}"]
    ingest.main(["--platform", "stackexchange", "--dump", str(SHARED_DATA / "stackexchange"), *shared])
    units.main(shared)
    sequences.main(shared)
    examples.main(["--lake", lake.path, *settings_of(COFFEE)])
    return lake


def settings_of(settings: tuple[str, ...]) -> list[str]:
    return [word for setting in settings for word in ("--set", f"trainer.{setting}")]


def test_people_of_another_platform_are_strangers_all(
    home: LakeConfig, coffee: LakeConfig, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    asked = ["--lake", coffee.path, *settings_of(COFFEE), "--set", "lake.encoder_alias=trained"]
    with pytest.raises(EncoderError, match="no registry"):
        evaluate.main(asked)
    result = evaluated(capsys, home.path, *asked)
    test = [row for row in rows(coffee) if row["split"] == "test"]
    assert (result.platforms_met, result.platforms_asked) == (["reddit"], ["stackexchange"])
    assert result.title_people == sum(any(cut["entered"] for cut in row["cuts"]) for row in test) > 10
    assert "are not asked: this encoder was trained or chosen on them" not in caplog.text
    assert result.encoder_version == load_registered(home, "cpu").version
    assert result.score("tuned", "personal_auc", "title", "all").people == result.title_people
    runs = arrow_tables.table_version(coffee, EXAMPLES)
    registry.connect(home)
    uri = f"models:/{home.registered_model}@trained"
    for named in (str(registered_folder(home)), home.path):
        assert evaluated(capsys, named, *asked) == result
    elsewhere = ["--set", f"lake.mlflow_uri=sqlite:///{home.path}/_local/mlflow.db"]
    assert evaluated(capsys, uri, *asked, *elsewhere).scores == result.scores
    assert arrow_tables.table_version(coffee, EXAMPLES) == runs
    evaluate.main([home.path, *asked])
    assert "Trained on reddit, asked on stackexchange, of which it never saw anything." in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("encoder", "message"), [("models:/nothing/1", "models:/nothing/1: no such encoder"), ("no/such/folder", "no/such/folder: no such folder")]
)
def test_an_encoder_that_is_not_there_is_told(home: LakeConfig, encoder: str, message: str) -> None:
    with pytest.raises((EncoderError, ConfigError), match=message):
        evaluate.main([encoder, *arguments(home)])
