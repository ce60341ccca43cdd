"""Members of the archives in which people are handed their data: .zip, .tgz and other tars, one after the other, never unpacked to disk (edge)."""

import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from conf.errors import ArchiveError
from etl.platforms.streams import open_file, open_seekable

ZIP_SUFFIXES = (".zip",)
TAR_SUFFIXES = (".tgz", ".tar.gz", ".tar", ".tar.bz2", ".tar.xz")
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class Member:
    """One file in an archive: its path there, decoded bytes, and what it holds, which can be read until the next member is asked for."""

    name: str
    size: int
    stream: IO[bytes]


def is_archive(path: str) -> bool:
    """Whether a path has the suffix of an archive that `members` reads."""
    return path.lower().endswith((*ZIP_SUFFIXES, *TAR_SUFFIXES))


def members(path: str) -> Iterator[Member]:
    """The files in an archive, in stored order. Raises ArchiveError, or whatever the libraries raise where its bytes are damaged."""
    yield from _zip_members(path) if path.lower().endswith(ZIP_SUFFIXES) else _tar_members(path)


def _zip_members(path: str) -> Iterator[Member]:
    with open_seekable(path) as raw, zipfile.ZipFile(raw) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            if info.flag_bits & _ENCRYPTED:
                raise ArchiveError(f"{path}: {info.filename} is encrypted; unpack the archive and pack it again without a password")
            with archive.open(info) as stream:
                yield Member(info.filename, info.file_size, stream)


def _tar_members(path: str) -> Iterator[Member]:
    with open_file(path) as raw, tarfile.open(fileobj=raw, mode="r|*") as archive:
        for info in archive:
            stream = archive.extractfile(info) if info.isfile() else None
            if stream is not None:
                with stream:
                    yield Member(info.name, info.size, stream)
