"""Runs of training, merging and evaluation in MLflow (edge). Follows https://mlflow.org/docs/3.x.

A run that is FINISHED has done everything, the alias included: what a later run asks for. A run that died is marked KILLED by the next one, and goes on where
the next one has the same inputs on as many processes.
"""

import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import mlflow
from mlflow.entities import ViewType
from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING
from mlflow.exceptions import MlflowException

from lake import registry
from trainer.config import TrainerConfig, TrainingConfig
from trainer.fingerprint import ABLATE, EVALUATE, MERGE, TRAIN

logger = logging.getLogger(__name__)

INPUTS = "kindred.inputs"
"""Tag of a run: the fingerprint of what decided it."""
SECONDS_BETWEEN_SAMPLES = 5
"""Of the load of the machine, unless MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL says otherwise."""
_RESULT_FILE, _PEOPLE_FILE = "evaluation.json", "people.json"
_VARIANT = "ablate "
_JOB, _HOST, _PROCESS, _PROCESSES = "kindred.job", "kindred.host", "kindred.process", "kindred.processes"


def is_finished(tags: Mapping[str, str]) -> bool:
    """Whether a training run with these tags did everything."""
    return bool(_finished_runs(TRAIN, tags))


def finished_evaluation(tags: Mapping[str, str], job: str = EVALUATE) -> Any:
    """What the newest evaluation with these tags found, as it was given to `log_evaluation`; None where there is none."""
    for run in _finished_runs(job, tags):
        try:
            return mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/{_RESULT_FILE}")
        except MlflowException:
            logger.warning("MLflow run %s has lost its %s; evaluating again", run.info.run_id, _RESULT_FILE)
    return None


@dataclass(frozen=True)
class KeptEvaluation:
    """What an evaluation left in MLflow: its run, when it began (UTC), what it found, and the people to show, both as they were given to be kept."""

    run_id: str
    made_at: datetime
    found: Mapping[str, Any]
    people: Sequence[Mapping[str, Any]]


