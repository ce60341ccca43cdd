"""Jobs that are killed in the middle of what they do."""

import os
import signal
import subprocess
import time
from pathlib import Path


def kill_at_first_file(command: list[str], table: Path) -> None:
    """Start a job and kill it, JVM and all, as soon as a data file of the table stands there."""
    quick_start = os.environ | {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}  # two fifths less CPU for a short job
    process = subprocess.Popen(command, start_new_session=True, env=quick_start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not any(table.rglob("*.parquet")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, "the job ended before a file was seen"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
