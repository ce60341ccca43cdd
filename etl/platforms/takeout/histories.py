"""A file of an export -> what each entry of its history tells, in stored order; and whether it holds a history at all."""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from unicodedata import normalize

from etl.platforms.records import LeftOut, Parsed
from etl.platforms.takeout.activity import activity_record, json_activity
from etl.platforms.takeout.acts import Person
from etl.platforms.takeout.chrome import HISTORY, chrome_record
from etl.platforms.takeout.entries import PAGE_ENTRY, json_entries, page_entries
from etl.platforms.takeout.pages import page_activity
from etl.platforms.takeout.titles import TitleReader
from etl.platforms.takeout.words import CHROME_FILES, HISTORY_FILES

HEAD_BYTES = 256 * 2**10
"""Looked at of a file whose name tells nothing: a page begins with a long style sheet."""
_ACTIVITY = re.compile(rb'\s*\[\s*\{(?=.*?"title"\s*:)(?=.*?"time"\s*:)(?=.*?"(?:header|products)"\s*:)', re.DOTALL)
_CHROME = re.compile(rb'\s*\{.*?"Browser History"\s*:', re.DOTALL)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def may_hold_history(path: str) -> bool:
    """Whether a file has a suffix of those that hold histories."""
    return path.lower().endswith((".json", ".html"))


def holds_history(path: str, head: bytes) -> bool:
    """Whether a file holds a history: by its name in one of our languages, else by its first HEAD_BYTES."""
    place = PurePosixPath(plain_name(path))
    stem = re.sub(r"[\W_]", "", place.stem)
    if not may_hold_history(path):
        return False
    if stem in HISTORY_FILES or (stem in CHROME_FILES and place.parent.name == "chrome"):
        return True
    text = head.removeprefix(_BYTE_ORDER_MARK)
    return PAGE_ENTRY in text if _is_page(path) else any(form.match(text) for form in (_ACTIVITY, _CHROME))


def history_records(path: str, chunks: Iterable[bytes], person: Person, where: str) -> Iterator[Parsed]:
    """What each entry of a history tells; `where` is what errors name. Raises ArchiveError where it breaks off."""
    titles = TitleReader()
    if _is_page(path):
        for entry in page_entries(chunks, where):
            yield _activity_record(entry, True, person, titles)
        return
    for list_name, entry in json_entries(chunks, where):
        if list_name is None:
            yield _activity_record(entry, False, person, titles)
        else:
            yield chrome_record(entry, person) if list_name == HISTORY else LeftOut("list of no visits", len(entry))


def plain_name(name: str) -> str:
    """A name in one form of Unicode (a Mac writes another than Google), in lower case, with plain spaces."""
    return normalize("NFC", name).replace("\xa0", " ").lower()


def _activity_record(entry: bytes, is_page: bool, person: Person, titles: TitleReader) -> Parsed:
    try:
        activity = page_activity(entry) if is_page else json_activity(entry)
    except ValueError as reason:
        return person.refused(str(reason), entry.decode("utf-8", "replace"), len(entry))
    return activity_record(activity, person, titles)


def _is_page(path: str) -> bool:
    return path.lower().endswith(".html")
