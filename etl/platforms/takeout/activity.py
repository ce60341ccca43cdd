"""One entry of My Activity, or of YouTube's watch and search history, which have the same form -> what was done.

As JSON: a list of {header, title, titleUrl, subtitles: [{name, url}], time, products, details: [{name}], ...}. Where somebody was (`locationInfos`) and from
which address are never looked at. Sources: google_takeout_parser, HPI, the d3i data-donation-task.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from etl.platforms.records import LeftOut, Parsed
from etl.platforms.takeout.acts import Deed, Person, act_of, in_order
from etl.platforms.takeout.entries import entry_fields
from etl.platforms.takeout.titles import TitleReader, left_out_kind
from etl.platforms.takeout.urls import Address
from etl.platforms.takeout.words import ADVERTISEMENTS, PRODUCTS

_PRODUCT_OF_NAME = {name: product for product, names in PRODUCTS.items() for name in names}


class Named(msgspec.Struct, frozen=True):
    """What an entry lists by name: a channel, a detail."""

    name: str | None = None


class JsonEntry(msgspec.Struct, frozen=True):
    """The fields that we read, as they stand in JSON."""

    title: str | None = None
    titleUrl: str | None = None
    time: str | None = None
    header: str | None = None
    products: list[str] = []
    subtitles: list[Named] = []
    details: list[Named] = []


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """An entry in whichever form it came: its title and link, when it was, UTC, and what else it names."""

    title: str
    url: str | None
    at: datetime
    product: str
    channel: str | None
    details: list[str]
    source_text: str
    raw: str
    bytes: int
    casts: tuple[str, ...] = ()


_encode = msgspec.json.Encoder().encode


def json_activity(entry: bytes) -> Activity:
    """An entry as it stands in JSON. Raises ValueError whose message is a reason for `rejects`."""
    fields = entry_fields(entry, JsonEntry)
    if not fields.title:
        raise ValueError("no title")
    if not fields.time:
        raise ValueError("no time")
    at = _time(fields.time)
    kept = {
        "header": fields.header,
        "title": fields.title,
        "titleUrl": fields.titleUrl,
        "subtitles": fields.subtitles,
        "time": fields.time,
        "products": fields.products,
    }
    return Activity(
        title=fields.title, url=fields.titleUrl, at=at, product=in_order((fields.products or [fields.header or ""])[0]),
        channel=next((subtitle.name for subtitle in fields.subtitles if subtitle.name), None), details=[detail.name or "" for detail in fields.details],
        source_text=_encode({name: value for name, value in kept.items() if value}).decode(), raw=entry.decode("utf-8", "replace"), bytes=len(entry),
    )  # fmt: skip


def activity_record(activity: Activity, person: Person, titles: TitleReader) -> Parsed:
    """The act that an entry tells of; what makes none, and what cannot be understood of a product that we read, is said to be that."""
    title = in_order(activity.title)
    address = Address.of(activity.url)
    product = _product(activity, address)
    reading = titles.read(title)
    if reading is None:
        kind = left_out_kind(title) or (None if product in PRODUCTS else "entry of another product")
        return LeftOut(kind, activity.bytes) if kind else person.refused("title: no known phrase", activity.raw, activity.bytes)
    action, words = reading
    is_gone = action == "watch" and (activity.url is None or words.startswith(("https://", "http://")))
    deed = Deed(
        action=action, words=None if is_gone else words, at=activity.at, address=address, community=_community(action, activity, address, product), product=product,
        is_advertisement=any(_is_advertisement(detail) for detail in activity.details), source_text=activity.source_text, raw=activity.raw,
        bytes=activity.bytes, casts=activity.casts,
    )  # fmt: skip
    return act_of(deed, person)


def _time(text: str) -> datetime:
    """A time of ISO 8601, UTC. Raises ValueError whose message is a reason for `rejects`."""
    try:
        at = datetime.fromisoformat(text)
        utc = at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        raise ValueError("time: not a time") from None
    if utc is None:
        raise ValueError("time: no zone")
    return utc


def _product(activity: Activity, address: Address | None) -> str:
    """The product's English name; where its own is in no table, that which its link tells, else its own."""
    known = _PRODUCT_OF_NAME.get(activity.product)
    if known or address is None:
        return known or activity.product
    if address.host == "youtube.com":
        return "YouTube"
    return "Google Search" if address.is_googles and address.path == "/search" else activity.product


def _community(action: str, activity: Activity, address: Address | None, product: str) -> str:
    """The channel of a video, the host of what was visited, else the product."""
    if action in ("watch", "listen", "like") and activity.channel:
        return in_order(activity.channel)
    return address.host if action == "visit" and address else product


def _is_advertisement(detail: str) -> bool:
    return in_order(detail).lower() in ADVERTISEMENTS
