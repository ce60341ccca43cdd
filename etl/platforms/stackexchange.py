"""Stack Exchange: `Posts.xml` and `Comments.xml` of the public data dump, a row a line, as files or inside .7z archives (edge).

Attributes as in "Database schema documentation for the public data dump and SEDE" (Meta Stack Exchange). A comment names its post, not the question: that
is looked up in the posts of its site in the same dump. An act's `line` counts the rows of questions, answers and comments, and those that are refused.
"""

import io
import logging
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import PurePosixPath

import numpy as np
from lxml import etree

from conf.errors import ArchiveError
from etl.platforms import InputFile, ParsedBatch, ParseSettings
from etl.platforms.archives import is_archive, members
from etl.platforms.html_text import HtmlOptions, html_text, kept_html
from etl.platforms.parents import parent_table
from etl.platforms.records import LeftOut, Parsed, ParsedAct, Refused, parsed_batches
from etl.platforms.streams import BLOCK_BYTES, WHOLE_FILE, FileSlice, line_blocks, list_files, share_of, whole_lines

logger = logging.getLogger(__name__)

NAME = "stackexchange"
POSTS, COMMENTS, BOTH = "posts", "comments", "posts and comments"
_SITE = r"(?P<site>[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z0-9]+)"
_PLAIN = re.compile(rf"(?:{_SITE}_)?(?P<kind>posts|comments)(?:_[0-9-]+)?\.xml(?:\.(?:zst|gz|bz2|xz))?", re.IGNORECASE)
_PACKED = re.compile(rf"{_SITE}(?:-(?P<kind>posts|comments))?\.7z", re.IGNORECASE)
_READ_BYTES = 2**16

_HEADING = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>|</?(?:posts|comments)\s*>)?\s*")
_POST_TYPE = re.compile(rb'\sPostTypeId="(\d{1,2})"')
_QUESTION, _ANSWER = "1", "2"
_PAGES = {"3": "orphaned tag wiki", "4": "tag wiki excerpt", "5": "tag wiki", "6": "nomination", "7": "wiki placeholder", "8": "privilege wiki"}
_ID, _PARENT = re.compile(rb'\sId="(\d{1,9})"'), re.compile(rb'\sParentId="(\d{1,9})"')
_USER = re.compile(r'\s(?:Owner)?UserId="(\d{1,9})"')
_NUMBER = re.compile(r"[0-9]{1,9}")
_TAG = re.compile(r"[^<>|]+")
_SITES_OWN_ACCOUNT = "-1"


class StackExchangePlatform:
    """The parser of the public data dump of Stack Exchange's sites."""

    name = NAME
    version = "1"
    options = HtmlOptions

    def input_files(self, dump: str, settings: ParseSettings) -> list[InputFile]:
        """The posts and comments below a folder, and the archives that may hold some; others are left alone."""
        files = _files(dump)
        if others := len(list_files(dump)) - len(files):
            logger.info("%d files are left alone, since their names are not of a site's posts or comments", others)
        return files

    def parse(self, file: InputFile, settings: ParseSettings, part: FileSlice = WHOLE_FILE) -> Iterator[ParsedBatch]:
        """The rows of a slice of a file in order. Raises ArchiveError."""
        site = _site(file.path)
        questions = None if file.kind == POSTS else _questions(tuple(_files_of_posts(file, site)))
        for first_line, (kind, block) in share_of(_blocks(file, settings.block_bytes), part, _count_rows):
            yield from parsed_batches(_records(kind, block, site, questions, settings), NAME, file, settings, first_line)


PLATFORM = StackExchangePlatform()


class _Refusal(Exception):
    """Why a row gives no act."""


def _files(dump: str) -> list[InputFile]:
    found = [(*listed, _site_and_kind(listed[0])) for listed in list_files(dump)]
    return [InputFile(path, source_file, of_site[1], size) for path, source_file, size, of_site in found if of_site]


