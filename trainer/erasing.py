"""Taking people and their words out of what MLflow keeps of evaluations: the people who are shown, and pages (edge). Weights of encoders stay."""

import html
import json
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import mlflow
from mlflow.entities import ViewType
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from lake import registry
from lake.config import LakeConfig
from lake.presence import has_registry
from lake.remains import Traces

logger = logging.getLogger(__name__)

GONE_PAGE = "<!doctype html>\n<title>Erased</title>\n<p>This page held words of somebody who was forgotten. 'kindred trainer report' makes it anew.</p>\n"
ERASED = "[erased]"


def erase_from_tracking(lake: LakeConfig, traces: Traces) -> int:
    """Write JSON that has any of these traces anew without them, and pages as GONE_PAGE. How many files there were."""
    if not has_registry(lake):
        return 0
    changed = 0
    for file in _kept_files(lake):
        if traces.in_text(html.unescape(file.content)):
            is_json = file.path.endswith(".json")
            file.write(json.dumps(without_traces(json.loads(file.content), traces), indent=2) if is_json else GONE_PAGE)
            changed += 1
    return changed


def left_in_tracking(lake: LakeConfig, traces: Traces) -> list[str]:
    """Files of runs that have any of these traces, as 'run/path'."""
    if not has_registry(lake):
        return []
    return [f"{file.run_id}/{file.path}" for file in _kept_files(lake) if traces.in_text(html.unescape(file.content))]


def trained_encoders(lake: LakeConfig) -> list[str]:
    """Registered encoders that were trained or merged, as 'name/number (encoder_version)': whoever is forgotten stays in their weights."""
    if not has_registry(lake):
        return []
    registry.connect(lake)
    versions = mlflow.MlflowClient().search_model_versions(f"name = '{lake.registered_model}'")
    trained = [found for found in versions if found.tags.get("kindred.made") != "base"]
    return [
        f"{found.name}/{found.version} ({found.tags.get(registry.ENCODER_VERSION, 'unknown')})"
        for found in sorted(trained, key=lambda found: int(found.version))
    ]


def without_traces(value: Any, traces: Traces) -> Any:
    """JSON without traces: an entry of a list goes that has one anywhere in it, a text that is no such entry becomes ERASED."""
    if isinstance(value, dict):
        return {name: without_traces(inner, traces) for name, inner in value.items() if not traces.in_text(name)}
    if isinstance(value, list):
        return [inner for inner in value if not traces.in_text(json.dumps(inner, ensure_ascii=False))]
    return ERASED if isinstance(value, str) and traces.in_text(value) else value


@dataclass(frozen=True)
class _KeptFile:
    """A file of words that a run keeps: where it is, and what it says."""

    run_id: str
    path: str
    content: str
    store: ArtifactRepository

    def write(self, content: str) -> None:
        """Say something else in its place."""
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / PurePosixPath(self.path).name
            draft.write_text(content, encoding="utf-8")
            self.store.log_artifact(str(draft), str(PurePosixPath(self.path).parent) if "/" in self.path else None)


def _kept_files(lake: LakeConfig) -> Iterator[_KeptFile]:
    """Each JSON file and page that our runs keep beside their encoder."""
    registry.connect(lake)
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)
    client, token = mlflow.MlflowClient(), None
    experiment = client.get_experiment_by_name(registry.EXPERIMENT)
    assert experiment is not None
    while True:
        runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL, page_token=token)
        for run in runs:
            yield from _files_of_run(run.info.run_id, get_artifact_repository(run.info.artifact_uri))
        token = runs.token
        if not token:
            return


def _files_of_run(run_id: str, store: ArtifactRepository) -> Iterator[_KeptFile]:
    for file in store.list_artifacts():
        if not file.is_dir and file.path.endswith((".json", ".html")):
            try:
                with tempfile.TemporaryDirectory() as folder:
                    yield _KeptFile(run_id, file.path, Path(store.download_artifacts(file.path, folder)).read_text(encoding="utf-8"), store)
            except (MlflowException, OSError) as error:
                logger.warning("MLflow run %s: %s cannot be read (%s)", run_id, file.path, type(error).__name__)
