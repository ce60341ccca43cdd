"""What the tests of several modules share because it takes long to make."""

import pytest
from serving_lake import loaded_lake

from lake.config import LakeConfig


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory, key_file: str) -> LakeConfig:
    """The tiny lake of serving_lake.py with its vectors loaded, which nobody changes: who wants to, copies it."""
    return loaded_lake(tmp_path_factory.mktemp("loaded"), key_file)
