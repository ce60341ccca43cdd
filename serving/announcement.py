"""Where a service of this lake runs on this machine: a small file in <lake>/_local, written by the service and read by the command line. Light to import."""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from lake.config import LakeConfig
from serving.config import ServingConfig

FILE = "service.json"


class Announcement(BaseModel):
    """A running service. `instance` tells this start of it from others, `settings` what it answers from."""

    model_config = ConfigDict(frozen=True)

    url: str
    pid: int
    instance: str
    settings: str
    wants_token: bool


def settings_digest(lake: LakeConfig, config: ServingConfig) -> str:
    """What two processes must agree on to answer alike, 16 hex digits."""
    shared = (lake.registered_model, lake.encoder_alias, lake.mlflow_uri, config.milvus_uri, config.alias_prefix, config.shared_topics, config.search_ef)
    return hashlib.sha256(json.dumps(shared).encode()).hexdigest()[:16]


def announce(lake: LakeConfig, announcement: Announcement) -> None:
    """Write the file, where the lake is a local folder that is there and can be written to: without it the command line looks itself."""
    path = _path(lake)
    if path is None:
        return
    draft = path.with_name(f"{FILE}.{announcement.pid}")
    with suppress(OSError):
        draft.write_text(announcement.model_dump_json() + "\n", encoding="utf-8")
        os.replace(draft, path)


def withdraw(lake: LakeConfig, announcement: Announcement) -> None:
    """Remove the file, unless another service has written its own meanwhile."""
    path = _path(lake)
    if path is not None and announced(lake) == announcement:
        with suppress(OSError):
            path.unlink()


def announced(lake: LakeConfig) -> Announcement | None:
    """What the file says; None where there is none that can be read. Whoever wrote it may be gone."""
    path = _path(lake)
    try:
        return None if path is None else Announcement.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _path(lake: LakeConfig) -> Path | None:
    return None if "://" in lake.path else lake.local_dir() / FILE
