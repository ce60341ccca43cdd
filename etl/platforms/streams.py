"""Files of a dump -> blocks of whole lines, whatever they are compressed with (edge).

The archive's zstd files are one frame (or many) with a window of 2 GiB, which decoders refuse unless told. The magic bytes choose the
decoder, not the name. A stream that ends before its codec says so is an error: most libraries would just stop there.
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

import zstandard
from pyarrow import fs

from conf.errors import ArchiveError

MAX_WINDOW_BYTES = 2**31
BLOCK_BYTES = 4 * 2**20
MAX_LINE_BYTES = 64 * 2**20
COMPRESSED_SUFFIXES = (".zst", ".bz2", ".xz", ".gz")
# Small, because a decoder gives back all that one read decodes to at once.
_READ_BYTES = 128 * 2**10
_PIECE_BYTES = 2**20


def list_files(root: str) -> list[tuple[str, str, int]]:
    """(path, path below the root, bytes) of every file below a folder or URI, by name; hidden ones are left out. Raises ArchiveError."""
    system, base = _file_system(root)
    if system.get_file_info(base).type != fs.FileType.Directory:
        raise ArchiveError(f"{root}: no such folder of archive files")
    prefix = root.rstrip("/") if "://" in root else base
    found = system.get_file_info(fs.FileSelector(base, recursive=True))
    below = {str(PurePosixPath(info.path).relative_to(base)): info.size for info in found if info.type == fs.FileType.File}
    visible = sorted(name for name in below if not any(part.startswith(".") for part in name.split("/")))
    return [(f"{prefix}/{name}", name, below[name]) for name in visible]


def open_file(path: str) -> IO[bytes]:
    """The file's bytes as they are, from a local path or a URI."""
    if "://" not in path:
        return open(path, "rb")
    system, inner = _file_system(path)
    return system.open_input_file(inner)


def line_blocks(path: str, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """The decoded file in order, as blocks that end at the end of a line; only the last may lack its newline.

    Raises ArchiveError where the file is truncated, damaged, not what its suffix says, or has a line longer than MAX_LINE_BYTES.
    """
    name = PurePosixPath(path).name
    try:
        with open_file(path) as raw:
            yield from _whole_lines(_decoder_of(raw, name)(raw), name, block_bytes)
    except (zstandard.ZstdError, lzma.LZMAError, zlib.error, OSError, EOFError) as error:
        raise ArchiveError(f"{name}: cannot be decoded to its end: {error or type(error).__name__}") from None


def _file_system(path: str) -> tuple[fs.FileSystem, str]:
    if "://" in path:
        return fs.FileSystem.from_uri(path)
    return fs.LocalFileSystem(), Path(path).expanduser().resolve().as_posix()


def _decoder_of(raw: IO[bytes], name: str) -> Callable[[IO[bytes]], Iterator[bytes]]:
    magic = raw.read(6)
    raw.seek(0)
    for start, decoder in _DECODERS.items():
        if magic.startswith(start):
            return decoder
    if magic[1:4] == b"\x2a\x4d\x18" and magic[0] >> 4 == 5:  # a skippable frame comes first
        return _zstd_pieces
    if magic and name.endswith(COMPRESSED_SUFFIXES):
        raise ArchiveError(f"{name}: begins with {magic!r}, which is no {PurePosixPath(name).suffix} file; fetch it again")
    return _pieces


def _pieces(stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while piece := stream.read(_PIECE_BYTES):
        yield piece


def _zstd_pieces(raw: IO[bytes]) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    frame = None
    while compressed := raw.read(_READ_BYTES):
        while compressed:
            frame = frame or decompressor.decompressobj()
            if piece := frame.decompress(compressed):
                yield piece
            compressed = b""
            if frame.eof:
                compressed, frame = frame.unused_data, None
    if frame is not None:
        raise EOFError("the file ends in the middle of a zstd frame")


def _bz2_pieces(raw: IO[bytes]) -> Iterator[bytes]:
    with bz2.open(raw) as stream:
        yield from _pieces(stream)


def _xz_pieces(raw: IO[bytes]) -> Iterator[bytes]:
    with lzma.open(raw) as stream:
        yield from _pieces(stream)


def _gzip_pieces(raw: IO[bytes]) -> Iterator[bytes]:
    with gzip.open(raw) as stream:
        yield from _pieces(stream)


_DECODERS: dict[bytes, Callable[[IO[bytes]], Iterator[bytes]]] = {
    b"\x28\xb5\x2f\xfd": _zstd_pieces,
    b"BZh": _bz2_pieces,
    b"\xfd7zXZ\x00": _xz_pieces,
    b"\x1f\x8b": _gzip_pieces,
}


def _whole_lines(pieces: Iterable[bytes], name: str, block_bytes: int) -> Iterator[bytes]:
    pending: list[bytes] = []
    size = 0
    for piece in pieces:
        pending.append(piece)
        size += len(piece)
        if size < block_bytes:
            continue
        block = b"".join(pending)
        end = block.rfind(b"\n") + 1
        if size - end > MAX_LINE_BYTES:
            raise ArchiveError(f"{name}: a line is longer than {MAX_LINE_BYTES:,} bytes; expected one JSON object a line")
        if end:
            yield block[:end]
        pending, size = [block[end:]], size - end
    if rest := b"".join(pending):
        yield rest
