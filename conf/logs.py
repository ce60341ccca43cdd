"""Logging of a process, set once: to stderr, so that stdout carries results alone."""

import json
import logging
import os
import sys
import time
import warnings
from datetime import UTC, datetime

NOTICE = 25
"""Level between INFO and WARNING: what somebody wants to read who runs all stages in a row, such as how far a long one is."""
SECONDS_BETWEEN_LINES = 15.0
QUIET_LIBRARIES = {
    "GRPC_VERBOSITY": "NONE", "MLFLOW_LOGGING_LEVEL": "ERROR", "TORCH_CPP_LOG_LEVEL": "ERROR", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error", "VLLM_LOGGING_LEVEL": "ERROR",
}  # fmt: skip
"""Environment of libraries that speak on their own of what nobody asked, read when they are imported; our own progress bars say themselves when to be seen."""
PACKAGES = ("__main__", "conf", "lake", "etl", "teacher", "trainer", "serving", "pipeline")


class Pace:
    """Keeps lines on the progress of a loop apart: the first is due at once, then one every SECONDS_BETWEEN_LINES."""

    def __init__(self) -> None:
        self._due_at = time.monotonic()

    def is_due(self) -> bool:
        """Whether it is time for a line; who asks and hears yes is expected to say one."""
        now = time.monotonic()
        if now < self._due_at:
            return False
        self._due_at = now + SECONDS_BETWEEN_LINES
        return True


class _StderrHandler(logging.StreamHandler):
    """Our one handler; the class tells whether it is there already."""


def configure_logs(level: int = logging.INFO) -> None:
    """Send our own loggers to stderr, one line an event; libraries speak from warnings on, and freely at DEBUG. The first call of a process decides."""
    root = logging.getLogger()
    if any(isinstance(handler, _StderrHandler) for handler in root.handlers):
        return
    logging.addLevelName(NOTICE, "INFO")
    handler = _StderrHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    if level > logging.DEBUG:
        _quieten_libraries()
    for package in PACKAGES:
        logging.getLogger(package).setLevel(level)


class _JsonLines(logging.Formatter):
    """A record as a line of JSON: time (UTC), level, logger, message, and the `facts` that it was given. Of an exception its kind alone: its message may quote anything."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"), "level": record.levelname.lower(), "logger": record.name,
            "message": record.getMessage(), **getattr(record, "facts", {}),
        }  # fmt: skip
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line)


def log_as_json() -> None:
    """Write lines of JSON from now on, for programs that collect them."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _StderrHandler):
            handler.setFormatter(_JsonLines())


def _quieten_libraries() -> None:
    for name, value in QUIET_LIBRARIES.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", category=FutureWarning)  # of libraries among themselves
    logging.getLogger("vllm").setLevel(logging.ERROR)