def _site_and_kind(path: str) -> tuple[str, str] | None:
    """Whose posts or comments a file holds, as its name says, or that of its folder; None where neither does."""
    file = PurePosixPath(path)
    name = _PLAIN.fullmatch(file.name) or _PACKED.fullmatch(file.name)
    site = name and re.fullmatch(_SITE, name["site"] or file.parent.name, re.IGNORECASE)
    if not name or not site:
        return None
    return re.sub(r"\.stackexchange$", ".stackexchange.com", site[0].lower()), (name["kind"] or BOTH).lower()


def _site(path: str) -> str:
    return (_site_and_kind(path) or ("",))[0]


def _blocks(file: InputFile, block_bytes: int) -> Iterator[tuple[str, bytes]]:
    """(what it holds, whole lines), block by block, of a file or of the members of an archive. Raises ArchiveError where one is cut off."""
    kinds = (POSTS, COMMENTS) if file.kind == BOTH else (file.kind or "",)
    if not is_archive(file.path):
        yield from _until_closed(line_blocks(file.path, block_bytes, file.sha256), kinds[0], file.source_file)
        return
    for member in members(file.path, lambda name: _member_kind(name) in kinds):
        pieces = iter(partial(member.stream.read, _READ_BYTES), b"")
        name = f"{file.source_file}: {member.name}"
        yield from _until_closed(whole_lines(pieces, name, block_bytes), _member_kind(member.name), name)


def _member_kind(name: str) -> str:
    return PurePosixPath(name).name.lower().removesuffix(".xml")


def _until_closed(blocks: Iterable[bytes], kind: str, name: str) -> Iterator[tuple[str, bytes]]:
    """Blocks of lines as they come. Raises ArchiveError where none has the closing tag: nothing else tells that plain XML was cut off."""
    end, is_closed = f"</{kind}>".encode(), False
    for block in blocks:
        is_closed = is_closed or end in block
        yield kind, block
    if not is_closed:
        raise ArchiveError(f"{name}: ends before </{kind}>; fetch it again")


def _left_out(line: bytes) -> str | None:
    """What a line without a number is; None for a row of an act, and for whatever else stands there."""
    if _HEADING.fullmatch(line):
        return "heading"
    post_type = _POST_TYPE.search(line)
    number = post_type[1].decode() if post_type else _QUESTION
    return None if number in (_QUESTION, _ANSWER) else _PAGES.get(number, f"post type {number}")


def _count_rows(block: tuple[str, bytes]) -> int:
    return sum(_left_out(line) is None for line in io.BytesIO(block[1]))


def _records(kind: str, block: bytes, site: str, questions: np.ndarray | None, settings: ParseSettings) -> Iterator[Parsed]:
    """What each line of a block is. `questions` has the question of each post by its id; posts need none."""
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)
    for line in io.BytesIO(block):
        if other := _left_out(line):
            yield LeftOut(other, len(line))
            continue
        raw = line.decode("utf-8", "replace").strip()
        try:
            row = _row(line, parser)
            if questions is None or kind == POSTS:
                yield _post(row, raw, len(line), site, settings)
            else:
                yield _comment(row, raw, len(line), site, questions)
        except _Refusal as refusal:
            user = _USER.search(raw)
            yield Refused(str(refusal), raw, user and f"{site}/{user[1]}", len(line))


def _row(line: bytes, parser: etree.XMLParser) -> dict[str, str]:
    """The attributes of a line's row. No line may say more than that: what stands before a row could declare entities."""
    if not line.lstrip().startswith(b"<row "):
        raise _Refusal("not a row")
    try:
        return dict(etree.fromstring(line, parser).attrib)
    except etree.XMLSyntaxError:
        raise _Refusal("not xml") from None


