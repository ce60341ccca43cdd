"""What an ingest is asked to take in: the files of a dump that the platform reads, and how. Told, or refused, before any table is touched."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from conf.errors import ArchiveError
from etl.config import EtlConfig
from etl.ingest.checksums import LIST, listed_digests, read_checksums
from etl.platforms import InputFile, ParseSettings, checked_options, find_platform, load_platform
from lake.config import LakeConfig
from lake.presence import check_lake_key
from lake.pseudonyms import keep_key, load_or_new_key

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DumpFiles:
    """Files of a dump and how they are parsed; `listed` is source file -> the digest that it must have."""

    reference: str
    settings: ParseSettings
    key: bytes
    files: Sequence[InputFile]
    listed: Mapping[str, str]


def find_files(lake: LakeConfig, reference: str, settings: ParseSettings, dump: str, checksums: str | None = None) -> DumpFiles:
    """The files of a dump. `checksums` is the path of a list of SHA-256 digests that they must have. Makes the lake's key where there is none yet.

    Raises ArchiveError where there are no such files, or none that can be taken, and ConfigError where the key is another one.
    """
    key = load_or_new_key(lake.pseudonym_key_file)
    check_lake_key(lake, key)
    files = _files(dump, reference, replace(settings, key=key))
    listed = _listed_digests(checksums, files) if checksums else {}
    if keep_key(key, lake.pseudonym_key_file) != key:  # another process was first to make one, and names of files may hold pseudonyms
        return find_files(lake, reference, settings, dump, checksums)
    return DumpFiles(reference, settings, key, files, listed)


def parse_settings(lake: LakeConfig, config: EtlConfig, reference: str) -> ParseSettings:
    """What every parse of this run is told, without the key: a task loads that itself. Raises ConfigError where options of a platform are wrong."""
    for name, given in config.platforms.items():
        checked_options(find_platform(name), given)
    platform = load_platform(reference)
    options = checked_options(platform, config.platforms.get(platform.name, {}))
    return ParseSettings(b"", datetime.now(UTC), config.honour_deletions, lake.keep_names, config.reject_chars, options=options)


def _files(dump: str, reference: str, settings: ParseSettings) -> list[InputFile]:
    platform = load_platform(reference)
    files = platform.input_files(dump, settings)
    if not files:
        found = f"no files of platform {platform.name!r} below this folder; PLATFORMS.md says what each platform's files are called"
        raise ArchiveError(f"{dump}: {found}", f"--dump: {found}")
    faults = [failure_with_path(file.fault, file) for file in files if file.fault]
    if len(faults) == len(files):  # before a lake is made, and Spark started, for nothing
        raise not_taken(faults, len(files))
    return files


def not_taken(failures: Sequence[ArchiveError], files: int) -> ArchiveError:
    """What is said at the end of an ingest of so many files, some of which failed."""
    others = " (all others are in)" if len(failures) < files else ""
    count = f"{len(failures)} of {files} files could not be taken{others}: "
    return ArchiveError(count + "; ".join(map(str, failures)), count + "; ".join(failure.public for failure in failures))


def failure_with_path(failure: ArchiveError, file: InputFile) -> ArchiveError:
    """A failure that tells whoever runs the job, and nobody else, where the file is, if the lake calls it otherwise."""
    is_told = file.path.endswith(file.source_file) or file.path in str(failure)
    return failure if is_told else ArchiveError(f"{failure} (the file is {file.path})", failure.public)


def _listed_digests(checksums: str, files: Sequence[InputFile]) -> Mapping[str, str]:
    """Digest of each file that a list names; those that it does not name are told. Raises ArchiveError."""
    listed = listed_digests(read_checksums(checksums), files, checksums)
    unnamed = [file.source_file for file in files if file.source_file not in listed]
    if unnamed:
        logger.warning("%d of %d files are not in %s and are taken unchecked: %s", len(unnamed), len(files), LIST, ", ".join(unnamed))
    return listed
