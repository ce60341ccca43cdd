"""CPU seconds of a command with everything that it starts (Linux).

What the kernel adds up for a parent is not enough: Spark's Python daemon ignores its workers' ends, so that their time is lost. All processes
of the command's session are looked at every few milliseconds instead, and the last look at each counts.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.01
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_SESSION, _UTIME, _STIME = 3, 11, 12  # places in /proc/PID/stat after the name


@dataclass(frozen=True)
class Cost:
    """What a command took: CPU seconds of user and system together, and the peak memory of the biggest process of each name (java, python, ...)."""

    cpu_seconds: float
    peaks: Mapping[str, int]

    @property
    def peak_bytes(self) -> int:
        """Peak memory of the biggest process."""
        return max(self.peaks.values(), default=0)


def cost_of(command: Sequence[str]) -> Cost:
    """Run a command to its end and the end of all that it left behind (a JVM outlives its driver by a moment). Raises CalledProcessError."""
    ticks: dict[int, int] = {}
    peaks: dict[str, int] = {}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True)
        is_over = False
        while not is_over:
            is_over = process.poll() is not None
            for pid, name, own_ticks, peak_bytes in _looks(process.pid):
                ticks[pid], peaks[name] = own_ticks, max(peak_bytes, peaks.get(name, 0))
                is_over = False
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if process.returncode:
            errors.seek(0)
            raise subprocess.CalledProcessError(process.returncode, command, stderr=errors.read().decode(errors="replace")[-2000:])
    return Cost(sum(ticks.values()) / _TICKS_A_SECOND, peaks)


def cost_of_spark_start(cores: int, jvm_idles: bool = False) -> Cost:
    """A Spark session and its end; `jvm_idles` as in `start_session`."""
    program = (
        "import sys; from lake.config import LakeConfig; from lake.spark_tables import start_session; "
        "start_session('start', LakeConfig(spark_master=sys.argv[1]), jvm_idles=bool(sys.argv[2])).stop()"
    )
    return cost_of([sys.executable, "-c", program, f"local[{cores}]", "yes" if jvm_idles else ""])


def _looks(session: int) -> Iterator[tuple[int, str, int, int]]:
    """(pid, name, ticks used, peak bytes) of each living process of a session."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it may end while we look
            names, _, rest = (folder / "stat").read_text().rpartition(")")
            fields = rest.split()
            if int(fields[_SESSION]) == session and fields[0] != "Z":
                status = (folder / "status").read_text()
                peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024 if "VmHWM:" in status else 0
                yield int(folder.name), names.partition("(")[2], int(fields[_UTIME]) + int(fields[_STIME]), peak
