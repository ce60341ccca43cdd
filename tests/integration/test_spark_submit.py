"""The ETL through real `spark-submit --py-files`: the code comes out of the zip, on driver and executors alike."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pyspark
import pytest
import yaml
import zstandard

from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.java import ensure_java
from lake.units import SEQUENCES, UNITS

ROOT = Path(__file__).resolve().parents[2]
DELTA = "io.delta:delta-spark_4.2_2.13:4.4.0"
# In one piece, so that the lines of two workers do not run into each other.
WITNESS = "\nimport sys\n\nsys.stderr.write(f'etl imported from {__file__}\\n')\n"


@pytest.fixture(scope="module")
def code_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel under the name of a zip; its `etl` says on stderr where it was imported from."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("kindred-*.whl")
    with zipfile.ZipFile(wheel) as built, zipfile.ZipFile(folder / "kindred.zip", "w") as copied:
        for name in built.namelist():
            copied.writestr(name, built.read(name) + (WITNESS.encode() if name == "etl/__init__.py" else b""))
    return folder / "kindred.zip"


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A month of four comments of one thread and its submission."""
    folder = tmp_path / "dump"
    folder.mkdir()
    comment = {"author": "Alice", "link_id": "t3_z", "subreddit": "tea", "created_utc": 1136073600, "score": 1, "retrieved_on": 1136073700}
    parents = {"a": "t3_z", "b": "t1_a", "c": "t1_b", "d": "t1_gone"}
    comments = [comment | {"id": name, "parent_id": parent, "body": f"words of {name}"} for name, parent in parents.items()]
    submission = {
        "id": "z",
        "author": "Bob",
        "title": "Which tea?",
        "selftext": "Asking u/alice",
        "subreddit": "tea",
        "created_utc": 1136073500,
        "url": "",
        "is_self": True,
    }
    for name, rows in {"RC_2006-01.zst": comments, "RS_2006-01.zst": [submission]}.items():
        (folder / name).write_bytes(zstandard.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return folder


def submit(job: str, code_zip: Path, config: Path, *arguments: str) -> str:
    """Run one job file through spark-submit from a folder that is not the project's; what driver (on stdout) and executors (on stderr) said."""
    spark_home = Path(pyspark.__file__).parent
    shell = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET")}
    places = {"SPARK_HOME": str(spark_home), "JAVA_HOME": str(ensure_java(LakeConfig().cache_dir)), "PYSPARK_PYTHON": sys.executable}
    command = [
        spark_home / "bin" / "spark-submit", "--master", "local[2]", "--driver-memory", "1g", "--driver-java-options", "-XX:TieredStopAtLevel=1",
        "--packages", DELTA, "--py-files", code_zip,
        ROOT / "etl" / "jobs" / f"{job}.py", "--config", config, *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=config.parent, env=shell | places, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout + done.stderr


def test_the_etl_runs_from_a_zip(lake: LakeConfig, code_zip: Path, dump: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    quick = {"spark.databricks.delta.snapshotPartitions": "2", "spark.ui.enabled": "false"}
    section = {"path": lake.path, "pseudonym_key_file": lake.pseudonym_key_file, "shuffle_partitions": 2, "spark_settings": quick}
    config.write_text(yaml.safe_dump({"lake": section, "etl": {"min_units_per_person": 2}}))

    jobs = {"ingest": ["--dump", str(dump)], "units": [], "sequences": [], "report": ["--out", str(tmp_path / "report.html")]}
    logs = {job: submit(job, code_zip, config, *arguments) for job, arguments in jobs.items()}

    imports = {job: re.findall(r"etl imported from (\S+)", log) for job, log in logs.items()}
    assert all("kindred.zip" in path for paths in imports.values() for path in paths)
    assert len(imports["report"]) == 1, "the driver alone makes the page"
    assert all(len(imports[job]) > 1 for job in ("ingest", "units", "sequences")), "driver and executors were not both seen to import"
    assert arrow_tables.read(lake, ACTS).num_rows == 5
    units = {row["unit_id"]: row for row in arrow_tables.read(lake, UNITS).to_pylist()}
    assert [entry["text"] for entry in units["reddit:t1_c"]["context"]] == ["Which tea?\n\nAsking u/[name]", "words of a", "words of b"]
    assert (units["reddit:t1_d"]["root_state"], units["reddit:t1_d"]["chain_state"]) == ("present", "missing")
    assert "read 5 acts" in (tmp_path / "report.html").read_text(encoding="utf-8")
    (chunk,) = arrow_tables.read(lake, SEQUENCES).to_pylist()
    assert [unit["unit_id"] for unit in chunk["units"]] == ["reddit:t1_a", "reddit:t1_b", "reddit:t1_c", "reddit:t1_d"]
