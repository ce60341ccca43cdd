"""Reddit's personal exports of any size, in true form: one person's comments in a .zip."""

import csv
import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.reddit_exports import COMMENTS, comment, statistics

OPTIONS: dict[str, Any] = {}
_FIRST = datetime(2014, 5, 19, tzinfo=UTC)


def write_dump(folder: Path, records: int, bad: int = 0) -> None:
    """One export with so many comments, the last `bad` of which tell no time."""
    path = folder / "export_Ada_20230502.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("statistics.csv", statistics("Ada"))
        with archive.open("comments.csv", "w", force_zip64=True) as stream, io.TextIOWrapper(stream, "utf-8", newline="") as text:
            writer = csv.DictWriter(text, COMMENTS)
            writer.writeheader()
            for number in range(records):
                at = _FIRST + timedelta(minutes=number)
                date = at.strftime("%Y-%m-%d %H:%M:%S UTC") if number < records - bad else "yesterday"
                writer.writerow(comment(f"c{number}", f"p{number}", f"{number // 10:x}", f"Steep it, number {number},\nfor two minutes.", date=date))
