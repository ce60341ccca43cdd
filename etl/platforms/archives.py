"""Members of the archives in which people are handed data: .zip, .7z, .tgz and other tars, one after the other, never unpacked to disk (edge)."""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from conf.errors import ArchiveError
from etl.platforms.seven_zip import seven_zip_members
from etl.platforms.streams import open_file, open_seekable

ZIP_SUFFIXES = (".zip",)
SEVEN_ZIP_SUFFIXES = (".7z",)
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
    return path.lower().endswith((*ZIP_SUFFIXES, *SEVEN_ZIP_SUFFIXES, *TAR_SUFFIXES))


def members(path: str, is_wanted: Callable[[str], bool] = lambda name: True) -> Iterator[Member]:
    """The wanted files in an archive, in stored order. Raises ArchiveError, or whatever the libraries raise where its bytes are damaged."""
    if path.lower().endswith(ZIP_SUFFIXES):
        yield from _zip_members(path, is_wanted)
    elif path.lower().endswith(SEVEN_ZIP_SUFFIXES):
        with open_seekable(path) as raw:
            for member in seven_zip_members(raw, path, is_wanted):
                yield Member(*member)
    else:
        yield from _tar_members(path, is_wanted)


def _zip_members(path: str, is_wanted: Callable[[str], bool]) -> Iterator[Member]:
    with open_seekable(path) as raw, zipfile.ZipFile(raw) as archive:
        for info in archive.infolist():
            if info.is_dir() or not is_wanted(info.filename):
                continue
            if info.flag_bits & _ENCRYPTED:
                advice = "unpack the archive and pack it again without a password"
                raise ArchiveError(f"{path}: {info.filename} is encrypted; {advice}", f"{path}: is encrypted; {advice}")
            with archive.open(info) as stream:
                yield Member(info.filename, info.file_size, stream)


def _tar_members(path: str, is_wanted: Callable[[str], bool]) -> Iterator[Member]:
    with open_file(path) as raw, tarfile.open(fileobj=raw, mode="r|*") as archive:
        for info in archive:
            stream = archive.extractfile(info) if info.isfile() and is_wanted(info.name) else None
            if stream is not None:
                with stream:
                    yield Member(info.name, info.size, stream)
