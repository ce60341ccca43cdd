"""What an ingest is asked to take in: the files of a dump that the platform reads, and how. Told, or refused, before any table is touched."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from conf.errors import ArchiveError
from etl.config import EtlConfig
from etl.ingest.checksums import listed_digests, read_checksums
from etl.platforms import InputFile, ParseSettings, checked_options, load_platform, platform_reference
from lake.config import LakeConfig
from lake.presence import check_lake_key
from lake.pseudonyms import keep_key, load_or_new_key

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inputs:
    """Files of a dump and how they are parsed; `listed` is source file -> the digest that it must have."""

    reference: str
    settings: ParseSettings
    key: bytes
    files: Sequence[InputFile]
    listed: Mapping[str, str]


def find_inputs(lake: LakeConfig, config: EtlConfig, dump: str, platform: str, checksums: str | None = None) -> Inputs:
    """The files of a dump. `checksums` is the path of a list of SHA-256 digests that they must have. Makes the lake's key where there is none yet.

    Raises ArchiveError where there are no such files, ConfigError where platform, options or key are wrong.
    """
    reference = platform_reference(platform)
    settings = parse_settings(lake, config, reference)
    key = load_or_new_key(lake.pseudonym_key_file)
    check_lake_key(lake, key)
    files = _files(dump, reference, replace(settings, key=key))
    listed = _listed_digests(checksums, files) if checksums else {}
    if keep_key(key, lake.pseudonym_key_file) != key:  # another process was first to make one, and names of files may hold pseudonyms
        return find_inputs(lake, config, dump, platform, checksums)
    return Inputs(reference, settings, key, files, listed)


def parse_settings(lake: LakeConfig, config: EtlConfig, reference: str) -> ParseSettings:
    """What every parse of this run is told, without the key: a task loads that itself. Raises ConfigError where options of a platform are wrong."""
    platform = load_platform(reference)
    for name in config.platforms:
        platform_reference(name)
    options = checked_options(platform, config.platforms.get(platform.name, {}))
    return ParseSettings(b"", datetime.now(UTC), config.honour_deletions, lake.keep_names, config.reject_chars, options=options)


def _files(dump: str, reference: str, settings: ParseSettings) -> list[InputFile]:
    platform = load_platform(reference)
    files = platform.input_files(dump, settings)
    if not files:
        raise ArchiveError(f"{dump}: no files of platform {platform.name!r} below this folder; PLATFORMS.md says what each platform's files are called")
    return files


def _listed_digests(checksums: str, files: Sequence[InputFile]) -> Mapping[str, str]:
    """Digest of each file that a list names; those that it does not name are told. Raises ArchiveError."""
    listed = listed_digests(read_checksums(checksums), [file.source_file for file in files], checksums)
    unnamed = [file.source_file for file in files if file.source_file not in listed]
    if unnamed:
        logger.warning("%d of %d files are not in %s and are taken unchecked: %s", len(unnamed), len(files), checksums, ", ".join(unnamed))
    return listed
