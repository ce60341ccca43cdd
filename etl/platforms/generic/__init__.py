"""Tables that no parser knows, CSV, JSON lines and Parquet: the settings say which column is what."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from conf.errors import ArchiveError, ConfigError
from etl.platforms import InputFile, ParsedBatch, ParseSettings
from etl.platforms.accounts import user_ids
from etl.platforms.generic.acts import SourceActs
from etl.platforms.generic.options import GenericOptions, Source
from etl.platforms.generic.rows import check_columns, format_of, rows_of
from etl.platforms.records import UNREADABLE, parsed_batches
from etl.platforms.streams import WHOLE_FILE, FileSlice, list_files

logger = logging.getLogger(__name__)

FILES_TOLD = 10
FILES_CHECKED = 20
"""Files of a source whose columns are looked at before anything else is done: a mistake in the settings shows in all of them."""


class GenericPlatform:
    """The parser of tables that settings describe. Their acts bear the name that the settings give the platform."""

    name = "generic"
    version = "2"
    options = GenericOptions

    def input_files(self, dump: str, settings: ParseSettings) -> list[InputFile]:
        """The files of the sources, the first ones of each with their fault where they lack a column.

        Raises ConfigError where a source has none, where two have one, or where a format cannot be told.
        """
        options, listed = _options(settings), list_files(dump)
        names = [source_file for _, source_file, _ in listed]
        for where, source in options.numbered():
            if not any(fnmatchcase(name, source.files) for name in names):
                there = ", ".join(names[:FILES_TOLD]) or "none"
                nothing = f"{where}: {source.files!r} is none of the {len(names)} files below"
                raise ConfigError(f"{nothing} {dump}, which are {there}", public=f"{nothing} --dump")
        files, of_source = [], Counter[str]()
        for path, source_file, size in listed:
            own = _source_of(source_file, options)
            if own is None:
                continue
            of_source[own.files] += 1
            file = InputFile(path, source_file, own.action, size)
            files.append(_checked(file, own) if of_source[own.files] <= FILES_CHECKED else file)
        if others := len(listed) - len(files):
            logger.info("%d files are left alone, since no source of etl.platforms.generic names them", others)
        return files

    def parse(self, file: InputFile, settings: ParseSettings, part: FileSlice = WHOLE_FILE) -> Iterator[ParsedBatch]:
        """The rows of a file in order, all of them in slice 0. Raises ArchiveError where it cannot be read, or its columns are others."""
        options = _options(settings)
        source = _source_of(file.source_file, options)
        if source is None or part.number > 0:
            return
        acts = SourceActs(source, user_ids(options.name, settings.key))
        yield from parsed_batches(acts.of_rows(rows_of(file, source, settings.block_bytes), file.source_file), options.name, file, settings)


PLATFORM = GenericPlatform()


def _options(settings: ParseSettings) -> GenericOptions:
    assert isinstance(settings.options, GenericOptions)
    return settings.options


def _checked(file: InputFile, source: Source) -> InputFile:
    """The file, with its fault where it lacks a column; what else is wrong with it is told by who reads it."""
    try:
        check_columns(file, source)
    except ArchiveError as fault:
        return replace(file, fault=fault)
    except UNREADABLE:
        pass
    return file


def _source_of(source_file: str, options: GenericOptions) -> Source | None:
    """The source that a file belongs to; None where there is none. Raises ConfigError."""
    claiming = [(where, source) for where, source in options.numbered() if fnmatchcase(source_file, source.files)]
    if not claiming:
        return None
    if len(claiming) > 1:
        raise ConfigError(f"{source_file}: belongs to two sources, {claiming[0][0]} and {claiming[1][0]}; let one alone match it")
    ((where, source),) = claiming
    if format_of(source, source_file) is None:
        raise ConfigError(f"{where}: the suffix of {source_file} tells no format; set the source's format to csv, jsonl or parquet")
    if source.header and format_of(source, source_file) != "csv":
        raise ConfigError(f"{where}: header is of csv alone, which {source_file} is not by its suffix; set the source's format, or take header away")
    return source
