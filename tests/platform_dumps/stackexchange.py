"""Writes Stack Exchange dumps of any size: a site as a folder of XML files, and one as a .7z archive."""

import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import py7zr

OPTIONS: dict[str, Any] = {}
ARCHIVED_SHARE = 10
THREAD_POSTS = 4
PEOPLE_SHARE = 30
FIRST_TIME = datetime(2008, 8, 1)  # noqa: DTZ001 - the dump writes UTC without saying so
MARK = "\ufeff"
LICENCE = 'ContentLicense="CC BY-SA 4.0"'


def write_dump(folder: Path, records: int, bad: int = 0) -> None:
    """Write so many questions, answers and comments below a folder, `bad` of which are rows that break off; a tenth is in the archive."""
    archived, archived_bad = records // ARCHIVED_SHARE, bad // ARCHIVED_SHARE
    write_site(folder / "tea.stackexchange.com", records - archived, bad - archived_bad)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as unpacked:
        write_site(Path(unpacked), archived, archived_bad)
        with py7zr.SevenZipFile(folder / "mead.stackexchange.com.7z", "w", filters=[{"id": py7zr.FILTER_BZIP2}]) as archive:
            for name in ("Comments.xml", "Posts.xml"):
                archive.write(Path(unpacked) / name, name)


def write_site(folder: Path, records: int, bad: int) -> None:
    """Write a site's two files: two fifths of the records are posts, the others comments on them."""
    folder.mkdir(parents=True, exist_ok=True)
    posts = records * 2 // 5
    every = records // bad if bad else records + 1
    _write(folder / "Posts.xml", "posts", (_cut(post(number), number, every, bad) for number in range(posts)))
    _write(folder / "Comments.xml", "comments", (_cut(comment(number, posts), number, every, bad) for number in range(posts, records)))


def post(number: int) -> str:
    """A row of Posts.xml: each fourth is a question, the three after it answer it."""
    question = number - number % THREAD_POSTS + 1
    heading = f'PostTypeId="1" Title="How slow is kettle {number}?" Tags="&lt;kettles&gt;&lt;pots&gt;"'
    kind = f'PostTypeId="2" ParentId="{question}"' if number % THREAD_POSTS else heading
    body = f"&lt;p&gt;Kettle {number} &lt;em&gt;boils&lt;/em&gt;.&lt;/p&gt;&#xA;&#xA;&lt;p&gt;{'Words. ' * (number % 60)}&lt;/p&gt;&#xA;"
    return f'  <row Id="{number + 1}" {kind} CreationDate="{_time(number)}" Score="{number % 9}" Body="{body}" OwnerUserId="{_person(number)}" {LICENCE} />\n'


def comment(number: int, posts: int) -> str:
    """A row of Comments.xml, on one of so many posts."""
    on = number * 7919 % max(posts, 1) + 1
    text = f"Is kettle {number} &lt; 3 l? " + "Yes. " * (number % 10)
    return f'  <row Id="{number + 1}" PostId="{on}" Score="0" Text="{text}" CreationDate="{_time(number)}" UserId="{_person(number)}" {LICENCE} />\n'


def _write(path: Path, table: str, rows: Iterator[str]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'{MARK}<?xml version="1.0" encoding="utf-8"?>\n<{table}>\n')
        file.writelines(rows)
        file.write(f"</{table}>")


def _cut(row: str, number: int, every: int, bad: int) -> str:
    return row[:-20] + "\n" if number % every == every - 1 and number // every < bad else row


def _person(number: int) -> int:
    return number * 7919 % (number // PEOPLE_SHARE + 50) + 1


def _time(number: int) -> str:
    return (FIRST_TIME + timedelta(seconds=number * 60)).isoformat(timespec="milliseconds")
