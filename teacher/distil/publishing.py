"""Distilled teachers in MLflow: the run that made one, its files and card, and the alias of the best (edge). Follows https://mlflow.org/docs/3.x: LoggedModels, registry aliases."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from lake import registry
from lake.config import LakeConfig
from lake.labels import LABELS
from lake.units import UNITS
from teacher.config import DistilConfig
from teacher.distil.folder import FOLDER
from teacher.distil.loop import Step
from teacher.distil.plan import Plan

JOB = "teacher distil"
INPUTS, TEACHER_VERSION = "kindred.inputs", "kindred.teacher_version"
"""Tags: the fingerprint of what decided the weights, of a run and of a registered version; and as whom its labels stand in `labels`."""


def teachers_of(lake: LakeConfig, config: DistilConfig) -> LakeConfig:
    """The lake's settings with the registered model of teachers in the place of the encoder's."""
    return lake.model_copy(update={"registered_model": config.registered_model, "encoder_alias": config.alias})


def version_of(lake: LakeConfig, config: DistilConfig, fingerprint: str) -> str | None:
    """Number of the registered version with these inputs; None where there is none."""
    return registry.find_version(teachers_of(lake, config), INPUTS, fingerprint)


def best_version(config: DistilConfig) -> str | None:
    """Number of the version that the alias names; None where it names nothing."""
    try:
        return str(mlflow.MlflowClient().get_model_version_by_alias(config.registered_model, config.alias).version)
    except MlflowException:
        return None


def is_finished(fingerprint: str) -> bool:
    """Whether a run of these inputs did everything, the alias included."""
    return bool(_runs(fingerprint, "= 'FINISHED'"))


@contextmanager
def distil_run(lake: LakeConfig, plan: Plan, config: DistilConfig) -> Iterator[None]:
    """An MLflow run with settings and table versions; the newest one of these inputs goes on if it did not finish."""
    left = next((str(run.info.run_id) for run in _runs(plan.fingerprint, "!= 'FINISHED'")), None)
    name = f"distil {plan.base.model} from {plan.strong[:24]}"
    with mlflow.start_run(left, run_name=name, tags={INPUTS: plan.fingerprint, "kindred.job": JOB}):
        if left is None:
            mlflow.log_params(config.model_dump(mode="json"))
            mlflow.log_params({"strong_teacher": plan.strong, "contents_to_learn": len(plan.lessons.learned), "contents_held_out": len(plan.lessons.held_out)})
            registry.log_inputs(lake, {spec: plan.tables.version(spec) for spec in (LABELS, UNITS)})
        yield


def step_log() -> "StepLog":
    """Where the steps of the run that is under way are logged."""
    run = mlflow.active_run()
    assert run is not None
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    return StepLog(max((metric.step for metric in history), default=0))


class StepLog:
    """Logs steps, each once: those between its last checkpoint and its end a killed run takes again."""

    def __init__(self, last: int) -> None:
        self._last = last

    def add(self, step: Step) -> None:
        """Log the numbers of a step, unless they were."""
        if step.number > self._last:
            mlflow.log_metrics(step.metrics(), step=step.number)


def register(folder: Path, config: DistilConfig, tags: Mapping[str, Any], card: str, metrics: Mapping[str, float]) -> str:
    """A new version of the registered teacher out of its folder, with its card (Markdown); no alias points to it yet."""
    mlflow.log_metrics({f"held_out.{name}": value for name, value in metrics.items() if value == value})
    client = mlflow.MlflowClient()
    run = mlflow.active_run()
    assert run is not None
    logged = mlflow.initialize_logged_model(name=FOLDER, source_run_id=run.info.run_id, model_type="teacher")
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "README.md").write_text(card, encoding="utf-8")
        client.log_model_artifacts(logged.model_id, place)
    client.log_model_artifacts(logged.model_id, str(folder))
    mlflow.finalize_logged_model(logged.model_id, "READY")
    with registry.quiet_mlflow():
        registered = mlflow.register_model(f"models:/{logged.model_id}", config.registered_model, tags={name: str(value) for name, value in tags.items()})
    return str(registered.version)


def _runs(fingerprint: str, status: str) -> list[Any]:
    """Runs of these inputs whose status is so, newest first."""
    experiment = mlflow.get_experiment_by_name(registry.EXPERIMENT)
    assert experiment is not None
    wanted = f"tags.`kindred.job` = '{JOB}' and tags.`{INPUTS}` = '{fingerprint}' and attributes.status {status}"
    return list(mlflow.MlflowClient().search_runs([experiment.experiment_id], wanted, ViewType.ACTIVE_ONLY))
