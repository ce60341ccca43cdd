"""Distilled teachers in the MLflow registry, as `teacher.model` names them (edge)."""

from conf.errors import ConfigError
from lake import registry
from lake.config import LakeConfig
from teacher.config import TeacherConfig

SCHEME = "models:/"


def with_model_here(lake: LakeConfig, config: TeacherConfig) -> TeacherConfig:
    """The settings with the folder on this machine of a model that the registry names (models:/NAME@ALIAS, models:/NAME/3); others as they are. Raises ConfigError where it has none."""
    if config.engine != "vllm" or not config.model.startswith(SCHEME):
        return config
    from mlflow.exceptions import MlflowException

    registry.connect(lake)
    try:
        return config.model_copy(update={"model": str(registry.local_folder(config.model))})
    except MlflowException as error:
        raise ConfigError(
            f"teacher.model: the registry has no {config.model!r} ({error.message}); 'kindred teacher distil' makes one, and lake.mlflow_uri says whose registry is asked"
        ) from None
