"""`kindred run --dump DIR`: all stages in a row. Each stage is the same `main` that its own command calls."""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from conf.arguments import job_parser, parse_job_arguments
from conf.errors import KindredError
from conf.logs import NOTICE, configure_logs
from pipeline.cli import report_errors
from pipeline.commands import COMMANDS, Command

if TYPE_CHECKING:
    from lake.config import LakeConfig

DESCRIPTION = """All stages in a row, on a folder of archive files: from dumps to answers out of Milvus.

Reads the files below --dump; writes every table of the lake, the registered encoder and the Milvus collections.
It can be killed and run again: each stage goes on from what is written, and does nothing where nothing changed."""

ETL = ("etl ingest", "etl units", "etl sequences")
AFTER_LABELS = ("teacher items", "trainer examples", "trainer train", "trainer evaluate", "serving embed", "serving load")


def main(argv: Sequence[str] | None = None) -> None:
    """Run all stages; progress goes to stderr, the table of metrics to stdout."""
    parser = job_parser(DESCRIPTION)
    parser.add_argument("--dump", required=True, metavar="DIR", help="folder of archive files")
    parser.add_argument("--platform", default="reddit", help="parser of the files (default: reddit)")
    parser.add_argument("--sha256", metavar="FILE", help="list of the files' digests, as sha256sum writes it")
    parser.add_argument("--labels", metavar="FILE", help="labels made elsewhere (JSON lines); without it the teacher model labels")
    arguments = parse_job_arguments(parser, argv, NOTICE)
    from lake.config import LakeConfig
    from pipeline.check_config import check_config

    check_config(arguments.values.config, arguments.values.overrides)
    if arguments.values.labels:
        from teacher.arguments import require_file

        require_file(Path(arguments.values.labels), "labels")  # needed after all of the ETL, told before it
    run_all(arguments.section("lake", LakeConfig), arguments.values)


def run_all(lake: "LakeConfig", values: argparse.Namespace) -> None:
    """Call each stage's main in the order of the flow; a KindredError of a stage stops the run."""
    from lake.spark_tables import shared_session

    shared = _shared_arguments(values)
    checksums = ["--sha256", values.sha256] if values.sha256 else []
    ingest = ["--dump", values.dump, "--platform", values.platform, *checksums, *shared]
    labels = ("teacher import-labels", [values.labels, *shared]) if values.labels else ("teacher label", shared)
    with_spark = [(ETL[0], ingest), *((words, shared) for words in ETL[1:])]
    without = [labels, *((words, shared) for words in AFTER_LABELS)]
    steps = len(with_spark) + len(without)
    with shared_session():
        for number, (words, arguments) in enumerate(with_spark, start=1):
            _run_step(lake, words, arguments, f"[{number}/{steps}]")
    for number, (words, arguments) in enumerate(without, start=len(with_spark) + 1):
        _run_step(lake, words, arguments, f"[{number}/{steps}]")


def _run_step(lake: "LakeConfig", words: str, arguments: list[str], place: str) -> None:
    (command,) = (command for command in COMMANDS if command.words == words)
    started_at, clock = datetime.now(UTC), time.monotonic()
    _say(f"{place} {command.words}: {command.help}")
    if command.words == "teacher label":
        _run_apart(command, arguments)
    else:
        command.run(arguments)
    _say(f"{'':>{len(place)}} {_what_happened(lake, command, started_at)} ({time.monotonic() - clock:.0f} s)")


def _run_apart(command: Command, arguments: list[str]) -> None:
    """A process of its own: vLLM takes memory and torch's process group, and gives back neither."""
    process = get_context("spawn").Process(target=_work_apart, args=(command, arguments, logging.getLogger(__name__).getEffectiveLevel()))
    process.start()
    process.join()
    if process.exitcode:
        raise KindredError(f"'kindred {command.words}' ended with status {process.exitcode}; its message stands above")


def _work_apart(command: Command, arguments: list[str], log_level: int) -> None:
    configure_logs(log_level)
    sys.exit(report_errors(f"kindred {command.words}", lambda: command.run(arguments)))


def _what_happened(lake: "LakeConfig", command: Command, started_at: datetime) -> str:
    """Rows and drops of the job's last run, as it noted them in `job_runs`."""
    import pyarrow.dataset as ds

    from lake import arrow_tables
    from lake.job_runs import JOB_RUNS

    where = (ds.field("job") == command.words) & (ds.field("started_at") >= started_at)
    runs = arrow_tables.read(lake, JOB_RUNS, where=where).to_pylist()
    if not runs:
        return "nothing to do"
    rows, dropped = (dict(runs[-1][column]) for column in ("rows", "dropped"))
    left_out = [f"{count:,} {reason}" for reason, count in dropped.items() if count]
    counted = ", ".join(f"{count:,} {name}" for name, count in rows.items()) or "nothing to do"
    return counted + (f"; left out: {', '.join(left_out)}" if left_out else "")


def _shared_arguments(values: argparse.Namespace) -> list[str]:
    shared = ["--config", values.config] if values.config else []
    for override in values.overrides:
        shared += ["--set", override]
    return shared + (["--lake", values.lake] if values.lake else []) + (["--verbose"] if values.verbose else [])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
