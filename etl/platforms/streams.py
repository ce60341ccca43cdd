"""Files of a dump -> blocks of whole lines, whatever they are compressed with (edge).

The archive's zstd files are one frame (or many) with a window of 2 GiB, which decoders refuse unless told. The magic bytes choose the
decoder, not the name. A stream that ends before its codec says so, or goes on with something else, is an error: most libraries would just stop there.
"""

import bz2
import hashlib
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeVar

import pyarrow as pa
import zstandard
from pyarrow import fs

from conf.errors import ArchiveError

MAX_WINDOW_BYTES = 2**31
BLOCK_BYTES = 4 * 2**20
MAX_LINE_BYTES = 64 * 2**20
COMPRESSED_SUFFIXES = (".zst", ".bz2", ".xz", ".gz")
OTHER_WINDOW_BYTES = 64 * 2**20
"""What xz holds at its highest level; bz2 and gzip hold less."""
# Small, because a decoder gives back at once all that one read decodes to, which can be 30,000 times as much.
_READ_BYTES = 16 * 2**10
_REMOTE_READ_BYTES = 8 * 2**20
Block = TypeVar("Block")
_QUOTING_NOTHING = (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError)
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_FRAME_HEADER_BYTES = 18
_GZIP_HEADER = 16
"""Added to zlib's window bits: the stream is gzip, its checksum is compared."""


@dataclass(frozen=True)
class FileSlice:
    """The blocks of a file that one of `count` tasks parses: every `count`-th from block `number` on, both from 0."""

    number: int
    count: int


WHOLE_FILE = FileSlice(0, 1)


def list_files(root: str) -> list[tuple[str, str, int]]:
    """(path, path below the root, bytes) of every file below a folder or URI, by name; hidden ones are left out. Raises ArchiveError.

    A folder with the suffix of a compressed file is listed as well, so that whoever reads it hears that it is none.
    """
    try:
        system, base = _file_system(root)
        if system.get_file_info(base).type != fs.FileType.Directory:
            raise ArchiveError(f"{root}: no such folder of archive files", public="the folder of --dump is not there")
        found = [info for info in system.get_file_info(fs.FileSelector(base, recursive=True)) if _is_taken_for_file(info)]
        below = {str(PurePosixPath(info.path).relative_to(base)): info.size or 0 for info in found}
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        advice = "see to its permissions, and that every name in it is UTF-8"
        public = f"the folder of --dump cannot be listed: {_reason(error)}; {advice}"
        raise ArchiveError(f"{root}: cannot be listed: {error}; {advice}", public) from None
    prefix = root.rstrip("/") if "://" in root else base
    visible = sorted(name for name in below if not any(part.startswith(".") for part in name.split("/")))
    return [(f"{prefix}/{name}", name, below[name]) for name in visible]


def open_file(path: str) -> IO[bytes]:
    """The file's bytes as they are, from a local path or a URI."""
    if "://" not in path:
        return open(path, "rb")
    system, inner = _file_system(path)
    return system.open_input_stream(inner, compression=None, buffer_size=_REMOTE_READ_BYTES)


def open_seekable(path: str) -> IO[bytes]:
    """The file's bytes for readers that jump about in it, from a local path or a URI."""
    if "://" not in path:
        return open(path, "rb")
    system, inner = _file_system(path)
    return system.open_input_file(inner)


def unreadable(name: str, done: str, error: Exception) -> ArchiveError:
    """The error that a file, called `name`, could not be `done` (read, decoded) to its end; what a library said of it is no part of the public message."""
    found, advice = f"{name}: cannot be {done} to its end", "fetch it again"
    return ArchiveError(f"{found}: {str(error) or type(error).__name__}; {advice}", f"{found}: {_reason(error)}; {advice}")


def file_digest(path: str) -> str:
    """SHA-256 of a file's bytes, hex. Raises ArchiveError."""
    digest = hashlib.sha256()
    try:
        with open_file(path) as raw:
            for _ in _bytes_of(raw, digest):
                pass
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read: {error.strerror or error}; see that it is there, a file, and readable") from None
    return digest.hexdigest()


def check_digest(path: str, sha256: str | None) -> None:
    """Raise ArchiveError where a file that was not read byte by byte has another digest by now. None is not compared."""
    if sha256 is not None:
        _compare_digests(path, sha256, file_digest(path))


def window_bytes(path: str) -> int:
    """Decoded bytes that the decoder of a file holds at most: of zstd what the first frame's header says. Raises OSError where it cannot be read."""
    with open_file(path) as raw:
        header = raw.read(_FRAME_HEADER_BYTES)
    if not header.startswith(_ZSTD_MAGIC):
        return MAX_WINDOW_BYTES if _is_skippable_frame(header) else OTHER_WINDOW_BYTES
    try:
        return min(zstandard.get_frame_parameters(header).window_size, MAX_WINDOW_BYTES)
    except zstandard.ZstdError:
        return MAX_WINDOW_BYTES


