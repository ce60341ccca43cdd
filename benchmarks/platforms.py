"""What it costs to parse a million records of each platform: acts a CPU second and peak memory, each platform in a process of its own.

    python -m benchmarks.platforms [NAME ...] [--records 1000000]

Dumps are those that tests/platform_dumps writes. Only the parser is measured, as a task of ingest runs it: no Spark, nothing is written to a lake.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType

from etl.platforms import ParseSettings, checked_options, find_platform, installed_platforms

DUMPS = Path(__file__).parents[1] / "tests" / "platform_dumps"
_KEY = bytes(range(32))


@dataclass(frozen=True)
class ParseCost:
    """What a parse took. `peaks` are (records read, peak bytes of the process) after each batch in which the peak grew."""

    acts: int
    cpu_seconds: float
    peaks: Sequence[tuple[int, int]]

    @property
    def peak_bytes(self) -> int:
        """The highest peak."""
        return self.peaks[-1][1]


def platform_name(module: Path) -> str:
    """The platform whose dumps a module writes."""
    return module.stem.replace("_", "-")


def dump_module(name: str) -> ModuleType:
    """The module that writes dumps of a platform: `OPTIONS`, `write_dump(folder, records, bad)`."""
    return import_module(f"tests.platform_dumps.{name.replace('-', '_')}")


def cost_in_own_process(name: str, folder: Path) -> ParseCost:
    """What it costs a new process to parse a dump. Raises CalledProcessError."""
    command = [sys.executable, "-m", "benchmarks.platforms", name, "--parse", str(folder)]
    measured = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return ParseCost(**measured)


def cost_here(name: str, folder: Path) -> ParseCost:
    """What it costs this process to parse a dump, whose peak may be that of something before."""
    platform = find_platform(name)
    settings = ParseSettings(_KEY, datetime.now(UTC), options=checked_options(platform, dump_module(name).OPTIONS))
    files = platform.input_files(str(folder), settings)
    peaks, acts, records, started = [(0, _peak_bytes())], 0, 0, time.process_time()
    for batch in (batch for file in files for batch in platform.parse(file, settings)):
        acts, records = acts + batch.acts.num_rows, records + batch.lines
        if _peak_bytes() > peaks[-1][1]:
            peaks.append((records, _peak_bytes()))
    return ParseCost(acts, time.process_time() - started, peaks)


def main() -> None:
    """Measure each platform, or be one (--parse)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="platforms (default: all that are installed and have dumps)")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--parse", type=Path, help=argparse.SUPPRESS)
    values = parser.parse_args()
    if values.parse:
        print(json.dumps(asdict(cost_here(values.names[0], values.parse))))
        return
    names = values.names or sorted({platform_name(module) for module in DUMPS.glob("*.py")} & set(installed_platforms()))
    print(f"{'':<16}{'acts':>12}{'MB on disk':>12}{'CPU s':>8}{'acts/CPU s':>12}{'peak MB':>9}")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            dump_module(name).write_dump(Path(folder), values.records)
            on_disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
            cost = cost_in_own_process(name, Path(folder))
        rate = cost.acts / cost.cpu_seconds
        print(f"{name:<16}{cost.acts:>12,}{on_disk / 1e6:>12,.0f}{cost.cpu_seconds:>8.1f}{rate:>12,.0f}{cost.peak_bytes / 1e6:>9,.0f}", flush=True)


def _peak_bytes() -> int:
    """Peak memory of this process (Linux). What `getrusage` tells begins with the peak of the process that started this one."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    main()
