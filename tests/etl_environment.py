"""The environment that ETL.md ships to a cluster, made once a machine with that page's own commands."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from lake.config import LakeConfig
from tests.spark_submit import ROOT


def etl_environment() -> Path:
    """A folder with `env`, an environment for the ETL's packages, and `env.tar.gz`, what of it is shipped; kept in the cache for the next run."""
    commands = re.findall(r"^(?:uv venv|tar) .*$", (ROOT / "ETL.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) == 2, f"ETL.md's commands for the environment are not found: {commands}"
    cache = Path(LakeConfig().cache_dir).expanduser() / "tests"
    made = cache / f"etl-environment-{_digest(commands)}"
    if not made.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            draft = Path(folder) / "draft"
            draft.mkdir()
            for name in ("pyproject.toml", "requirements.lock"):
                shutil.copy(ROOT / name, draft)
            subprocess.run(["bash", "-ec", "\n".join(commands)], cwd=draft, env=os.environ | {"PATH": _path_with_uv()}, check=True, timeout=900)
            draft.rename(made)
    return made


def _digest(commands: list[str]) -> str:
    """What decides the environment's content."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = [project["dependencies"], project["optional-dependencies"]["etl"], (ROOT / "requirements.lock").read_text(encoding="utf-8")]
    return hashlib.sha256(repr([commands, packages, sys.version]).encode()).hexdigest()[:16]


def _path_with_uv() -> str:
    """PATH, with the uv on it that `make setup` fetched where there was none."""
    return f"{os.environ['PATH']}{os.pathsep}{Path(sys.prefix).resolve().with_name('.uv') / 'bin'}"
