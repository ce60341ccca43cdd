"""Google Takeout: My Activity, YouTube's and Chrome's histories, as JSON or HTML, in the archives that Google hands out or unpacked.

Below the dump root lies a folder a person, named by the account. See `words` for the languages, and for where the forms were looked up.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import IO

from pydantic import Field

from conf.errors import ConfigError
from conf.settings import StageConfig
from etl.platforms import InputFile, ParsedBatch, ParseSettings
from etl.platforms.accounts import short_pseudonym, user_ids, without_account
from etl.platforms.archives import is_archive, members
from etl.platforms.records import LeftOut, Parsed, parsed_batches
from etl.platforms.sessions import in_sessions
from etl.platforms.streams import WHOLE_FILE, FileSlice, list_files, open_file
from etl.platforms.takeout.acts import EMAIL, Person
from etl.platforms.takeout.histories import HEAD_BYTES, history_records, holds_history, may_hold_history, plain_name
from lake.pseudonyms import PATH_CHARS

logger = logging.getLogger(__name__)

PLATFORM_NAME = "takeout"
_CHUNK_BYTES = 64 * 2**10
_NO_ACCOUNTS = re.compile(r"takeout(?:-\d{8}t\d{6}z.*)?|chrome|youtube(?: .*)?|my activity|meine aktivitäten|mon activité|mi actividad|マイ アクティビティ")
"""Folders of an export itself, in lower case."""
_EXPORTED_AT = re.compile(r"takeout-(\d{8}T\d{6})Z")


class TakeoutOptions(StageConfig):
    """The `etl.platforms.takeout` section."""

    account: str | None = Field(None, description="Account of the files that lie in no folder of an account.")
    session_minutes: int = Field(30, gt=0, description="An act that comes more than so many minutes after the one before starts a session.")


class TakeoutPlatform:
    """The parser of Takeout exports. An archive, or an unpacked file, is one input file; its sessions go over one history each."""

    name = PLATFORM_NAME
    version = "1"
    options = TakeoutOptions

    def input_files(self, dump: str, settings: ParseSettings) -> list[InputFile]:
        """Archives, and unpacked files that hold a history; a folder directly below the root is an account. Raises ConfigError for files of nobody."""
        assert isinstance(settings.options, TakeoutOptions)
        files, others = [], 0
        for path, name, size in list_files(dump):
            if is_archive(name) or _is_unpacked_history(path):
                files.append(InputFile(path, _source_file(name, settings.options, settings.key), "archive" if is_archive(name) else "history", size))
            else:
                others += 1
        if others:
            logger.info("%d files hold no history and are left alone", others)
        return files

    def parse(self, file: InputFile, settings: ParseSettings, part: FileSlice = WHOLE_FILE) -> Iterator[ParsedBatch]:
        """The entries of a file's histories in stored order; a file is not shared out. Raises ArchiveError."""
        if part.number == 0:
            yield from parsed_batches(_records(file, settings), self.name, file, settings)


PLATFORM = TakeoutPlatform()


def _source_file(name: str, options: TakeoutOptions, key: bytes) -> str:
    """A path below the dump root with its account's pseudonym as the first folder, and pseudonyms in place of the account and of any address. Raises ConfigError."""
    folder, _, rest = name.partition("/")
    if not rest or _NO_ACCOUNTS.fullmatch(plain_name(folder)):
        folder, rest = options.account or "", name
    if not folder:
        advice = "put each person's files in a folder below --dump that is named after the account, or say whose they are with etl.platforms.takeout.account"
        raise ConfigError(f"takeout: {name} lies in no folder of an account; {advice}", f"takeout: a file lies in no folder of an account; {advice}")
    without_folder = without_account(rest, folder, PLATFORM_NAME, key)
    without_addresses = EMAIL.sub(lambda found: short_pseudonym(found[0], PLATFORM_NAME, key), without_folder)
    return f"{short_pseudonym(folder, PLATFORM_NAME, key)}/{without_addresses}"


def _account(file: InputFile, options: TakeoutOptions, key: bytes) -> str:
    """Whose a file is: the folder above what `source_file` has after the pseudonym, if it has that pseudonym, else the account of the options."""
    pseudonym, *rest = file.source_file.split("/")
    folder = file.path.split("/")[-len(rest) - 1]
    return folder if short_pseudonym(folder, PLATFORM_NAME, key) == pseudonym else options.account or ""


def _records(file: InputFile, settings: ParseSettings) -> Iterator[Parsed]:
    """What the histories of a file tell, one history after the other, in sessions."""
    assert isinstance(settings.options, TakeoutOptions)
    account = _account(file, settings.options, settings.key)
    person = Person(account, user_ids(PLATFORM_NAME, settings.key)[account] or "", _exported_at(file.path))
    gap = timedelta(minutes=settings.options.session_minutes)
    for name, stream in _streams(file):
        head = stream.read(HEAD_BYTES)
        if holds_history(name, head):
            chunks = chain([head], iter(partial(stream.read, _CHUNK_BYTES), b""))
            yield from in_sessions(history_records(name, chunks, person, file.source_file), gap, person.user_id[:PATH_CHARS])
        else:
            yield LeftOut("file without a history")


def _streams(file: InputFile) -> Iterator[tuple[str, IO[bytes]]]:
    """(path, bytes) of an archive's members, or of the one unpacked file."""
    if file.kind == "archive":
        for member in members(file.path):
            yield member.name, member.stream
    else:
        with open_file(file.path) as stream:
            yield file.path, stream


def _exported_at(path: str) -> datetime | None:
    """When an export was made, as the name of its archive tells: takeout-20240302T101112Z-001.zip."""
    with suppress(ValueError):
        return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) if (found := _EXPORTED_AT.search(path)) else None
    return None


def _is_unpacked_history(path: str) -> bool:
    if not may_hold_history(path):
        return False
    try:
        with open_file(path) as stream:
            return holds_history(path, stream.read(HEAD_BYTES))
    except OSError:
        return True  # so that whoever reads it hears why it cannot be read
