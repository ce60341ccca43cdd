"""Taking people and their words out of what MLflow keeps of evaluations: the people who are shown, and pages (edge). Weights of encoders stay."""

import html
import json
import logging
from collections.abc import Iterator
from typing import Any

import mlflow
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from lake import registry
from lake.config import LakeConfig
from lake.presence import has_registry
from lake.remains import Traces
from trainer.publishing import ENCODER_VERSION

logger = logging.getLogger(__name__)

GONE_PAGE = "<!doctype html>\n<title>Erased</title>\n<p>This page held words of somebody who was forgotten. 'kindred trainer report' makes it anew.</p>\n"
ERASED = "[erased]"


def erase_from_tracking(lake: LakeConfig, traces: Traces) -> int:
    """Write JSON that has any of these traces anew without them, and pages as GONE_PAGE. How many files there were."""
    if not has_registry(lake):
        return 0
    registry.connect(lake)
    changed = 0
    for run_id, path, content in _artifacts():
        if path.endswith(".json"):
            found = json.loads(content)
            kept = without_traces(found, traces)
            if kept != found:
                mlflow.MlflowClient().log_dict(run_id, kept, path)
                changed += 1
        elif traces.in_text(html.unescape(content)):
            mlflow.MlflowClient().log_text(run_id, GONE_PAGE, path)
            changed += 1
    return changed


def left_in_tracking(lake: LakeConfig, traces: Traces) -> list[str]:
    """Files of runs that have any of these traces, as 'run/path'."""
    if not has_registry(lake):
        return []
    registry.connect(lake)
    return [f"{run_id}/{path}" for run_id, path, content in _artifacts() if traces.in_text(html.unescape(content))]


def trained_encoders(lake: LakeConfig) -> list[str]:
    """Registered encoders that were trained or merged, as 'name/number (encoder_version)': whoever is forgotten stays in their weights."""
    if not has_registry(lake):
        return []
    registry.connect(lake)
    versions = mlflow.MlflowClient().search_model_versions(f"name = '{lake.registered_model}'")
    trained = [found for found in versions if found.tags.get("kindred.made") != "base"]
    return [f"{found.name}/{found.version} ({found.tags.get(ENCODER_VERSION, 'unknown')})" for found in sorted(trained, key=lambda found: int(found.version))]


def without_traces(value: Any, traces: Traces) -> Any:
    """JSON without traces: an entry of a list goes that has one anywhere in it, a text that is no such entry becomes ERASED."""
    if isinstance(value, dict):
        return {name: without_traces(inner, traces) for name, inner in value.items() if not traces.in_text(name)}
    if isinstance(value, list):
        return [inner for inner in value if not traces.in_text(json.dumps(inner, ensure_ascii=False))]
    return ERASED if isinstance(value, str) and traces.in_text(value) else value


def _artifacts() -> Iterator[tuple[str, str, str]]:
    """Run, path and content of each JSON file and page that our runs keep beside their encoder."""
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(registry.EXPERIMENT)
    assert experiment is not None
    token = None
    while True:
        runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL, page_token=token)
        for run in runs:
            for file in client.list_artifacts(run.info.run_id):
                if not file.is_dir and file.path.endswith((".json", ".html")):
                    try:
                        yield run.info.run_id, file.path, mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{file.path}")
                    except MlflowException as error:
                        logger.warning("MLflow run %s: %s cannot be read (%s)", run.info.run_id, file.path, error.message)
        token = runs.token
        if not token:
            return
