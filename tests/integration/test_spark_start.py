"""How a Spark session starts, and what is heard of it: in processes of their own, since the tests' session would be found instead."""

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread
from unittest.mock import MagicMock

import pytest

from lake.spark_jvm import _keep_paths, _Talk, with_delta

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, logging, sys
from conf.logs import configure_logs
from lake.config import LakeConfig
from lake.spark_tables import shared_session, spark_session

configure_logs(getattr(logging, sys.argv[1]))
lake, found = LakeConfig(spark_master="local[1]"), []
with shared_session():
    with spark_session("ingest", lake, jvm_idles=True) as spark:
        found.append("-XX:TieredStopAtLevel=1" in spark.conf.get("spark.driver.extraJavaOptions"))
        spark.sparkContext._jvm.java.lang.System.err.println("a word of the JVM")
        spark.sparkContext._jvm.java.lang.System.out.println("another")
with spark_session("ingest", lake, jvm_idles=True) as spark:
    found.append("-XX:TieredStopAtLevel=1" in spark.conf.get("spark.driver.extraJavaOptions"))
    spark.sparkContext._jvm.java.lang.System.err.println("a later word")
print(json.dumps(found))
"""


def start(level: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, level], cwd=ROOT, capture_output=True, text=True, check=True)


def test_a_session_of_its_own_lets_the_jvm_idle_and_is_heard_once_it_has_started() -> None:
    done = start("INFO")
    assert json.loads(done.stdout) == [False, True], "stdout carries results alone"
    said = [line for line in done.stderr.splitlines() if "fetching jars for Spark" not in line]
    assert said == ["a word of the JVM", "another", "a later word"]


def test_verbose_lets_the_start_be_heard_too() -> None:
    said = start("DEBUG").stderr
    assert "WARNING: Using incubator modules" in said
    assert "a word of the JVM" in said


@pytest.mark.parametrize(
    ("setting", "heard"),
    [
        ("lake.driver_memory=lots", "Invalid maximum heap size"),
        ("lake.spark_settings={spark.driver.port: here}", 'in the config "spark.driver.port" is invalid'),
    ],
)
def test_a_jvm_that_does_not_start_is_heard(tmp_path: Path, setting: str, heard: str) -> None:
    command = [sys.executable, "-m", "pipeline.cli", "etl", "ingest", "--dump", "dump", "--lake", "lake", "--set", setting]
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "RC_2006-01").write_text("{}\n")
    done = subprocess.run(
        [*command, "--set", f"lake.pseudonym_key_file={tmp_path / 'key'}"], cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert heard in done.stderr.rpartition("kindred etl ingest:")[0]
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("kindred etl ingest: Spark does not start; what it said stands above")


def test_a_real_job_is_quiet_and_verbose_tells_its_settings(tmp_path: Path) -> None:
    (tmp_path / "dump").mkdir()
    act = {"id": "a", "author": "ann", "body": "Cold tea", "link_id": "t3_z", "parent_id": "t3_z", "subreddit": "tea", "created_utc": 1136073600}
    (tmp_path / "dump" / "RC_2006-01").write_text(json.dumps(act) + "\n")
    key = f"lake.pseudonym_key_file={tmp_path / 'key'}"
    command = [sys.executable, "-m", "pipeline.cli", "etl", "ingest", "--dump", "dump", "--lake", "lake", "--set", key]

    def said(*more: str) -> list[str]:
        done = subprocess.run([*command, *more], cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=True)
        assert done.stdout == ""
        return [line for line in done.stderr.splitlines() if "fetching jars for Spark" not in line]

    quiet = said()
    assert [line.split(": ", 1)[1].partition(",")[0] for line in quiet] == [
        "etl ingest starts",
        f"made a pseudonym key in {tmp_path / 'key'}; keep it",
        "[1/1] RC_2006-01: 1 acts",
        "etl ingest done: rows {'files': 1",
    ]
    settings = [line for line in said("--verbose") if "etl ingest: settings {" in line]  # nothing is left to do, so that Spark is not started
    assert len(settings) == 1
    assert json.loads(settings[0].partition("settings ")[2])["etl"]["units_per_chunk"] == 64
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dump", "key", "lake"]


def test_jars_are_named_by_their_paths_once_they_are_known(tmp_path: Path) -> None:
    kept, jar = tmp_path / "kept.json", tmp_path / "delta.jar"
    by_coordinates = with_delta({"a": "b"}, kept)
    assert by_coordinates["spark.jars.packages"].startswith("io.delta:delta-spark_4.")
    kept.write_text(json.dumps([str(jar)]))
    assert with_delta({"a": "b"}, kept) == by_coordinates, "a jar that is gone is fetched again"
    jar.touch()
    assert with_delta({"a": "b"}, kept) == {"a": "b", "spark.jars": str(jar)}
    own = {"spark.jars.packages": "org.example:more:1", "spark.jars": "/my.jar"}
    assert with_delta(own, kept) == {"spark.jars": f"{jar},/my.jar"}
    assert with_delta(own, tmp_path / "none")["spark.jars.packages"] == f"{by_coordinates['spark.jars.packages']},org.example:more:1"


def test_a_list_that_was_cut_off_is_no_list(tmp_path: Path) -> None:
    (tmp_path / "kept.json").write_text('["/a.jar", ')
    assert "spark.jars.packages" in with_delta({}, tmp_path / "kept.json")


def test_a_cache_that_takes_nothing_costs_no_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_text("no folder")
    _keep_paths("file:/a.jar", tmp_path / "cache" / "jars" / "kept.json")
    assert "correct lake.cache_dir" in caplog.text


def test_a_start_that_nobody_listens_to_any_more_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    readable, writable = os.pipe()
    os.close(readable)
    monkeypatch.setattr("lake.spark_jvm.STDERR", writable)
    talk, jvm = _Talk(is_heard=True), MagicMock()
    os.write(talk.writable, b"a word of the JVM\n")
    os.write(talk.writable, talk._end_of_start)
    start = Thread(target=talk.hear_from_now_on, args=(jvm,), daemon=True)
    start.start()
    start.join(timeout=20)
    assert not start.is_alive(), "waits for a thread that died of a broken pipe"
    os.close(writable)


def _environment() -> dict[str, str]:
    """This process's, without its key."""
    return {**{name: value for name, value in os.environ.items() if name != "KINDRED_PSEUDONYM_KEY"}, "PYTHONPATH": str(ROOT)}