def _post(row: dict[str, str], raw: str, size: int, site: str, settings: ParseSettings) -> ParsedAct:
    if row.get("PostTypeId") not in (_QUESTION, _ANSWER):
        raise _Refusal("PostTypeId: neither question nor answer")
    is_question = row["PostTypeId"] == _QUESTION
    own, question = _number(row, "Id"), _number(row, "Id" if is_question else "ParentId")
    accepted = row.get("AcceptedAnswerId")
    return ParsedAct(
        native_id=f"{site}/p{own}", account=_account(row, "OwnerUserId", site), action="question" if is_question else "answer",
        created_at=_time(row), title=row.get("Title"), text=html_text(row.get("Body", "")), community=site, thread_id=f"{site}/p{question}",
        parent_id=None if is_question else f"{site}/p{question}", source_text=kept_html(row.get("Body"), settings.options), raw=raw, bytes=size,
        attributes=_attributes(row) | {
            "tags": ",".join(_TAG.findall(row.get("Tags", ""))) or None, "closed_at": row.get("ClosedDate"),
            "accepted_answer": accepted and f"{NAME}:{site}/p{accepted}", "community_owned_at": row.get("CommunityOwnedDate"),
        },
    )  # fmt: skip


def _comment(row: dict[str, str], raw: str, size: int, site: str, questions: np.ndarray) -> ParsedAct:
    own, post = _number(row, "Id"), _number(row, "PostId")
    question = int(questions[post]) if post < len(questions) else 0
    return ParsedAct(
        native_id=f"{site}/c{own}", account=_account(row, "UserId", site), action="comment", created_at=_time(row), text=row.get("Text"), community=site,
        thread_id=f"{site}/p{question}" if question else None, parent_id=f"{site}/p{post}", attributes=_attributes(row), raw=raw, bytes=size,
    )  # fmt: skip


def _number(row: dict[str, str], name: str) -> int:
    if name not in row:
        raise _Refusal(f"no {name}")
    if not _NUMBER.fullmatch(row[name]):
        raise _Refusal(f"{name}: not a number")
    return int(row[name])


def _account(row: dict[str, str], name: str, site: str) -> str | None:
    """A site's user by number; None where the account is deleted (only its name is left, which is not kept) or the site itself speaks."""
    return None if row.get(name, _SITES_OWN_ACCOUNT) == _SITES_OWN_ACCOUNT else f"{site}/{_number(row, name)}"


def _time(row: dict[str, str]) -> datetime | None:
    try:
        time = datetime.fromisoformat(row["CreationDate"]) if "CreationDate" in row else None
    except ValueError:
        raise _Refusal("CreationDate: not a time") from None
    return time and (time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC))


def _attributes(row: dict[str, str]) -> dict[str, str | None]:
    return {"score": row.get("Score"), "licence": row.get("ContentLicense")}


def _files_of_posts(file: InputFile, site: str) -> list[InputFile]:
    """The files of the same dump that hold posts of a site."""
    return [other for other in _files(file.path.removesuffix(file.source_file)) if other.kind != COMMENTS and _site(other.path) == site]


@lru_cache(maxsize=2)
def _questions(files: tuple[InputFile, ...]) -> np.ndarray:
    """The question that each post of a site is or answers, by the post's id; 0 where these files lack the post. Shape: (largest id + 1,).

    A file that cannot be read to its end says what it can: its own task refuses it.
    """
    return parent_table(pairs for file in files for pairs in _pairs(file))


def _pairs(file: InputFile) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    try:
        for kind, block in _blocks(file, BLOCK_BYTES):
            if kind == POSTS:
                found = list(filter(None, map(_pair, io.BytesIO(block))))
                ids, questions = np.array(found, dtype=np.int64).reshape(-1, 2).T
                yield ids, questions
    except ArchiveError as error:
        logger.warning("questions are looked up without the rest of %s: %s", file.source_file, error.public.replace(file.path, file.source_file))


def _pair(line: bytes) -> tuple[int, int] | None:
    """(post, its question) of a line; None where it is neither question nor answer."""
    own, above, post_type = _ID.search(line), _PARENT.search(line), _POST_TYPE.search(line)
    if not own or not post_type:
        return None
    question = {_QUESTION: own, _ANSWER: above}.get(post_type[1].decode())
    return (int(own[1]), int(question[1])) if question else None
