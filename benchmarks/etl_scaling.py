"""What each ETL job costs a million comments as the archive grows: CPU seconds, shuffled bytes, peak memory.

    python -m benchmarks.etl_scaling DUMP [DUMP ...] [--cores 1] [--set etl.mask_contacts=false]

DUMP is a folder of RC_ files, smallest first, e.g. of 1, 5 and 20 million comments. Each job is a process of its own with `lake.spark_master=local[CORES]`,
bound to as many processors; the start of a Spark session is measured apart and taken off. Shuffled bytes come out of Spark's own event log.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.cpu import Cost, cost_of, cost_of_spark_start
from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig

JOBS = ("ingest", "units", "sequences")


def main() -> None:
    """Measure every job on every dump, each in a fresh lake."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dumps", nargs="+", metavar="DUMP")
    parser.add_argument("--cores", type=int, default=2, help="processors that each job may use (default: 2)")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="SECTION.KEY=VALUE", help="a setting of the jobs; may be repeated")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    start = cost_of_spark_start(arguments.cores, jvm_idles=True).cpu_seconds
    print(f"start of a Spark session, taken off each job: {start:.1f} CPU s")
    print(f"{'comments':>12}  {'job':<10}{'CPU s':>8}{'CPU s / million':>17}{'shuffled bytes each':>21}{'Python MB':>11}{'JVM MB':>8}")
    for dump in arguments.dumps:
        with tempfile.TemporaryDirectory() as folder:
            lake, events = Path(folder) / "lake", Path(folder) / "events"
            events.mkdir()
            for job in JOBS:
                cost = _run(job, dump, lake, events, arguments)
                comments = arrow_tables.count_rows(LakeConfig(path=str(lake)), ACTS)
                _say(comments, job, replace(cost, cpu_seconds=cost.cpu_seconds - start), sum(_shuffled(events)))
                for log in events.iterdir():
                    log.unlink()


def _run(job: str, dump: str, lake: Path, events: Path, arguments: argparse.Namespace) -> Cost:
    log = {"enabled": "true", "compress": "false", "rolling.enabled": "false", "dir": events.as_uri()}
    settings = {
        "lake.spark_master": f"local[{arguments.cores}]",
        "lake.pseudonym_key_file": str(lake.with_name("key")),
        "lake.spark_settings": json.dumps({f"spark.eventLog.{name}": value for name, value in log.items()}),
    }
    words = [*(f"{name}={value}" for name, value in settings.items()), *arguments.overrides]
    only_for_ingest = ["--dump", dump] if job == "ingest" else []
    return cost_of([sys.executable, "-m", f"etl.jobs.{job}", "--lake", str(lake), *only_for_ingest, *(part for word in words for part in ("--set", word))])


def _shuffled(events: Path) -> Iterator[int]:
    """Bytes that each task wrote for a shuffle."""
    for log in events.glob("[!.]*"):
        for line in log.read_text().splitlines():
            if '"SparkListenerTaskEnd"' in line:
                yield (json.loads(line).get("Task Metrics") or {}).get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)


def _say(comments: int, job: str, cost: Cost, shuffled: int) -> None:
    millions = comments / 1e6
    print(
        f"{comments:>12,}  {job:<10}{cost.cpu_seconds:>8.1f}{cost.cpu_seconds / millions:>17.1f}{shuffled / comments:>21.0f}{cost.peaks['python'] / 1e6:>11.0f}{cost.peaks['java'] / 1e6:>8.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
