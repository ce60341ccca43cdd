"""The load of the machine in MLflow while a run lasts."""

import builtins
import logging
import sys
import time
from typing import Any

import mlflow
import pytest

from lake import registry
from lake.config import LakeConfig
from trainer import tracking


def logged(lake: LakeConfig, seconds: float) -> set[str]:
    """Names of the system's metrics after a run of so many seconds."""
    registry.connect(lake)
    with mlflow.start_run() as run, tracking.system_metrics(run.info.run_id):
        time.sleep(seconds)
    found = mlflow.get_run(run.info.run_id)
    assert found.info.status == "FINISHED"
    return {name for name in found.data.metrics if name.startswith("system/")}


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")


@pytest.mark.usefixtures("often")
def test_processors_and_memory_are_seen_without_a_word_in_the_log(lake: LakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    assert logged(lake, 3) >= {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"}
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.usefixtures("often")
def test_whoever_turns_them_off_in_mlflow_gets_none(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "false")
    assert logged(lake, 1) == set()


@pytest.mark.usefixtures("often")
def test_without_psutil_a_run_goes_on_without_them(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    import_module = builtins.__import__

    def without(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.split(".")[0] == "psutil":
            raise ModuleNotFoundError("No module named 'psutil'", name="psutil")
        return import_module(name, *arguments, **keywords)

    for name in [name for name in sys.modules if name.startswith("mlflow.system_metrics")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    assert logged(lake, 1) == set()
