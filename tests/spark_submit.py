"""Job files through real `spark-submit`, as ETL.md does it, from a folder that is not the project's."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pyspark

from lake.config import LakeConfig
from lake.java import ensure_java
from lake.pseudonyms import KEY_VARIABLE

ROOT = Path(__file__).resolve().parents[1]
SPARK_HOME = Path(pyspark.__file__).parent
DELTA = "io.delta:delta-spark_4.2_2.13:4.4.0"
QUICK_START = "-XX:TieredStopAtLevel=1"
"""Java option: of a JVM that lives for a minute, most time would go into compiling."""
TIMEOUT_SECONDS = 900
# Written in one piece, so that the lines of two workers do not run into each other.
_WITNESS = "\nimport sys\n\nsys.stderr.write(f'etl imported from {__file__} by {sys.executable}\\n')\n"
_OF_THIS_PROCESS = ("PYTHONPATH", "PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET", "PYSPARK_PYTHON", KEY_VARIABLE)


def build_code_zip(folder: Path) -> Path:
    """The project's wheel under the name of a zip; its `etl` says on stderr where it was imported from, and by which Python."""
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("kindred-*.whl")
    with zipfile.ZipFile(wheel) as built, zipfile.ZipFile(folder / "kindred.zip", "w") as copied:
        for name in built.namelist():
            copied.writestr(name, built.read(name) + (_WITNESS.encode() if name == "etl/__init__.py" else b""))
    return folder / "kindred.zip"


def imports_of_etl(log: str) -> list[tuple[str, str]]:
    """(module file, interpreter) of each process that said in a log that it imported `etl`."""
    said = [line.removeprefix("etl imported from ").split(" by ") for line in log.splitlines() if line.startswith("etl imported from ")]
    return [(module, interpreter) for module, interpreter in said]


def spark_environment(**variables: str) -> dict[str, str]:
    """Environment of a Spark process that knows nothing of this one's Spark and key, with more variables on top."""
    clean = {name: value for name, value in os.environ.items() if name not in _OF_THIS_PROCESS}
    return clean | {"SPARK_HOME": str(SPARK_HOME), "JAVA_HOME": str(ensure_java(LakeConfig().cache_dir))} | variables


class SubmittedJob:
    """A job file under spark-submit, started in a folder where JOB.log takes what it says."""

    def __init__(self, job: str, code_zip: Path, folder: Path, python: str, options: Sequence[str], arguments: Sequence[str]) -> None:
        command = [
            SPARK_HOME / "bin" / "spark-submit", "--driver-memory", "1g", "--driver-java-options", QUICK_START, "--packages", DELTA,
            "--py-files", code_zip, *options, ROOT / "etl" / "jobs" / f"{job}.py", *arguments,
        ]  # fmt: skip
        self._log = folder / f"{job}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, cwd=folder, env=spark_environment(PYSPARK_PYTHON=python), stdout=log, stderr=log)

    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def kill(self) -> None:
        """End it where it still runs."""
        self._process.kill()
        self._process.wait()

    def finish(self) -> str:
        """Wait for its good end; what it said."""
        try:
            self._process.wait(timeout=TIMEOUT_SECONDS)
        finally:
            self.kill()
        assert self._process.returncode == 0, self.log()[-4000:]
        return self.log()
