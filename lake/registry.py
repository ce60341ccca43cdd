"""The MLflow tracking server and registry of a lake (edge). One place decides where they are."""

import os
from pathlib import Path

from lake.config import LakeConfig

EXPERIMENT = "kindred"


def connect(lake: LakeConfig) -> None:
    """Point MLflow at the lake's tracking and registry; by default SQLite and files in `<lake>/_local`, made where absent."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    uri, artifacts = lake.mlflow_uri, None
    if uri is None:
        folder = lake.local_dir()
        folder.mkdir(parents=True, exist_ok=True)
        uri, artifacts = f"sqlite:///{folder / 'mlflow.db'}", (folder / "mlartifacts").as_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    if mlflow.get_experiment_by_name(EXPERIMENT) is None:
        mlflow.create_experiment(EXPERIMENT, artifact_location=artifacts)
    mlflow.set_experiment(EXPERIMENT)


def model_uri(lake: LakeConfig) -> str:
    """URI of the encoder that the alias names, e.g. 'models:/kindred-encoder@champion'."""
    return f"models:/{lake.registered_model}@{lake.encoder_alias}"


def local_folder(uri: str) -> Path:
    """Files of a registered model on this machine, downloaded where the registry is remote."""
    import mlflow

    return Path(mlflow.artifacts.download_artifacts(uri))
