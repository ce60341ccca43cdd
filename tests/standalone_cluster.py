"""A Spark standalone cluster on loopback out of the installed pyspark: a master and workers, each a process of its own (edge).

Follows https://spark.apache.org/docs/latest/spark-standalone.html. A worker runs its executors, and they their Python, as processes below it.
"""

import contextlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from tests.spark_submit import QUICK_START, SPARK_HOME, SubmittedJob, spark_environment

START_SECONDS = 120
CATCH_SECONDS = 600
SECONDS_BETWEEN_LOOKS = 0.02


class StandaloneCluster:
    """A master and workers of one core each. Logs, working folders and scratch files lie below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[psutil.Popen] = []
        self._workers: list[psutil.Popen] = []
        self.url = ""

    def start_master(self) -> None:
        """Start the master, and return when it says its address."""
        log = self._start("master.Master", "master")[1]
        self.url = _wait_for(r"spark://127\.0\.0\.1:\d+", log)

    def add_worker(self) -> None:
        """Start a worker, and return when the master has taken it in."""
        name = f"worker-{len(self._started)}"
        worker, log = self._start("worker.Worker", name, "--cores", "1", "--memory", "1500m", "--work-dir", str(self.folder / name), self.url)
        self._workers.append(worker)
        _wait_for("Successfully registered with master", log)

    def executor_logs(self) -> list[str]:
        """What each executor has said on stderr."""
        return [log.read_text() for log in self.folder.glob("worker-*/app-*/*/stderr")]

    def kill_worker_at_work(self, folder: Path, job: SubmittedJob) -> Path:
        """Kill the first worker that is busy with a file below a folder, with its executors and their Python; the path of that file.

        They are stopped before they are killed, and looked at again in between: the file was still open when they died.
        """
        deadline = time.monotonic() + CATCH_SECONDS
        while job.is_running() and time.monotonic() < deadline:
            for worker in self._workers:
                if not _open_files(worker, folder):
                    continue
                _each_process(worker, psutil.Process.suspend)
                if still_open := _open_files(worker, folder):
                    self._workers.remove(worker)
                    _kill(worker)
                    return still_open[0]
                _each_process(worker, psutil.Process.resume)
            time.sleep(SECONDS_BETWEEN_LOOKS)
        raise AssertionError(f"no worker was caught at work on a file below {folder}:\n{job.log()[-4000:]}")

    def stop(self) -> None:
        """Kill all that still runs."""
        for process in self._started:
            _kill(process)

    def _start(self, daemon: str, name: str, *arguments: str) -> tuple[psutil.Popen, Path]:
        # Executors inherit the Java options: one that is killed leaves its scratch files.
        variables = {"SPARK_LOCAL_IP": "127.0.0.1", "JAVA_TOOL_OPTIONS": f"{QUICK_START} -Djava.io.tmpdir={self.folder}"}
        command = [SPARK_HOME / "bin" / "spark-class", f"org.apache.spark.deploy.{daemon}", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        log = self.folder / f"{name}.log"
        with log.open("w") as output:
            process = psutil.Popen([*command, *arguments], cwd=self.folder, env=spark_environment(**variables), stdout=output, stderr=output)
        self._started.append(process)
        return process, log


@contextlib.contextmanager
def running_cluster(workers: int) -> Iterator[StandaloneCluster]:
    """A cluster with so many workers; at the end nothing is left of its processes and files (an unpacked environment for each executor)."""
    with tempfile.TemporaryDirectory(prefix="kindred-cluster-") as folder:
        cluster = StandaloneCluster(Path(folder))
        try:
            cluster.start_master()
            for _ in range(workers):
                cluster.add_worker()
            yield cluster
        finally:
            cluster.stop()


def _wait_for(pattern: str, log: Path) -> str:
    """What of a log matches the pattern, as soon as it stands there."""
    deadline = time.monotonic() + START_SECONDS
    while not (found := re.search(pattern, log.read_text())):
        assert time.monotonic() < deadline, f"no {pattern!r} in {log.name}:\n{log.read_text()[-4000:]}"
        time.sleep(0.05)
    return found[0]


def _processes(parent: psutil.Process) -> list[psutil.Process]:
    """A process and all below it; none where it is gone."""
    try:
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _each_process(parent: psutil.Process, action: Callable[[psutil.Process], None]) -> None:
    for process in _processes(parent):
        with contextlib.suppress(psutil.NoSuchProcess):
            action(process)


def _kill(parent: psutil.Popen) -> None:
    """Kill a process and all below it."""
    _each_process(parent, psutil.Process.kill)
    parent.wait()


def _open_files(parent: psutil.Process, folder: Path) -> list[Path]:
    """Files below a folder, Delta's log left out, that the process or one below it has open."""
    found: list[Path] = []
    for process in _processes(parent):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [Path(file.path) for file in process.open_files()]
    return [path for path in found if path.is_relative_to(folder) and "_delta_log" not in path.parts]
