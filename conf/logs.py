"""Logging of a process, set once in a job's `main`: to stderr, so that stdout carries results alone."""

import logging
import sys


def configure_logs(level: int = logging.INFO) -> None:
    """Send our own loggers to stderr, one line an event; libraries speak from warnings on. Safe to call twice."""
    root = logging.getLogger()
    if not any(getattr(handler, "is_kindred", False) for handler in root.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
        handler.is_kindred = True  # type: ignore[attr-defined]
        root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for package in ("conf", "lake", "etl", "teacher", "trainer", "serving", "pipeline"):
        logging.getLogger(package).setLevel(level)
