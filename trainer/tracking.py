"""Training runs and encoders in MLflow (edge). Follows https://mlflow.org/docs/3.x: LoggedModels, registry aliases.

A run that is FINISHED has done everything, the alias included: what a later run asks for. A run that died is marked KILLED by the next one, and goes on where
the next one has the same inputs on as many processes.
"""

import logging
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from mlflow.utils.logging_utils import disable_logging, enable_logging

from lake import registry
from lake.config import LakeConfig
from lake.tables import TableSpec, table_uri
from trainer.config import TrainerConfig, TrainingConfig
from trainer.fingerprint import EVALUATE, TRAIN

if TYPE_CHECKING:
    from lake.encoder import Encoder

logger = logging.getLogger(__name__)

TRAINED = "trained"
"""Alias of the encoder trained last, champion or not."""
INPUTS = "kindred.inputs"
"""Tag of a run: the fingerprint of what decided it."""
_RESULT_FILE = "evaluation.json"
_JOB, _HOST, _PROCESS, _PROCESSES = "kindred.job", "kindred.host", "kindred.process", "kindred.processes"


def is_finished(lake: LakeConfig, tags: Mapping[str, str]) -> bool:
    """Whether a training run with these tags did everything, and the alias that is served still stands."""
    return bool(_finished_runs(TRAIN, tags)) and _aliased_version(lake) is not None


def finished_evaluation(tags: Mapping[str, str]) -> Any:
    """What the newest evaluation with these tags found, as it was given to `log_evaluation`; None where there is none."""
    for run in _finished_runs(EVALUATE, tags):
        try:
            return mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/{_RESULT_FILE}")
        except MlflowException:
            logger.warning("MLflow run %s has lost its %s; evaluating again", run.info.run_id, _RESULT_FILE)
    return None


def close_dead_runs() -> None:
    """Mark runs of this machine as killed whose process is gone."""
    for run in _runs(TRAIN, f"tags.`{_HOST}` = '{socket.gethostname()}' and attributes.status = 'RUNNING'"):
        if not _is_alive(int(run.data.tags[_PROCESS])):
            logger.warning("MLflow run %s was left by a process that died; marking it as killed", run.info.run_id)
            mlflow.MlflowClient().set_terminated(run.info.run_id, "KILLED")


@contextmanager
def training_run(config: TrainerConfig, tags: Mapping[str, str], processes: int) -> Iterator[str]:
    """An MLflow run with the resolved configuration, yielding its id; failed where the block raises.

    The newest one of these tags on as many processes goes on if it was killed or failed: it would have taken the same steps.
    """
    own_tags = {_JOB: TRAIN, _HOST: socket.gethostname(), _PROCESS: str(os.getpid()), _PROCESSES: str(processes)}
    left = _unfinished_run({**tags, _PROCESSES: str(processes)})
    with mlflow.start_run(run_id=left, tags={**tags, **own_tags}) as run:
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
def evaluation_run(facts: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[str]:
    """An MLflow run named 'evaluate' with these facts as its parameters, yielding its id."""
    with mlflow.start_run(run_name="evaluate", tags={**tags, _JOB: EVALUATE}) as run:
        mlflow.log_params(dict(facts))
        yield run.info.run_id


def log_evaluation(result: Mapping[str, Any]) -> None:
    """Keep all that an evaluation found with its run."""
    mlflow.log_dict(dict(result), _RESULT_FILE)


def log_inputs(lake: LakeConfig, versions: Mapping[TableSpec, int], context: str = "training") -> None:
    """Note the Delta tables that were read, with their versions."""
    for spec, table_version in versions.items():
        source = DeltaDatasetSource(path=table_uri(lake.path, spec), delta_table_version=table_version)
        mlflow.log_input(MetaDataset(source, name=spec.name), context=context)  # type: ignore[abstract]
        mlflow.log_param(f"{spec.name}_version", table_version)


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Numbers of the run, at a step if one is given; NaN is left out."""
    mlflow.log_metrics({name: value for name, value in metrics.items() if value == value}, step=step)


def register(lake: LakeConfig, encoder: "Encoder", tags: Mapping[str, str]) -> str:
    """A new version of the registered model, its files complete before it is there; no alias points to it yet."""
    from lake.encoder import CARD_FILE, settle_tokenizer

    settle_tokenizer(encoder.model)
    logged = mlflow.sentence_transformers.log_model(
        encoder.model, name="encoder", signature=_signature(encoder.dimension), pip_requirements=_requirements(),
        metadata={"encoder_version": encoder.version, **encoder.card.model_dump(mode="json")},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / mlflow.sentence_transformers.SENTENCE_TRANSFORMERS_DATA_PATH
        inner.mkdir()
        (inner / CARD_FILE).write_text(encoder.card.model_dump_json(indent=2) + "\n", encoding="utf-8")
        mlflow.MlflowClient().log_model_artifacts(logged.model_id, folder)
    with _quiet_mlflow():
        registered = mlflow.register_model(logged.model_uri, lake.registered_model, tags={**tags, "kindred.encoder_version": encoder.version})
    return str(registered.version)


@contextmanager
def _quiet_mlflow() -> Iterator[None]:
    """MLflow prints lines of its own on what it registers; they are heard with --verbose alone."""
    if logger.isEnabledFor(logging.DEBUG):
        yield
        return
    disable_logging()
    try:
        yield
    finally:
        enable_logging()


def champion_version(lake: LakeConfig) -> str | None:
    """`encoder_version` of what the alias names; None where it names nothing."""
    found = _aliased_version(lake)
    return None if found is None else found.tags.get("kindred.encoder_version", "unknown")


def move_alias(lake: LakeConfig, alias: str, model_version: str) -> None:
    """Let an alias name this version of the registered model."""
    mlflow.MlflowClient().set_registered_model_alias(lake.registered_model, alias, model_version)


def _aliased_version(lake: LakeConfig) -> Any:
    try:
        return mlflow.MlflowClient().get_model_version_by_alias(lake.registered_model, lake.encoder_alias)
    except MlflowException:
        return None


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


def _signature(dimension: int) -> ModelSignature:
    return ModelSignature(inputs=Schema([ColSpec("string")]), outputs=Schema([TensorSpec(np.dtype("float32"), (-1, dimension))]))


def _requirements() -> list[str]:
    """What the model needs to be loaded; given, since MLflow would run it to find out."""
    return [f"{name}=={version(name)}" for name in ("sentence-transformers", "transformers", "torch")]
