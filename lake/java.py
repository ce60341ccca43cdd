"""Finding a Java that Spark 4.2 runs on: 17 or 21 with the module jdk.incubator.vector (edge)."""

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from conf.errors import ConfigError
from lake.config import LakeConfig

logger = logging.getLogger(__name__)

VERSIONS = (17, 21)


def ensure_java(cache_dir: str) -> Path:
    """JAVA_HOME of a fitting Java: one that is there, else one fetched with install-jdk. Raises ConfigError."""
    fetched = Path(cache_dir).expanduser() / "java"
    for home in _candidates(fetched):
        if is_fitting(home):
            return home
    return _fetch(fetched)


def is_fitting(home: Path) -> bool:
    """Whether this JAVA_HOME is of a version that Spark takes, with the module that it needs."""
    try:
        listed = subprocess.run([home / "bin" / "java", "--list-modules"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    version = re.search(r"^java\.base@(\d+)", listed.stdout, re.MULTILINE)
    return version is not None and int(version.group(1)) in VERSIONS and "jdk.incubator.vector" in listed.stdout


def _candidates(fetched: Path) -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home)
    if command := shutil.which("java"):
        yield Path(command).resolve().parent.parent
    for folder in (fetched, Path("/usr/lib/jvm"), Path("/Library/Java/JavaVirtualMachines"), Path("/opt/java")):
        yield from (_home(found) for found in sorted(folder.glob("*")))


def _home(folder: Path) -> Path:
    """JAVA_HOME within an unpacked Java: macOS keeps it two folders down."""
    nested = folder / "Contents" / "Home"
    return nested if nested.is_dir() else folder


def _fetch(folder: Path) -> Path:
    import jdk

    logger.warning("no Java 17 or 21 found; fetching one into %s", folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        home = Path(jdk.install("17", path=str(folder)))
    except Exception as error:  # install-jdk passes on whatever the network raised
        raise ConfigError(
            f"no Java 17 or 21 with jdk.incubator.vector found, and none could be fetched ({error}); install e.g. openjdk-17-jre-headless"
        ) from None
    return _home(home)


if __name__ == "__main__":  # `make setup`
    try:
        print(f"setup: Java in {ensure_java(LakeConfig().cache_dir)}")
    except ConfigError as error:
        sys.exit(f"setup: {error}")
