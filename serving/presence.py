"""Whether there is an index to ask, told without opening Milvus, which would make one."""

from pathlib import Path

from conf.errors import ConfigError, VectorStoreError
from lake.config import LakeConfig
from serving.config import ServingConfig


def lite_file(lake: LakeConfig) -> Path:
    """Where Milvus Lite lives. Raises ConfigError where the lake is in no local folder."""
    if "://" in lake.path:
        raise ConfigError(f"serving.milvus_uri: the lake {lake.path} is no local folder, so Milvus Lite has no place; give the URI of a server")
    return lake.local_dir() / "milvus.db"


def has_index(lake: LakeConfig, config: ServingConfig) -> bool:
    """Whether there is an index to ask; a server is taken to be there."""
    return config.milvus_uri is not None or ("://" not in lake.path and lite_file(lake).exists())


def require_index(lake: LakeConfig, config: ServingConfig) -> None:
    """Raise VectorStoreError where Milvus Lite is asked and has nothing yet; what a server has, it alone can tell."""
    if config.milvus_uri is None and not lite_file(lake).exists():
        raise VectorStoreError(f"{lite_file(lake)}: no Milvus Lite; load vectors with 'kindred serving load'")
