"""One entry of Chrome's history -> what was done: a page of results is a search, any other page a visit.

{"Browser History": [{title, url, time_usec, page_transition, client_id, favicon_url}]}, as BrowserHistory.json, since 2023 History.json.
Sources: google_takeout_parser and other importers.
"""

from datetime import UTC, datetime, timedelta

import msgspec

from etl.platforms.records import LeftOut, Parsed
from etl.platforms.takeout.acts import Deed, Person, act_of
from etl.platforms.takeout.entries import entry_fields
from etl.platforms.takeout.urls import Address

HISTORY = "Browser History"
"""Name of the list of pages; the file's other lists hold no pages."""
PRODUCT = "Chrome"
_ENGINES = {
    ("google", "/search"): ("Google Search", "q"),
    ("youtube.com", "/results"): ("YouTube", "search_query"),
    ("bing.com", "/search"): ("Bing", "q"),
    ("duckduckgo.com", "/"): ("DuckDuckGo", "q"),
    ("duckduckgo.com", "/html/"): ("DuckDuckGo", "q"),
}
"""(host, path) of a page of results -> the engine, and the part of the query that holds what was searched for."""
_NO_VISITS = ("RELOAD", "AUTO_SUBFRAME", "MANUAL_SUBFRAME")
_START = datetime(1970, 1, 1, tzinfo=UTC)


class ChromeEntry(msgspec.Struct, frozen=True):
    """The fields that we read. `time_usec` counts microseconds since 1970."""

    time_usec: int | None = None
    url: str | None = None
    title: str | None = None
    page_transition: str | None = None


_encode = msgspec.json.Encoder().encode


def chrome_record(entry: bytes, person: Person) -> Parsed:
    """The act that an entry tells of; reloads and pages of the browser itself are left out."""
    raw = entry.decode("utf-8", "replace")
    try:
        page = entry_fields(entry, ChromeEntry)
    except ValueError as reason:
        return person.refused(str(reason), raw, len(entry))
    if page.time_usec is None or page.url is None:
        return person.refused("no time" if page.time_usec is None else "no url", raw, len(entry))
    if page.page_transition in _NO_VISITS:
        return LeftOut("reload or frame", len(entry))
    address = Address.of(page.url)
    if address is None:
        return LeftOut("page of the browser or a file", len(entry))
    try:
        at = _START + timedelta(microseconds=page.time_usec)
    except OverflowError:
        return person.refused("time: not a time", raw, len(entry))
    engine, query = _search(address)
    deed = Deed(
        action="search" if query else "visit", words=query or page.title or "", at=at, address=address, community=engine or address.host, product=PRODUCT,
        source_text=_encode(page).decode(), raw=raw, bytes=len(entry),
    )  # fmt: skip
    return act_of(deed, person)


def _search(address: Address) -> tuple[str | None, str | None]:
    """(engine, query) of a page of results; (None, None) of any other page."""
    engine, parameter = _ENGINES.get(("google" if address.is_googles else address.host, address.path), (None, ""))
    query = address.value(parameter) if engine else None
    return (engine, query) if query and not query.isspace() else (None, None)
