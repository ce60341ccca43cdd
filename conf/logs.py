"""Logging of a process, set once: to stderr, so that stdout carries results alone."""

import logging
import sys

PACKAGES = ("__main__", "conf", "lake", "etl", "teacher", "trainer", "serving", "pipeline")


class _StderrHandler(logging.StreamHandler):
    """Our one handler; the class tells whether it is there already."""


def configure_logs(level: int = logging.INFO) -> None:
    """Send our own loggers to stderr, one line an event; libraries speak from warnings on. The first call of a process decides."""
    root = logging.getLogger()
    if any(isinstance(handler, _StderrHandler) for handler in root.handlers):
        return
    handler = _StderrHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for package in PACKAGES:
        logging.getLogger(package).setLevel(level)
