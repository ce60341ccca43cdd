"""Members of .7z archives as streams, so that no member need fit in memory or on disk (edge).

py7zr pushes what it decodes (its `WriterFactory`), readers of lines pull: it works in a thread and writes into a pipe that holds one piece more than is read.
"""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, Queue
from typing import IO

import py7zr
from py7zr.io import Py7zIO, WriterFactory

from conf.errors import ArchiveError
from etl.platforms.streams import unreadable

_PIECES_HELD = 1
"""Of a few MB: py7zr decodes a megabyte at a time, into 128 MB at most where that is a bomb."""
_SECONDS_TO_STOP = 0.05


def seven_zip_members(raw: IO[bytes], path: str, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, int, IO[bytes]]]:
    """(name, decoded bytes, stream) of each wanted file of an archive, empty ones first; a stream ends where the next is asked for. Raises ArchiveError."""
    try:
        archive = py7zr.SevenZipFile(raw, "r")
        sizes = {info.filename: info.uncompressed for info in archive.list() if info.is_file and is_wanted(info.filename)}
        if archive.needs_password():
            raise py7zr.PasswordRequired
    except py7zr.PasswordRequired:
        raise ArchiveError(f"{path}: is encrypted; unpack the archive and pack it again without a password") from None
    except Exception as error:  # py7zr reads headers trustingly: damaged ones raise whatever comes first
        raise unreadable(path, "decoded", error) from None
    if not sizes:
        return
    with _Pipe(archive, list(sizes), path) as pipe:
        while (name := pipe.next_name()) is not None:
            yield name, sizes.get(name, 0), io.BufferedReader(_Stream(pipe))


class _Closed(Exception):
    """Nobody reads the pipe any more."""


class _Pipe(WriterFactory):
    """What a thread decodes of an archive: for each member its name, its pieces and an end (None); then the end of all, or the error that came before."""

    def __init__(self, archive: py7zr.SevenZipFile, names: list[str], path: str) -> None:
        self._path = path
        self._pieces: Queue[str | bytes | Exception | None] = Queue(_PIECES_HELD)
        self._is_closed = self._is_in_member = False
        self._thread = threading.Thread(target=self._decode, args=(archive, names), daemon=True)

    def __enter__(self) -> "_Pipe":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed = True
        while self._thread.is_alive():
            with suppress(Empty):
                self._pieces.get(timeout=_SECONDS_TO_STOP)

    def create(self, filename: str) -> Py7zIO:
        self.put(filename)
        return _Writer(self)

    def put(self, message: str | bytes | Exception | None) -> None:
        if self._is_closed:
            raise _Closed
        self._pieces.put(message)

    def next_name(self) -> str | None:
        """The name of the next member, past what is left of this one; None after the last. Raises ArchiveError."""
        while self._is_in_member:
            self.next_piece()
        message = self._pieces.get()
        if isinstance(message, Exception):
            raise unreadable(self._path, "decoded", message)
        assert not isinstance(message, bytes)
        self._is_in_member = message is not None
        return message

    def next_piece(self) -> bytes:
        """The next bytes of the member, empty at its end. Raises ArchiveError."""
        if self._is_closed:
            raise ValueError("read of a member of a closed archive")
        message = self._pieces.get() if self._is_in_member else None
        if isinstance(message, Exception):
            raise unreadable(self._path, "decoded", message)
        assert not isinstance(message, str)
        self._is_in_member = message is not None
        return message or b""

    def _decode(self, archive: py7zr.SevenZipFile, names: list[str]) -> None:
        end: Exception | None = None
        try:
            archive.extract(targets=names, factory=self)
        except Exception as error:  # told to whoever reads
            end = error
        with suppress(_Closed):
            self.put(end)


class _Writer(Py7zIO):
    """Where py7zr writes a member's bytes, once from first to last."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        self._size = 0

    def write(self, piece: bytes | bytearray) -> int:
        self._size += len(piece)
        if piece:
            self._pipe.put(bytes(piece))
        return len(piece)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        pass

    def size(self) -> int:
        return self._size

    def close(self) -> None:
        self._pipe.put(None)


class _Stream(io.RawIOBase):
    """A member's bytes for those who ask for them."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._rest = self._rest or memoryview(self._pipe.next_piece())
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