def line_blocks(path: str, block_bytes: int = BLOCK_BYTES, sha256: str | None = None) -> Iterator[bytes]:
    """The decoded file in order, as blocks that end at the end of a line; only the last may lack its newline.

    Raises ArchiveError where the file is empty, truncated, damaged, not what its suffix says, has a line longer than MAX_LINE_BYTES, or
    where the bytes that were read, all of them, have another digest than `sha256`.
    """
    digest = hashlib.sha256()
    try:
        with open_file(path) as raw:
            pieces = _bytes_of(raw, digest)
            start = next(pieces, b"")
            new_frame, read = _codec(start[:6], path), chain([start], pieces)
            yield from whole_lines(_decoded(read, new_frame) if new_frame else read, path, block_bytes)
    except (zstandard.ZstdError, lzma.LZMAError, zlib.error, OSError, EOFError) as error:
        raise unreadable(path, "decoded", error) from None
    _compare_digests(path, sha256, digest.hexdigest())


def numbered_blocks(path: str, part: FileSlice, block_bytes: int, sha256: str | None = None) -> Iterator[tuple[int, bytes]]:
    """(number of its first line in the file, block) of each block of `line_blocks` that belongs to a slice; all are decoded. Raises ArchiveError.

    Where blocks end is decided by the file's bytes and `block_bytes` alone, so that slices share out all lines without talking to each other.
    """
    yield from share_of(line_blocks(path, block_bytes, sha256), part, lambda block: block.count(b"\n"))


def share_of(blocks: Iterable[Block], part: FileSlice, count: Callable[[Block], int]) -> Iterator[tuple[int, Block]]:
    """(number of its first record in the file, block) of each block that belongs to a slice; `count` says how many records of a block have numbers."""
    first = 1
    for number, block in enumerate(blocks):
        if number % part.count == part.number:
            yield first, block
        first += count(block)


def whole_lines(pieces: Iterable[bytes], path: str, block_bytes: int) -> Iterator[bytes]:
    """Blocks of as few whole lines as have `block_bytes` together, wherever pieces end. Raises ArchiveError where a line is longer than MAX_LINE_BYTES."""
    pending: list[bytes] = []
    size = 0
    for piece in pieces:
        pending.append(piece)
        size += len(piece)
        if size >= block_bytes and b"\n" in piece:
            lines, start = b"".join(pending), 0
            while end := lines.find(b"\n", start + block_bytes - 1) + 1:
                yield lines[start:end]
                start = end
            pending, size = [lines[start:]], size - start
        if size - block_bytes > MAX_LINE_BYTES:
            raise ArchiveError(f"{path}: a line is longer than {MAX_LINE_BYTES:,} bytes; expected one record a line")
    if rest := b"".join(pending):
        yield rest


def _reason(error: Exception) -> str:
    """Why a library could not read, in words that quote nothing of what it was given: others name members of archives, or values."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) if str(error) and isinstance(error, _QUOTING_NOTHING) else type(error).__name__


def _compare_digests(path: str, expected: str | None, found: str) -> None:
    if expected not in (None, found):
        raise ArchiveError(f"{path}: changed while it was read; ingest it again when nobody writes to it any more")


def _is_taken_for_file(info: fs.FileInfo) -> bool:
    return info.type == fs.FileType.File or (info.type == fs.FileType.Directory and info.path.endswith(COMPRESSED_SUFFIXES))


def _file_system(path: str) -> tuple[fs.FileSystem, str]:
    if "://" in path:
        return fs.FileSystem.from_uri(path)
    return fs.LocalFileSystem(), Path(path).expanduser().resolve().as_posix()


def _bytes_of(raw: IO[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    """A file a piece at a time; `digest` is told of each."""
    while piece := raw.read(_READ_BYTES):
        digest.update(piece)
        yield piece


def _codec(magic: bytes, path: str) -> Callable[[], Any] | None:
    """What makes a decoder of one frame of a file that begins so; None where it is not compressed. Raises ArchiveError."""
    if not magic:
        raise ArchiveError(f"{path}: is empty; fetch it again, or take it away")
    for start, new_frame in _CODECS.items():
        if magic.startswith(start):
            return new_frame
    if _is_skippable_frame(magic):
        return _new_zstd_frame
    if path.endswith(COMPRESSED_SUFFIXES):
        suffix = PurePosixPath(path).suffix
        raise ArchiveError(
            f"{path}: begins with {magic!r}, which is no {suffix} file; fetch it again", f"{path}: begins as no {suffix} file does; fetch it again"
        )
    return None


def _is_skippable_frame(start: bytes) -> bool:
    """Whether a zstd file begins with what is not data; a frame of data follows."""
    return start[1:4] == b"\x2a\x4d\x18" and start[0] >> 4 == 5


def _decoded(pieces: Iterable[bytes], new_frame: Callable[[], Any]) -> Iterator[bytes]:
    """What frames of one codec hold, one after the other. NULs between them are padding. Raises EOFError where the last is cut off."""
    frame = None
    for piece in pieces:
        while piece := piece if frame else piece.lstrip(b"\0"):
            frame = frame or new_frame()
            if decoded := frame.decompress(piece):
                yield decoded
            piece = b""
            if frame.eof:
                piece, frame = frame.unused_data, None
    if frame is not None:
        raise EOFError("the file ends in the middle of a compressed stream")


def _new_zstd_frame() -> Any:
    return zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).decompressobj()


def _new_xz_stream() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ)


def _new_gzip_member() -> Any:
    return zlib.decompressobj(zlib.MAX_WBITS + _GZIP_HEADER)


_CODECS: dict[bytes, Callable[[], Any]] = {
    _ZSTD_MAGIC: _new_zstd_frame,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": _new_xz_stream,
    b"\x1f\x8b": _new_gzip_member,
}
