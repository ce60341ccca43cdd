"""What a platform is: a parser that names the input files of a dump and turns each into Arrow batches of acts and rejects.

A platform is found by the entry point group `kindred.platforms`, whose entries are 'module:attribute' of a Platform.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol

import pyarrow as pa
from pydantic import ValidationError

from conf.errors import ArchiveError, ConfigError
from conf.mistakes import did_you_mean, sentences
from conf.settings import StageConfig
from etl.platforms.streams import BLOCK_BYTES, WHOLE_FILE, FileSlice

ENTRY_POINT_GROUP = "kindred.platforms"
# Python code that travels as a zip (spark-submit --py-files) may come without the metadata that lists entry points.
BUILT_IN = {
    "amazon": "etl.platforms.amazon:PLATFORM",
    "generic": "etl.platforms.generic:PLATFORM",
    "hackernews": "etl.platforms.hackernews:PLATFORM",
    "reddit": "etl.platforms.reddit:PLATFORM",
    "reddit-export": "etl.platforms.reddit.export:PLATFORM",
    "stackexchange": "etl.platforms.stackexchange:PLATFORM",
    "takeout": "etl.platforms.takeout:PLATFORM",
}
ACTS_OF_ANOTHER_NAME = {"generic", "reddit-export"}
"""Platforms whose acts bear the name that settings give them, or that of the platform whose data they are."""


class NoOptions(StageConfig):
    """Of a platform whose files say all that its parser needs to know."""


@dataclass(frozen=True)
class InputFile:
    """One file of a dump. `source_file` is its path below the dump root; `kind` is None where a parser cannot tell it.

    `sha256` is the digest of its bytes once somebody read them: a parser that finds others raises ArchiveError. `fault` is why it cannot be taken,
    where its beginning showed that already when the files were listed.
    """

    path: str
    source_file: str
    kind: str | None
    size: int
    sha256: str | None = None
    fault: ArchiveError | None = None


@dataclass(frozen=True)
class ParseSettings:
    """What every parser is told besides the file. `options` are the platform's own, as it described them.

    `rejected_at` is one time for all rejects of a run: every attempt at a file writes the same bytes.
    """

    key: bytes = field(repr=False)
    rejected_at: datetime
    honour_deletions: bool = True
    keep_names: bool = False
    reject_chars: int = 2000
    block_bytes: int = BLOCK_BYTES
    """Decoded bytes that are parsed at once, about; no row depends on it."""
    options: StageConfig = field(default_factory=NoOptions)


@dataclass(frozen=True)
class ParsedBatch:
    """A run of a file's lines. lines = rows of acts + rows of rejects; both tables have the columns of their row models.

    `casts` counts values that were coerced, `left_out` what stands between the lines and is none: headings, votes, pages of the platform itself.
    """

    acts: pa.Table
    rejects: pa.Table
    lines: int
    json_bytes: int
    casts: Mapping[str, int]
    left_out: Mapping[str, int] = field(default_factory=dict)


class Platform(Protocol):
    """A parser of one platform's archives. `options` is the model of what a user may set below `etl.platforms.<name>`."""

    name: str
    version: str
    options: type[StageConfig]

    def input_files(self, dump: str, settings: ParseSettings) -> list[InputFile]:
        """The files below a dump root that this platform reads; of others the log says how many there are, not their names, which may be somebody's.

        Where a path names an account, `source_file` has its pseudonym instead (`etl.platforms.accounts`): the lake has no names.
        """
        ...

    def parse(self, file: InputFile, settings: ParseSettings, part: FileSlice = WHOLE_FILE) -> Iterator[ParsedBatch]:
        """A file's lines in order, as bounded batches of lines without a gap. Raises ArchiveError where the file cannot be read to its end.

        The slices of one count have no line in common and together have all, numbered as in the file; a parser that cannot share out a file gives
        all of it in slice 0 and nothing in the others.
        """
        ...


def installed_platforms() -> dict[str, str]:
    """Name of each installed platform -> its 'module:attribute'."""
    return BUILT_IN | {entry.name: entry.value for entry in entry_points(group=ENTRY_POINT_GROUP)}


def names_of_acts(options: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """What ids and pseudonyms may begin with: names of installed platforms, and the one that options give the tables of `generic`."""
    own = options.get("generic", {}).get("name")
    return (installed_platforms().keys() - ACTS_OF_ANOTHER_NAME) | ({str(own)} if own else set())


def platform_reference(name: str) -> str:
    """'module:attribute' of an installed platform. Raises ConfigError that lists those there are."""
    references = installed_platforms()
    if name not in references:
        raise ConfigError(f"platform {name!r} is not installed; installed are {', '.join(sorted(references))}{did_you_mean(name, references)}")
    return references[name]


def load_platform(reference: str) -> Platform:
    """The platform that 'module:attribute' names; needs no metadata of the distribution, so that executors can call it."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


def checked_options(platform: Platform, given: Mapping[str, Any]) -> StageConfig:
    """A platform's options as its own model. Raises ConfigError that names each wrong key."""
    try:
        return platform.options.model_validate(given)
    except ValidationError as error:
        raise ConfigError("; ".join(sentences(f"etl.platforms.{platform.name}", error, platform.options))) from None


def find_platform(name: str) -> Platform:
    """The installed platform of this name. Raises ConfigError that lists those there are."""
    return load_platform(platform_reference(name))
