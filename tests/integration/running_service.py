"""A service in a process of its own, for tests that ask it over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from lake.config import LakeConfig

ROOT = Path(__file__).parents[2]
JSON = {"Content-Type": "application/json"}


class Running:
    """A service in a process of its own."""

    def __init__(self, process: subprocess.Popen, port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any, dict[str, str]]:
        """Status, answer and headers; a body that is no bytes goes as JSON."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, sent, JSON | (headers or {}))
            response = connection.getresponse()
            said = response.read()
            is_json = response.headers.get("Content-Type", "").startswith("application/json")
            return response.status, json.loads(said) if is_json else said.decode(), {name.lower(): value for name, value in response.headers.items()}
        finally:
            connection.close()

    def hits(self, path: str, **question: Any) -> list[dict[str, Any]]:
        status, answer, _ = self.request("POST", f"/v1/{path}", question)
        assert status == 200, answer
        hits: list[dict[str, Any]] = answer["hits"]
        return hits

    def until(self, path: str, status: int, seconds: float = 120) -> Any:
        """The answer once it has a status."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                found, answer, _ = self.request("GET", path)
                if found == status:
                    return answer
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"no {status} of {path}: {self.log.read_text()[-3000:]}")

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


@contextmanager
def serving(lake: LakeConfig, log: Path, *settings: str) -> Iterator[Running]:
    """A service of a lake, ended by its process id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [
        f"lake.pseudonym_key_file={lake.pseudonym_key_file}",
        f"serving.port={port}",
        "serving.refresh_seconds=0.2",
        "serving.request_seconds=2",
        "serving.requests_per_minute=1000000",
        *settings,
    ]
    command = [sys.executable, "-m", "pipeline.cli", "serving", "serve", "--lake", lake.path, *(part for word in words for part in ("--set", word))]
    places = log.with_name(f"{log.name}-places")
    places.mkdir()
    with log.open("w") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stderr=errors, env={**os.environ, "TMPDIR": str(places)})
    try:
        running = Running(process, port, log)
        running.until("/health", 200)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()[-3000:]
        assert list(places.iterdir()) == [], "copies of an index"
