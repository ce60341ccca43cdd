"""How a Spark session starts: in a process of its own, since the tests' session would be found instead."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json
from lake.config import LakeConfig
from lake.spark_tables import shared_session, spark_session

lake, found = LakeConfig(spark_master="local[1]"), []
with shared_session():
    with spark_session("ingest", lake, jvm_idles=True) as spark:
        found.append("-XX:TieredStopAtLevel=1" in spark.conf.get("spark.driver.extraJavaOptions"))
with spark_session("ingest", lake, jvm_idles=True) as spark:
    found.append("-XX:TieredStopAtLevel=1" in spark.conf.get("spark.driver.extraJavaOptions"))
print(json.dumps(found))
"""


def test_only_a_session_of_its_own_lets_the_jvm_idle():
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [False, True]
