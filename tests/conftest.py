"""What tests share: one Spark session a run, a fresh lake a test, and the folder of real inputs where it is there."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from pyspark import SparkContext
from pyspark.sql import SparkSession

from lake.config import LakeConfig

# The same examples in every run, so that a change alone makes a test fail; `pytest --hypothesis-profile=search` looks for new ones.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.load_profile("fixed")
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pseudonym key for tests alone, so that no test makes one in a home folder."""
    path = tmp_path_factory.mktemp("key") / "pseudonym.key"
    path.write_text("11" * 32)
    return str(path)


@pytest.fixture
def lake(tmp_path: Path, key_file: str) -> LakeConfig:
    """Settings of an empty lake in a folder of its own."""
    return LakeConfig(path=str(tmp_path / "lake"), pseudonym_key_file=key_file)


@pytest.fixture(scope="session")
def spark_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeConfig]:
    """Settings of the one session of all tests, which is stopped after the last: two cores, two shuffle partitions, UTC, no UI."""
    settings = {
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        "spark.default.parallelism": "2",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    }
    yield LakeConfig(spark_master="local[2]", shuffle_partitions=2, driver_memory="2g", spark_settings=settings)
    stop_spark()


@pytest.fixture
def spark(spark_settings: LakeConfig) -> SparkSession:
    """The session of all tests; another one where that has stopped by itself, so that one failure does not become many."""
    from lake.spark_tables import start_session

    running = SparkSession.getActiveSession()
    if running is None:
        stop_spark()
    return running or start_session("tests", spark_settings)


def stop_spark() -> None:
    """Stop what Python takes for the running Spark, be it alive or not."""
    if SparkContext._active_spark_context is not None:
        SparkContext._active_spark_context.stop()
    SparkSession._instantiatedSession = SparkSession._activeSession = None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real and real-shaped inputs; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real inputs are not on this machine ({SHARED_DATA})")
    return SHARED_DATA


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What Spark itself called an error in tests that failed or were run again, once more at the end: the cause, where a trace tells only the consequence."""
    reports = [report for outcome in ("failed", "error", "rerun") for report in terminalreporter.stats.get(outcome, [])]
    for report in reports:
        lines = [line for title, text in report.sections if "stderr" in title for line in text.splitlines() if " ERROR " in line or "OutOfMemory" in line]
        if lines:
            terminalreporter.section(f"errors of Spark in {report.nodeid}")
            for line in lines[:20]:
                terminalreporter.line(line[:300])
