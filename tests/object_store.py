"""An object store for tests: moto's S3 server on the loopback, in a process of its own."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyarrow import fs

BUCKET = "lakes"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "do-not-tell-anybody"}


@contextmanager
def s3_server() -> Iterator[str]:
    """host:port of a server with one empty bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )  # fmt: skip
    try:
        _wait_for(port, server)
        s3_files(f"127.0.0.1:{port}").create_dir(BUCKET)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def s3_files(address: str) -> fs.S3FileSystem:
    """The server's files, by Arrow."""
    access, secret = CREDENTIALS.values()
    return fs.S3FileSystem(
        access_key=access, secret_key=secret, region="us-east-1", scheme="http", endpoint_override=address, allow_bucket_creation=True
    )  # fmt: skip


def copy_into_bucket(folder: str | Path, address: str, name: str) -> None:
    """The files of a folder as objects below a name."""
    fs.copy_files(str(folder), f"{BUCKET}/{name}", source_filesystem=fs.LocalFileSystem(), destination_filesystem=s3_files(address))


def _wait_for(port: int, server: subprocess.Popen, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"moto's server did not start on port {port}")
