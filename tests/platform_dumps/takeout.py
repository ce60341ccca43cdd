"""Takeout exports of any size, in true form: one person's searches, clicks and videos in a .zip, as Google hands it out."""

import json
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tests.takeout_exports import json_entry, write_zip

OPTIONS: dict[str, Any] = {}
TOPICS = ("tea", "siamese cats", "telescopes", "sourdough", "night trains", "chess openings", "pottery", "alpine plants")
_LAST = datetime(2024, 3, 2, 14, 4, 5, tzinfo=UTC)
_SECONDS_APART = 100


def write_dump(folder: Path, records: int, bad: int = 0) -> None:
    """One archive with so many entries, newest first, the last `bad` of which tell no time."""
    path = folder / "ada@example.org" / "takeout-20240302T200000Z-001.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = msgspec.json.Encoder().encode
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("Takeout/My Activity/Search/MyActivity.json", "w", force_zip64=True) as history,
    ):
        for number, entry in enumerate(_entries(records, bad)):
            history.write((b",\n" if number else b"[") + encode(entry))
        history.write(b"]" if records else b"[]")


def write_texts(folder: Path, texts: Iterable[str]) -> None:
    """One more archive, with a search for each text."""
    entries = [json_entry(f"Searched for {text}", f"2020-01-01T00:{minute:02}:00Z") for minute, text in enumerate(texts)]
    write_zip(folder / "ada@example.org" / "takeout-20240302T200000Z-002.zip", {"Takeout/My Activity/Search/MyActivity.json": json.dumps(entries)})


def _entries(records: int, bad: int) -> Iterator[dict[str, Any]]:
    """Clicks and the searches before them; a night without acts after each hundred."""
    for number in range(records):
        at = _LAST - timedelta(seconds=_SECONDS_APART * number, hours=8 * (number // 100))
        topic = f"{TOPICS[number % len(TOPICS)]} {number // 2}"
        time = at.strftime("%Y-%m-%dT%H:%M:%S.678Z") if number < records - bad else None
        if number % 2:
            yield json_entry(f"Searched for {topic}", titleUrl=f"https://www.google.com/search?q={topic.replace(' ', '+')}", time=time)
        else:
            page = f"https://www.google.com/url?q=https://en.wikipedia.org/wiki/{topic.replace(' ', '_')}&usg=AOvVaw{number}"
            yield json_entry(f"Visited {topic} - Wikipedia", titleUrl=page, time=time)
