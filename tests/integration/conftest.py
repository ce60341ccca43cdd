"""What the tests of several modules share because it takes long to make."""

from collections.abc import Iterator

import pytest
from running_service import Running, serving
from serving_lake import copied_lake, loaded_lake

from lake.config import LakeConfig


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory, key_file: str) -> LakeConfig:
    """The tiny lake of serving_lake.py with its vectors loaded, which nobody changes: who wants to, copies it."""
    return loaded_lake(tmp_path_factory.mktemp("loaded"), key_file)


@pytest.fixture(scope="session")
def service(loaded: LakeConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of a copy of that lake, which tests ask alone."""
    folder = tmp_path_factory.mktemp("service")
    with serving(copied_lake(loaded, folder), folder / "log") as running:
        running.until("/ready", 200, seconds=300)
        yield running
