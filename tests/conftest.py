"""What tests share: one Spark session a run, a fresh lake a test, and the folder of real inputs where it is there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lake.config import LakeConfig

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
def spark(tmp_path_factory: pytest.TempPathFactory, key_file: str) -> Iterator:
    """One session for all tests: two cores, two shuffle partitions, UTC, no UI."""
    from lake.spark_tables import start_session

    settings = {
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        "spark.default.parallelism": "2",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    }
    session = start_session("tests", LakeConfig(spark_master="local[2]", shuffle_partitions=2, driver_memory="2g", spark_settings=settings))
    yield session
    session.stop()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real and real-shaped inputs; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real inputs are not on this machine ({SHARED_DATA})")
    return SHARED_DATA