def newest_evaluation(encoder_version: str) -> KeptEvaluation | None:
    """The newest finished evaluation of an encoder, on whatever tables; None where there is none, or where what it kept is lost."""
    for run in _runs(EVALUATE, f"params.encoder_version = '{encoder_version}' and attributes.status = 'FINISHED'"):
        made_at = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
        try:
            found, kept = (mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/{file}") for file in (_RESULT_FILE, _PEOPLE_FILE))
        except MlflowException:
            logger.warning("MLflow run %s has no %s and %s", run.info.run_id, _RESULT_FILE, _PEOPLE_FILE)
            continue
        return KeptEvaluation(run.info.run_id, made_at, found, kept["people"])
    return None


def variants_found() -> dict[str, Any]:
    """Name of each variant of an ablation -> what its newest finished run found, in the order in which they were made; those that lost it are left out."""
    found: dict[str, Any] = {}
    for run in _runs(ABLATE, "attributes.status = 'FINISHED'"):
        name = run.info.run_name.removeprefix(_VARIANT)
        with suppress(MlflowException):
            found.setdefault(name, mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/{_RESULT_FILE}"))
    return dict(reversed(found.items()))


def keep_page(run_id: str, encoder_version: str, page: str) -> None:
    """Keep the page on an encoder with a run, in the place of the one that it has; a run may have made two encoders, what it trained and the base."""
    mlflow.MlflowClient().log_text(run_id, page, f"report-{encoder_version}.html")


def close_dead_runs() -> None:
    """Mark runs of this machine as killed whose process is gone."""
    for run in _runs(TRAIN, f"tags.`{_HOST}` = '{socket.gethostname()}' and attributes.status = 'RUNNING'"):
        if not _is_alive(int(run.data.tags[_PROCESS])):
            logger.warning("MLflow run %s was left by a process that died; marking it as killed", run.info.run_id)
            mlflow.MlflowClient().set_terminated(run.info.run_id, "KILLED")


@contextmanager
def training_run(config: TrainerConfig, tags: Mapping[str, str], processes: int, name: str) -> Iterator[str]:
    """An MLflow run with the resolved configuration and the load of the machine, yielding its id; failed where the block raises.

    The newest one of these tags on as many processes goes on if it was killed or failed: it would have taken the same steps.
    """
    own_tags = {_JOB: TRAIN, _HOST: socket.gethostname(), _PROCESS: str(os.getpid()), _PROCESSES: str(processes)}
    left = _unfinished_run({**tags, _PROCESSES: str(processes)})
    with mlflow.start_run(left, run_name=name, tags={**tags, **own_tags}, log_system_metrics=False) as run, system_metrics(run.info.run_id):
        if left is None:
            mlflow.log_params({name: getattr(config, name) for name in TrainingConfig.model_fields})
        else:
            logger.info("MLflow run %s goes on", left)
        mlflow.log_dict(config.model_dump(mode="json"), "config.json")
        yield run.info.run_id


def last_logged_step() -> int:
    """The newest step whose numbers the run that is under way has; 0 where it has none."""
    run = mlflow.active_run()
    assert run is not None
    return max((metric.step for metric in mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")), default=0)


@contextmanager
def system_metrics(run_id: str) -> Iterator[None]:
    """Log processors, memory, disk, network and GPUs of this machine while the block runs; not where psutil is absent or MLflow is told not to."""
    told = MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING
    try:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(run_id, SECONDS_BETWEEN_SAMPLES, resume_logging=True) if not told.is_set() or told.get() else None
    except ImportError as error:
        logger.debug("no system metrics: %s", error)
        monitor = None
    if monitor is None:
        yield
        return
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()


@contextmanager
def evaluation_run(facts: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[str]:
    """An MLflow run with these facts as its parameters, named after encoder and people, yielding its id."""
    with mlflow.start_run(run_name=f"evaluate {facts['encoder_version']} on {facts['people']} people", tags={**tags, _JOB: EVALUATE}) as run:
        mlflow.log_params(dict(facts))
        yield run.info.run_id


@contextmanager
def ablation_run(variant: str, tags: Mapping[str, str]) -> Iterator[str]:
    """An MLflow run for what a variant of an ablation found, yielding its id."""
    with mlflow.start_run(run_name=f"{_VARIANT}{variant}", tags={**tags, _JOB: ABLATE}) as run:
        yield run.info.run_id


@contextmanager
def merge_run(name: str, facts: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[str]:
    """An MLflow run with these facts as its parameters, yielding its id."""
    with mlflow.start_run(run_name=name, tags={**tags, _JOB: MERGE}) as run:
        mlflow.log_params(dict(facts))
        yield run.info.run_id


def log_evaluation(result: Mapping[str, Any]) -> None:
    """Keep all that an evaluation found with its run."""
    mlflow.log_dict(dict(result), _RESULT_FILE)


def log_shown_people(people: Sequence[Mapping[str, Any]]) -> None:
    """Keep the people who may be looked at with the evaluation's run: pseudonyms, and words of theirs."""
    mlflow.log_dict({"people": list(people)}, _PEOPLE_FILE)


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Numbers of the run, at a step if one is given; NaN is left out."""
    mlflow.log_metrics({name: value for name, value in metrics.items() if value == value}, step=step)


def _finished_runs(job: str, tags: Mapping[str, str]) -> list[Any]:
    return _runs(job, f"{_with_tags(tags)} and attributes.status = 'FINISHED'")


def _unfinished_run(tags: Mapping[str, str]) -> str | None:
    """Id of the newest training run with these tags that nobody works on any more."""
    left = [run.info.run_id for run in _runs(TRAIN, _with_tags(tags)) if run.info.status in ("KILLED", "FAILED")]
    return left[0] if left else None


def _with_tags(tags: Mapping[str, str]) -> str:
    return " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())


def _runs(job: str, filter_string: str) -> list[Any]:
    """Runs of a job, newest first."""
    experiment = mlflow.get_experiment_by_name(registry.EXPERIMENT)
    assert experiment is not None
    wanted = f"tags.`{_JOB}` = '{job}' and {filter_string}"
    return list(mlflow.MlflowClient().search_runs([experiment.experiment_id], wanted, ViewType.ACTIVE_ONLY))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
