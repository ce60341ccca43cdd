"""The MLflow tracking server and registry of a lake (edge): encoders, and distilled teachers. One place decides where they are."""

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from conf.errors import EncoderError
from lake.config import LakeConfig
from lake.presence import registry_file
from lake.tables import TableSpec, table_uri

logger = logging.getLogger(__name__)

EXPERIMENT = "kindred"
ENCODER_VERSION = "kindred.encoder_version"
"""Tag of a registered version: the hash of the encoder's content."""
_PLACES = (
    ("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"), ("model_versions", "storage_location"),
    ("model_versions", "source"),
)  # fmt: skip
"""Tables and columns in which MLflow keeps where files are, as absolute URIs."""


def connect(lake: LakeConfig) -> None:
    """Point MLflow at the lake's tracking and registry; by default SQLite and files in `<lake>/_local`, made where absent, at home where the lake was moved."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    uri, artifacts = lake.mlflow_uri, None
    if uri is None:
        database, artifacts = registry_file(lake), _artifacts(lake)
        database.parent.mkdir(parents=True, exist_ok=True)
        _bring_home(database, artifacts)
        uri = "sqlite:///" + _quoted(database)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    if mlflow.get_experiment_by_name(EXPERIMENT) is None:
        mlflow.create_experiment(EXPERIMENT, artifact_location=artifacts)
    mlflow.set_experiment(EXPERIMENT)
    if lake.mlflow_uri is None and _quoted(database := registry_file(lake)) != str(database):
        mlflow.MlflowClient().search_registered_models(max_results=1)
        with suppress(OSError):  # MLflow makes the database's folder by the path as it stands in the URI, too
            os.removedirs(Path(_quoted(database)).parent)


def model_uri(lake: LakeConfig, name: str | None = None) -> str:
    """URI of an encoder by version number or alias, e.g. 'models:/kindred-encoder/3'; by the lake's alias where no name is given."""
    name = lake.encoder_alias if name is None else name
    return f"models:/{lake.registered_model}" + (f"/{name}" if name.isdigit() else f"@{name}")


def find_version(lake: LakeConfig, tag: str, value: str) -> str | None:
    """Number of the newest registered version with this tag; None where there is none."""
    import mlflow

    found = mlflow.MlflowClient().search_model_versions(f"name = '{lake.registered_model}' and tags.`{tag}` = '{value}'")
    return str(max(int(each.version) for each in found)) if found else None


def move_alias(lake: LakeConfig, alias: str, model_version: str) -> None:
    """Let an alias name this version of the registered model."""
    import mlflow

    mlflow.MlflowClient().set_registered_model_alias(lake.registered_model, alias, model_version)


def log_inputs(lake: LakeConfig, versions: Mapping[TableSpec, int], context: str = "training") -> None:
    """Note in the run that is under way the Delta tables that were read, with their versions."""
    import mlflow
    from mlflow.data.delta_dataset_source import DeltaDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    for spec, table_version in versions.items():
        source = DeltaDatasetSource(path=table_uri(lake.path, spec), delta_table_version=table_version)
        mlflow.log_input(MetaDataset(source, name=spec.name), context=context)  # type: ignore[abstract]
        mlflow.log_param(f"{spec.name}_version", table_version)


@contextmanager
def quiet_mlflow() -> Iterator[None]:
    """MLflow prints lines of its own on what it registers; they are heard with --verbose alone."""
    from mlflow.utils.logging_utils import disable_logging, enable_logging

    if logger.isEnabledFor(logging.DEBUG):
        yield
        return
    disable_logging()
    try:
        yield
    finally:
        enable_logging()


def local_folder(uri: str) -> Path:
    """Files of a registered model on this machine, downloaded where the registry is remote."""
    import mlflow

    return Path(mlflow.artifacts.download_artifacts(uri))


def _quoted(database: Path) -> str:
    """A path as SQLAlchemy reads it in a URI: it takes other characters as they are."""
    return str(database).replace("%", "%25").replace("?", "%3F")


def _artifacts(lake: LakeConfig) -> str:
    return (lake.local_dir() / "mlartifacts").as_uri()


def _bring_home(database: Path, artifacts: str) -> None:
    """Correct where files are, all at once, in a registry that came to another folder with its lake: MLflow would look for them, and write, where they were."""
    if not database.is_file():
        return
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=60, isolation_level=None)) as registry:
            if _recorded(registry) in (None, artifacts):
                return
            registry.execute("BEGIN IMMEDIATE")
            recorded = _recorded(registry)  # another process may have been faster
            if recorded is not None:
                for table, column in _PLACES:
                    is_below = f"{column} = ? OR substr({column}, 1, ?) = ?"
                    below = (recorded, len(recorded) + 1, f"{recorded}/")
                    registry.execute(f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {is_below}", (artifacts, len(recorded) + 1, *below))
            registry.execute("COMMIT")
    except sqlite3.Error as error:
        raise EncoderError(
            f"{database}: cannot be corrected to where the lake is now, {artifacts} ({error}); expected MLflow's SQLite file, writable: "
            "make it so, or copy it from the lake again"
        ) from None


def _recorded(registry: sqlite3.Connection) -> str | None:
    """Where the registry believes that its files are; None where it knows of no experiment of ours."""
    if not registry.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
        return None
    found = registry.execute("SELECT artifact_location FROM experiments WHERE name = ?", (EXPERIMENT,)).fetchone()
    return None if found is None else str(found[0])
