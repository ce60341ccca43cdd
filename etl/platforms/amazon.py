"""Amazon Reviews 2023 (McAuley Lab): <Category>.jsonl of reviews, meta_<Category>.jsonl of what they are about; the editions of 2014 and 2018, too.

Field names are those of the data set's card and loading script (McAuley-Lab/Amazon-Reviews-2023), those of older editions of their pages
(nijianmo.github.io/amazon, jmcauley.ucsd.edu/data/amazon) and of others' scripts that read both.
"""

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from html import unescape
from pathlib import PurePosixPath
from typing import Any

from etl.platforms import InputFile, NoOptions, ParsedBatch, ParseSettings
from etl.platforms.accounts import UserIds, user_ids
from etl.platforms.json_lines import JsonLine, json_objects
from etl.platforms.records import Parsed, ParsedAct, Refused, parsed_batches
from etl.platforms.streams import WHOLE_FILE, FileSlice, list_files, numbered_blocks
from etl.platforms.times import unix_time
from lake.acts import UNKNOWN_TIME

logger = logging.getLogger(__name__)

NAME = "amazon"
ITEM_CHARS = 4000
"""Characters of a product's features and description that are kept: more than a context shows."""
FACT_CHARS = 1000
"""Characters of an attribute."""
_FILE = re.compile(r"(?P<items>meta_)?(?:reviews_)?(?P<category>.+?)(?:_5)?\.(?:jsonl|ndjson|json)(?:\.(?:gz|zst|bz2|xz))?")
_INDEX = "asin2category.json"
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


class AmazonPlatform:
    """The parser of Amazon's reviews. A review hangs below its product, an act of nobody, which becomes its context."""

    name = NAME
    version = "1"
    options = NoOptions

    def input_files(self, dump: str, settings: ParseSettings) -> list[InputFile]:
        """Files of reviews and of products, told apart by their names; what is neither is left alone."""
        listed = list_files(dump)
        files = [file for file in (_input_file(*of_file) for of_file in listed) if file is not None]
        if others := len(listed) - len(files):
            logger.info("%d files are left alone, since their names are neither CATEGORY.jsonl nor meta_CATEGORY.jsonl", others)
        return files

    def parse(self, file: InputFile, settings: ParseSettings, part: FileSlice = WHOLE_FILE) -> Iterator[ParsedBatch]:
        """The lines of a slice of a file in order, `settings.block_bytes` or a little more at a time. Raises ArchiveError."""
        users, community = user_ids(NAME, settings.key), category(file.source_file)
        for first_line, block in numbered_blocks(file.path, part, settings.block_bytes, file.sha256):
            records = (_record(line, file.kind, community, users) for line in json_objects(block))
            yield from parsed_batches(records, NAME, file, settings, first_line)


PLATFORM = AmazonPlatform()


def category(source_file: str) -> str | None:
    """What a file's name says that its products are, as the metadata write it ('All Beauty'); None where it is no file of the data set."""
    found = _FILE.fullmatch(PurePosixPath(source_file).name)
    return found["category"].replace("_", " ") if found else None


def _input_file(path: str, source_file: str, size: int) -> InputFile | None:
    name = PurePosixPath(source_file).name
    found = _FILE.fullmatch(name)
    if found is None or name.startswith(_INDEX):
        return None
    return InputFile(path, source_file, "items" if found["items"] else "reviews", size)


def _record(line: JsonLine | Refused, kind: str | None, community: str | None, users: UserIds) -> Parsed:
    if isinstance(line, Refused):
        return line
    return _item(line, community) if kind == "items" else _review(line, community, users)


def _review(line: JsonLine, community: str | None, users: UserIds) -> Parsed:
    """A review has no id of its own: one account, product and millisecond make one, and a second copy of the review gives the same.

    The account goes into it as its pseudonym, so that an id gives no account away.
    """
    row = line.row
    account, asin = line.text("user_id", "reviewerID"), line.text("asin")
    if account is None or asin is None:
        return Refused("no user_id" if account is None else "no asin", line.raw, account, line.bytes)
    item_id = f"item_{line.text('parent_asin') or asin}"
    created_at = unix_time(row["timestamp"], 1000) if "timestamp" in row else unix_time(row.get("unixReviewTime"))
    key = f"{users[account]}\n{asin}\n{created_at}"
    attributes = {
        "rating": _said(row.get("rating", row.get("overall"))),
        "helpful_vote": _said(row.get("helpful_vote", row.get("vote"))),
        "verified_purchase": _said(row.get("verified_purchase", row.get("verified"))),
        "asin": asin,
    }
    return ParsedAct(
        native_id=f"review_{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}", account=account, action="review",
        created_at=created_at, title=_words(line.text("title", "summary")), text=_words(line.text("text", "reviewText")), community=community,
        thread_id=item_id, parent_id=item_id, attributes=attributes, raw=line.raw, bytes=line.bytes, casts=line.casts,
    )  # fmt: skip


def _item(line: JsonLine, community: str | None) -> Parsed:
    """A product. The metadata tell no time of it."""
    row = line.row
    asin = line.text("parent_asin", "asin")
    if asin is None:
        return Refused("no parent_asin", line.raw, bytes=line.bytes)
    described = [*_texts(row, "features", "feature"), *_texts(row, "description")]
    attributes = {name: _said(row.get(name)) for name in ("main_category", "store", "price", "average_rating", "rating_number")}
    return ParsedAct(
        native_id=f"item_{asin}", account=None, action="object", created_at=UNKNOWN_TIME, title=_words(line.text("title")),
        text=_words("\n".join(described)[:ITEM_CHARS]), community=community, thread_id=f"item_{asin}",
        attributes=attributes | {"categories": " > ".join(_texts(row, "categories", "category")) or None}, raw=line.raw, bytes=line.bytes,
        casts=line.casts,
    )  # fmt: skip


def _texts(row: Mapping[str, Any], *names: str) -> list[str]:
    """The texts in the first of these fields that is there: a list of them, or one."""
    value = next((row[name] for name in names if name in row), None)
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text.strip()]


def _said(value: object) -> str | None:
    """A fact as a string, truth values as JSON writes them; None where the field is empty, a list or an object."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:FACT_CHARS] if isinstance(value, str | int | float) and value != "" else None


def _words(text: str | None) -> str | None:
    """A text with line feeds for its HTML breaks, then unescaped once, so that a break that somebody wrote about stays."""
    if text is None:
        return None
    plain = _BREAK.sub("\n", text) if "<" in text else text
    with suppress(ValueError):  # of a reference with more than 4,300 digits
        plain = unescape(plain) if "&" in plain else plain
    return plain
