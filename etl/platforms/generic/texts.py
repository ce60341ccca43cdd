"""Blocks of a file's lines -> text, in whatever encoding; lines that are not of it are told from the others."""

import codecs
import io
from collections.abc import Iterator

from conf.errors import ArchiveError
from etl.platforms import InputFile
from etl.platforms.streams import line_blocks

UTF_8 = "utf-8"


def text_runs(file: InputFile, encoding: str, block_bytes: int) -> Iterator[tuple[str, bool]]:
    """Runs of a file's whole lines in order, and whether they are of the encoding; a line that is not is a run of its own, its wrong bytes replaced.

    The mark that may stand at the beginning of UTF-8 is left out. Raises ArchiveError where the file cannot be read.
    """
    mark = codecs.BOM_UTF8 if encoding == UTF_8 else b""
    for block in line_blocks(file.path, block_bytes, file.sha256):
        yield from _runs(block.removeprefix(mark), encoding)
        mark = b""


def check_first_line(file: InputFile, line: str, is_sound: bool, encoding: str) -> None:
    """Raise ArchiveError where a file's line of names is not of the encoding."""
    if not is_sound:
        # With every second byte NUL, a Latin text is UTF-16.
        change = f"convert it (iconv -f utf-16 -t {UTF_8})" if "\0" in line else "set the source's encoding, e.g. latin-1"
        raise ArchiveError(f"{file.source_file}: its first line is not {encoding}; {change}")


def _runs(block: bytes, encoding: str) -> Iterator[tuple[str, bool]]:
    whole = _decoded(block, encoding)
    if whole is not None:
        yield whole, True
        return
    for line in io.BytesIO(block):
        text = _decoded(line, encoding)
        yield (line.decode(encoding, "replace"), False) if text is None else (text, True)


def _decoded(text: bytes, encoding: str) -> str | None:
    """A text; None where its bytes are not of the encoding."""
    try:
        return text.decode(encoding)
    except UnicodeDecodeError:
        return None
