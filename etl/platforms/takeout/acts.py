"""What somebody did, as any history tells it -> an act with an id that does not depend on the history."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from etl.platforms.records import ParsedAct, Refused
from etl.platforms.takeout.urls import Address

SOURCE_CHARS = 2000
"""Characters of `source_text` that are kept."""
# Possessive, and only from where a word begins: a long word costs no more than it is long.
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]++(?:@|%40)[\w-]++(?:\.[\w-]++)+")
_EMAIL_MARK = "[email]"


@dataclass(frozen=True)
class Person:
    """Whose history it is: the account, its pseudonym, and when the export was made (None: not told)."""

    account: str
    user_id: str
    retrieved_at: datetime | None = None

    def refused(self, reason: str, raw: str, size: int) -> Refused:
        """An entry of this person that gives no act."""
        return Refused(reason, raw, self.account, size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deed:
    """One thing done: a query searched for, or the title of what was visited, watched, listened to or liked ('' where it had none, None where it is gone)."""

    action: str
    words: str | None
    at: datetime
    address: Address | None
    community: str | None
    product: str
    is_advertisement: bool = False
    source_text: str
    raw: str
    bytes: int
    casts: tuple[str, ...] = ()


def act_of(deed: Deed, person: Person) -> ParsedAct:
    """The act of a deed. Fractions of a second are cut off and white space is put in order, since the forms of an export differ in them.

    E-mail addresses are masked: they are the account's more often than not, in the title of a mailbox or in a URL.
    """
    at, words, url = deed.at.replace(microsecond=0), in_order(deed.words or ""), deed.address.url if deed.address else ""
    identity = "\0".join([person.user_id, str(int(at.timestamp())), deed.action, words, url])
    is_search = deed.action == "search"
    kept_words = without_emails(words)
    return ParsedAct(
        native_id=hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32], account=person.account, action=deed.action, created_at=at,
        title=None if is_search else kept_words, text=kept_words if is_search else None, community=deed.community,
        state="removed" if deed.words is None else "kept", url=without_emails(url) or None,
        attributes={"product": deed.product, "promoted": "true" if deed.is_advertisement else None},
        source_text=without_emails(deed.source_text)[:SOURCE_CHARS], retrieved_at=person.retrieved_at, raw=deed.raw, bytes=deed.bytes, casts=deed.casts,
    )  # fmt: skip


def in_order(text: str) -> str:
    """Text in which every run of white space, be it of no-break spaces, is one space."""
    return " ".join(text.split())


def without_emails(text: str) -> str:
    """Text with every e-mail address masked, also where a URL writes it."""
    return EMAIL.sub(_EMAIL_MARK, text) if "@" in text or "%40" in text else text
