"""Training as a job: real MiniLM, Delta, MLflow on SQLite; people whose made-up words only training can link to their labels."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import mlflow
import pytest

from conf.errors import ContractError
from lake import arrow_tables, registry
from lake.config import LakeConfig
from lake.encoder import load_registered, registered_folder
from lake.examples import EXAMPLES, HeldOut
from lake.job_runs import JOB_RUNS
from lake.labels import ITEMS, LEVELS
from lake.schema import rows_table
from tests.planted_people import planted_examples, write_planted
from trainer import publishing, tracking
from trainer.config import TrainerConfig
from trainer.evaluation.people import training_counts
from trainer.evaluation.questions import questions_of
from trainer.jobs.train import main
from trainer.student import base_encoder, base_of

ROOT = Path(__file__).parents[2]
SETTINGS = {"max_tokens": 48, "people_per_batch": 8, "phases": "[{epochs: {labels: 2}}]", "learning_rate": 0.0003}


def arguments(lake: LakeConfig, **changes: object) -> list[str]:
    return ["--lake", lake.path, *(word for name, value in (SETTINGS | changes).items() for word in ("--set", f"trainer.{name}={value}"))]


def command(lake: LakeConfig, **changes: object) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "trainer.jobs.train", *arguments(lake, **changes)], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )


def runs_by_status(lake: LakeConfig) -> list[str]:
    registry.connect(lake)
    return sorted(run.info.status for run in mlflow.search_runs(experiment_names=[registry.EXPERIMENT], output_format="list"))


def versions_of(lake: LakeConfig) -> list[str]:
    registry.connect(lake)
    return sorted(found.version for found in mlflow.MlflowClient().search_model_versions(f"name = '{lake.registered_model}'"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> LakeConfig:
    """A lake whose champion was trained by an undisturbed run, in a process of its own."""
    lake = LakeConfig(path=str(tmp_path_factory.mktemp("trained")))
    write_planted(lake, train=24, validation=12)
    process = command(lake)
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors[-3000:]
    assert "beats its base" in errors
    return lake


def test_the_champion_is_loaded_by_alias_with_its_card(trained: LakeConfig) -> None:
    encoder = load_registered(trained, "cpu")
    assert encoder.card.trained_on == {"examples": arrow_tables.table_version(trained, EXAMPLES), "items": arrow_tables.table_version(trained, ITEMS)}
    assert encoder.card.max_tokens == SETTINGS["max_tokens"]
    assert encoder.card.held_out == HeldOut(validation_share=0.15, test_share=0.25)
    assert encoder.version == publishing.champion_version(trained)
    assert encoder.version != base_encoder(TrainerConfig(max_tokens=48), "cpu").version
    assert not [path for path in registered_folder(trained).rglob("*") if path.suffix in {".bin", ".pkl", ".pt"}]


def test_the_run_says_what_it_read_and_how_it_went(trained: LakeConfig) -> None:
    registry.connect(trained)
    (run,) = mlflow.search_runs(experiment_names=[registry.EXPERIMENT], output_format="list")
    assert run.data.params["max_tokens"] == "48"
    assert run.data.params["examples_version"] == str(arrow_tables.table_version(trained, EXAMPLES))
    assert {entry.dataset.name for entry in run.inputs.dataset_inputs} == {"examples", "items"}
    assert run.data.metrics["validation_personal_auc_tuned"] > run.data.metrics["validation_personal_auc_base"] + 0.1
    assert run.data.metrics["validation_tuned_minus_base/new_low"] > 0
    assert len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")) == 6
    assert run.info.run_name == "train all-MiniLM-L6-v2 on labels of 24 people"
    assert run.data.metrics["system/system_memory_usage_megabytes"] > 0
    assert 0 < run.data.metrics["distance_to_base"] < 0.5
    assert run.data.metrics["probe_mrr_base"] > 0.7
    assert run.data.metrics["probe_mrr_tuned"] != run.data.metrics["probe_mrr_base"]
    version = mlflow.MlflowClient().get_model_version_by_alias(trained.registered_model, "champion")
    assert "fine-tuned from all-MiniLM-L6-v2 on labels of 24 people" in version.description
    assert version.tags["kindred.made"] == "trained"
    info = mlflow.models.get_model_info(f"models:/{trained.registered_model}/{version.version}")
    assert info.signature is not None
    encoder = load_registered(trained, "cpu")
    assert info.metadata["encoder_version"] == encoder.version
    assert encoder.card.temperature == pytest.approx(run.data.metrics["temperature"])
    fitted, of_base = encoder.card.popularity_weights, encoder.card.popularity_weights_of_base
    assert set(fitted) == set(of_base) == set(LEVELS)
    assert base_of(encoder, "cpu").card.popularity_weights == of_base
    assert "w = " + ", ".join(f"{weight:g} ({level} labels)" for level, weight in fitted.items()) in (registered_folder(trained) / "README.md").read_text()


def test_counts_are_those_of_the_people_trained_on(trained: LakeConfig) -> None:
    examples, items = arrow_tables.read(trained, EXAMPLES).to_pylist(), arrow_tables.read(trained, ITEMS)
    version = arrow_tables.table_version(trained, EXAMPLES)
    assert version is not None
    questions = questions_of([example for example in examples if example["split"] == "validation"], items)
    found = training_counts(trained, version, questions)
    for level in LEVELS:
        done = Counter(label[f"{level}_item_id"] for example in examples if example["split"] == "train" for label in example["labelled"])
        assert found[level].tolist() == [done[item_id] for item_id in questions.levels[level].item_ids]
        assert found[level].sum() > 0


def test_the_card_has_the_run_s_scores_and_settings(trained: LakeConfig) -> None:
    registry.connect(trained)
    (run,) = mlflow.search_runs(experiment_names=[registry.EXPERIMENT], output_format="list")
    text, numbers = (registered_folder(trained) / "README.md").read_text(encoding="utf-8"), run.data.metrics
    auc = [numbers[f"validation_personal_auc_{name}"] for name in ("tuned", "base")]
    assert f"12 validation people | {auc[0]:.3f} | {auc[1]:.3f} |" in text
    assert f"distance to the base | {numbers['distance_to_base']:.3f} |" in text
    assert "| `learning_rate` | `0.0003` |" in text
    assert "15% of all people to choose an encoder by, and 25% to judge it by" in text


def test_a_second_run_does_nothing(trained: LakeConfig) -> None:
    job_runs = arrow_tables.table_version(trained, JOB_RUNS)
    main(arguments(trained))
    assert arrow_tables.table_version(trained, JOB_RUNS) == job_runs
    assert versions_of(trained) == [1]


def test_a_killed_run_goes_on_and_gives_the_encoder_of_an_undisturbed_run(trained: LakeConfig, tmp_path: Path) -> None:
    lake = LakeConfig(path=str(tmp_path))
    write_planted(lake, train=24, validation=12)
    process = command(lake, checkpoint_steps=1)
    deadline = time.monotonic() + 400
    while not list((lake.local_dir() / "checkpoints").glob("*/1-processes/step-*")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert versions_of(lake) == []
    again = command(lake)
    _, errors = again.communicate(timeout=400)
    assert again.returncode == 0, errors[-3000:]
    assert "going on after step" in errors
    assert runs_by_status(lake) == ["FINISHED"]
    (run,) = mlflow.search_runs(experiment_names=[registry.EXPERIMENT], output_format="list")
    for name in ("loss", "learning_rate", "gradient_norm", "tokens_per_second", "padding_share", "micro_batches"):
        assert [metric.step for metric in mlflow.MlflowClient().get_metric_history(run.info.run_id, name)] == [1, 2, 3, 4, 5, 6], name
    assert sorted(entry.dataset.name for entry in run.inputs.dataset_inputs) == ["examples", "items"]
    assert load_registered(lake, "cpu").version == load_registered(trained, "cpu").version
    assert not list((lake.local_dir() / "checkpoints").iterdir())


def test_a_run_that_failed_goes_on_with_the_same_inputs_on_as_many_processes(lake: LakeConfig) -> None:
    registry.connect(lake)

    def run(inputs: str, processes: int, fails: bool) -> tuple[str, int]:
        """Id of the MLflow run, and the newest step that it had before this one logged the next."""
        with suppress(ContractError), tracking.training_run(TrainerConfig(), {tracking.INPUTS: inputs}, processes, "train") as run_id:
            logged = tracking.last_logged_step()
            tracking.log_metrics({"loss": 1.0}, logged + 1)
            if fails:
                raise ContractError
        return run_id, logged

    first, _ = run("a", 1, fails=True)
    assert run("b", 1, fails=False)[0] != first
    assert run("a", 2, fails=False)[0] != first
    assert run("a", 1, fails=False) == (first, 1)
    assert mlflow.get_run(first).info.status == "FINISHED"
    assert run("a", 1, fails=False)[0] != first, "what has finished stays as it is"


def test_what_learned_from_shuffled_labels_is_not_served_but_its_base_is(lake: LakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    write_planted(lake, train=8, validation=4)
    control = arguments(lake, shuffle_labels=True, phases="[{epochs: {labels: 1}}]")
    main(control)
    assert (
        "4 validation people are too few to choose an encoder by, trainer.evaluation.min_people_to_choose is 10: 'champion' is the untouched base"
        in caplog.text
    )
    base = base_encoder(TrainerConfig(max_tokens=48), "cpu").version
    assert load_registered(lake, "cpu").version == base
    assert "the untouched base, beside what was fine-tuned" in (registered_folder(lake) / "README.md").read_text(encoding="utf-8")
    trained_last = lake.model_copy(update={"encoder_alias": publishing.TRAINED})
    assert "on labels of 8 people, shuffled" in (registered_folder(trained_last) / "README.md").read_text(encoding="utf-8")
    assert load_registered(trained_last, "cpu").version != base
    main(control)
    assert versions_of(lake) == [1, 2]
    main(arguments(lake, phases="[{epochs: {labels: 1}}]"))
    assert "'champion' is what it was" in caplog.text
    assert load_registered(lake, "cpu").version == base


def test_without_people_to_train_on_the_job_says_so_and_registers_nothing(lake: LakeConfig) -> None:
    write_planted(lake, train=0, validation=3)
    with pytest.raises(ContractError, match="no person"):
        main(arguments(lake))
    assert versions_of(lake) == []


def test_nobody_of_a_held_out_community_helps_to_choose_the_encoder(lake: LakeConfig) -> None:
    people = planted_examples(train=8, validation=2)
    people[-1]["communities"] = ["talk", "tea"]
    arrow_tables.overwrite(lake, EXAMPLES, rows_table(EXAMPLES, people))
    with pytest.raises(ContractError, match=r"examples: 1 of 10 people to train on or to choose by are held out by .*held_out_communities \['tea'\]"):
        main([*arguments(lake), "--set", "trainer.examples.held_out_communities=[tea]"])


def test_examples_that_were_cut_with_other_shares_are_not_trained_on(lake: LakeConfig) -> None:
    write_planted(lake, train=8, validation=2)
    with pytest.raises(
        ContractError,
        match=r"examples: \d of 10 people to train on or to choose by are held out by .*test_share 0\.7 and held_out_communities \[\]; run 'kindred trainer examples'",
    ):
        main([*arguments(lake), "--set", "trainer.examples.test_share=0.7"])
    assert versions_of(lake) == []
