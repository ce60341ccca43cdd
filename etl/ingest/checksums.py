"""A list of SHA-256 digests as `sha256sum` writes it, and the digest that it gives for each input file."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from conf.errors import ArchiveError
from etl.platforms import InputFile
from etl.platforms.streams import open_file

LIST = "the list of SHA-256 digests"

# The digest, a space, and '*' (read as binary) or another space; names with backslashes or line feeds are marked by a backslash in front.
_ENTRY = re.compile(r"(?P<mark>\\?)(?P<sha256>[0-9a-fA-F]{64}) [ *](?P<name>.+)")
_ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}


@dataclass(frozen=True)
class ListedDigest:
    """One line of a list: the folders and the name of a file as parts, and its digest in lower-case hex."""

    parts: tuple[str, ...]
    sha256: str


def read_checksums(path: str) -> list[ListedDigest]:
    """The entries of a list; blank lines and lines that begin with '#' are passed over. Raises ArchiveError."""
    try:
        with open_file(path) as stream:
            text = stream.read().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{path}: the list of SHA-256 digests cannot be read: {error}", f"{LIST} cannot be read: {type(error).__name__}") from None
    lines = enumerate((line.rstrip("\r") for line in text.split("\n")), start=1)
    return [_entry(line, path, number) for number, line in lines if line.strip() and not line.startswith("#")]


def listed_digests(entries: Sequence[ListedDigest], files: Iterable[InputFile], where: str) -> Mapping[str, str]:
    """Digest of each file that the list names, by `source_file`. A list has the names that files have on disk.

    A list may have been made in a folder above the dump or below it: names agree where one is the end of the other, and the longest
    agreement counts. Raises ArchiveError where the list names no file at all, or gives one file two digests.
    """
    by_name: dict[str, list[ListedDigest]] = {}
    for entry in entries:
        by_name.setdefault(entry.parts[-1], []).append(entry)
    found = {}
    for file in files:
        if sha256 := _digest_of(file, by_name.get(PurePosixPath(file.path).name, []), where):
            found[file.source_file] = sha256
    if not found:
        nothing = f"none of its {len(entries)} entries is a file of the dump; give the list that belongs to it"
        raise ArchiveError(f"{where}: {nothing}", f"{LIST}: {nothing}")
    return found


def _entry(line: str, path: str, number: int) -> ListedDigest:
    entry = _ENTRY.fullmatch(line)
    name = entry["name"] if entry else ""
    if entry and entry["mark"]:
        name = re.sub(r"\\[\\nr]", lambda escape: _ESCAPES[escape[0]], name)
    parts = tuple(part for part in PurePosixPath(name).parts if part != "/")
    if entry is None or not parts:
        expected = "no '<sha256>  <file>'; expected a list as sha256sum writes it"
        raise ArchiveError(f"{path}, line {number}: {line[:100]!r} is {expected}", f"{LIST}: line {number} is {expected}")
    return ListedDigest(parts, entry["sha256"].lower())


def _digest_of(file: InputFile, entries: Sequence[ListedDigest], where: str) -> str | None:
    parts = PurePosixPath(file.path).parts[-len(PurePosixPath(file.source_file).parts) :]
    agreeing = {entry: min(len(parts), len(entry.parts)) for entry in entries}
    agreeing = {entry: length for entry, length in agreeing.items() if parts[-length:] == entry.parts[-length:]}
    digests = {entry.sha256 for entry, length in agreeing.items() if length == max(agreeing.values())}
    if len(digests) > 1:
        found = f"gives {file.source_file} {len(digests)} different digests; keep the one that is right"
        raise ArchiveError(f"{where}: {found}", f"{LIST}: {found}")
    return digests.pop() if digests else None
