"""A Milvus server out of the wheel `milvus`, for tests and benchmarks: in a network namespace of its own, since it listens on all interfaces without a password.

python -m tests.milvus_server DATA_FOLDER    # http://127.0.0.1:PORT, until it is interrupted

From outside the namespace it is reached through a socket file below the data folder, and a port of loopback that leads there.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Iterator
from importlib.util import find_spec
from pathlib import Path

IMPORT_ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 300
SOCKET = "milvus.sock"
MILVUS_PORT = 19530
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def obstacle() -> str | None:
    """Why there can be no server here; None where it can be tried."""
    if sys.platform != "linux" or find_spec("milvus") is None:
        return "the wheel 'milvus' is not installed (pip install milvus==2.3.5; Linux)"
    if shutil.which("unshare") is None:
        return "there is no 'unshare'"
    tried = subprocess.run(["unshare", "--map-root-user", "--net", "true"], capture_output=True, text=True, check=False)
    return f"no network namespace may be made here ({tried.stderr.strip()})" if tried.returncode else None


@contextlib.contextmanager
def milvus_server(data: Path) -> Iterator[str]:
    """The URI of a server that keeps its data below a folder; it ends with the context. Raises AssertionError where it does not start."""
    data.mkdir(parents=True, exist_ok=True)
    log = data / "server.log"
    with log.open("w") as said:
        command = ["unshare", "--map-root-user", "--net", sys.executable, "-m", "tests.milvus_server", "--inside", str(data)]
        server = subprocess.Popen(command, cwd=IMPORT_ROOT, stdout=said, stderr=said, start_new_session=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (data / SOCKET).exists():
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"Milvus does not start: {log.read_text()[-2000:]}")
            time.sleep(0.2)
        with _forwarded(data / SOCKET) as port:
            yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)


@contextlib.contextmanager
def _forwarded(path: Path) -> Iterator[int]:
    """A port of loopback whose connections lead to a socket file."""
    loop = asyncio.new_event_loop()
    listening = socket.create_server(("127.0.0.1", 0))
    loop.run_until_complete(asyncio.start_server(lambda reader, writer: _forward(reader, writer, asyncio.open_unix_connection(path)), sock=listening))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end_others(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other_end: Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    """Pass on what comes on either side to the other, until one of them ends."""
    far_reader, far_writer = await other_end

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while part := await source.read(2**16):
                sink.write(part)
                await sink.drain()
        sink.close()

    await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))


def serve_inside(data: Path) -> None:
    """In the namespace: its loopback, the server, and the socket file that leads to it, made when questions are answered."""
    _loopback_up()
    from milvus import MilvusServer

    server = MilvusServer()
    server.set_base_dir(str(data))
    server.listen_port = MILVUS_PORT
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    server.start()
    path = data / SOCKET
    path.unlink(missing_ok=True)

    async def forward() -> None:
        async with await asyncio.start_unix_server(
            lambda reader, writer: _forward(reader, writer, asyncio.open_connection("127.0.0.1", MILVUS_PORT)), path
        ) as outer:
            await outer.serve_forever()

    try:
        asyncio.run(forward())
    finally:
        path.unlink(missing_ok=True)
        server.stop()


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        serve_inside(Path(sys.argv[2]))
    else:
        with milvus_server(Path(sys.argv[1]).resolve()) as uri, contextlib.suppress(KeyboardInterrupt):
            print(uri, flush=True)
            signal.pause()
