"""What is said of files that cannot be read: all of it to whoever runs the job, nothing of paths and contents in public."""

import csv
import lzma
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from conf.errors import KindredError
from etl.platforms import ParseSettings, checked_options, find_platform
from etl.platforms.archives import members
from etl.platforms.streams import line_blocks, list_files, unreadable

SOURCE = {"files": "*.csv", "action": "review", "columns": {"user": "user", "time": "at", "text": "text"}}


@pytest.mark.parametrize(
    ("error", "public"),
    [
        (zipfile.BadZipFile("Bad CRC-32 for file 'Takeout/Ada.json'"), "BadZipFile"),
        (FileNotFoundError(2, "No such file or directory", "/home/Ada/RC.zst"), "No such file or directory"),
        (OSError("When reading information for key 'Ada.zip': access denied"), "OSError"),
        (pa.ArrowInvalid("cannot parse 'Ada'"), "ArrowInvalid"),
        (csv.Error("unexpected end of Ada"), "Error"),
        (zlib.error("Error -3 while decompressing data"), "Error -3 while decompressing data"),
        (lzma.LZMAError("Corrupt input data"), "Corrupt input data"),
        (EOFError(), "EOFError"),
    ],
)
def test_the_public_message_quotes_no_library(error: Exception, public: str) -> None:
    failure = unreadable("some {file}.zip", "read", error)
    assert failure.public == f"some {{file}}.zip: cannot be read to its end: {public}; fetch it again"
    assert (str(error) or "EOFError") in str(failure)


def first_of_generic(folder: Path, content: str, **changes: Any) -> None:
    (folder / "table.csv").write_text(content)
    platform = find_platform("generic")
    options = checked_options(platform, {"name": "shop", "sources": [SOURCE | changes]})
    settings = ParseSettings(b"k" * 32, datetime(2026, 1, 1, tzinfo=UTC), options=options)
    for file in platform.input_files(str(folder), settings):
        list(platform.parse(file, settings))


def first_of_other_names(folder: Path) -> None:
    (folder / "of Ada.jsonl").touch()
    first_of_generic(folder, "", files="reviews/*.csv")


def first_of_archive(folder: Path) -> None:
    with zipfile.ZipFile(folder / "some.zip", "w") as archive:
        archive.writestr("of Ada.csv", "words")
    content = bytearray((folder / "some.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (folder / "some.zip").write_bytes(content)
    next(members(str(folder / "some.zip")))


def first_of_page(folder: Path) -> None:
    (folder / "some.zst").write_bytes(b"Ada wrote")
    next(line_blocks(str(folder / "some.zst")))


@pytest.mark.parametrize(
    "read",
    [
        lambda folder: first_of_generic(folder, "Ada,2019-01-01,words\n"),
        lambda folder: first_of_generic(folder, "user,at,text\np,Ada,words\n"),
        first_of_other_names,
        first_of_archive,
        first_of_page,
        lambda folder: list_files(str(folder / "Ada")),
    ],
    ids=["a first row in the place of a header", "a value that is no time", "files of another name", "an encrypted member", "other first bytes", "no folder"],
)
def test_no_error_quotes_a_file_in_public(read: Callable[[Path], Any], tmp_path: Path) -> None:
    with pytest.raises(KindredError, match="Ada") as error:
        read(tmp_path)
    assert "Ada" not in error.value.public
    assert error.value.public
