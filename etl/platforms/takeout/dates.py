"""Times as the pages of an export write them, in the languages of `words` -> UTC."""

import re
from datetime import UTC, datetime, timedelta

from etl.platforms.takeout.words import MONTHS, ZONES

NO_ZONE = "time: no zone"

_DATES = (
    r"(?P<year>\d{4})[年/](?P<month>\d{1,2})[月/](?P<day>\d{1,2})日?",
    r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})",  # with dots the day comes first in every language
    r"(?P<day>\d{1,2})\.? (?:de )?(?P<name>[^\W\d]+)\.?,? (?:de )?(?P<year>\d{4})",
    r"(?P<name>[^\W\d]+)\.? (?P<day>\d{1,2}), (?P<year>\d{4})",
)
_CLOCK = (
    r",? (?:à |um )?(?P<half_before>午前|午後)?(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d)(?: ?(?P<half>[ap])\.? ?m\.?)?(?: (?:Uhr ?)?(?P<zone>.+))?"
)
_TIMES = [re.compile(date + _CLOCK, re.IGNORECASE) for date in _DATES]
_OFFSET = re.compile(r"(?:UTC|GMT)?([+−-])(\d{1,2}):?(\d\d)?")


def page_time(text: str) -> tuple[datetime, bool]:
    """When an entry says it was, UTC, and whether it names no time zone: very old exports do not, and are taken for UTC. White space counts once.

    Raises ValueError whose message is a reason for `rejects`.
    """
    found = next((match for pattern in _TIMES if (match := pattern.fullmatch(text))), None)
    if found is None:
        raise ValueError("time: not a time")
    parts = found.groupdict()
    month = int(parts["month"]) if parts.get("month") else MONTHS.get(parts["name"].lower())
    if month is None:
        raise ValueError("time: unknown month")
    offset = _minutes(parts["zone"])
    try:
        local = datetime(int(parts["year"]), month, int(parts["day"]), _hour(parts), int(parts["minute"]), int(parts["second"]), tzinfo=UTC)
        return local - timedelta(minutes=offset), parts["zone"] is None
    except (ValueError, OverflowError):
        raise ValueError("time: not a time") from None


def _hour(parts: dict[str, str]) -> int:
    hour = int(parts["hour"])
    is_half_day, is_afternoon = parts["half"] or parts["half_before"], (parts["half"] or "").lower() == "p" or parts["half_before"] == "午後"
    return hour % 12 + 12 * is_afternoon if is_half_day else hour


def _minutes(zone: str | None) -> int:
    """Minutes by which the clock of a zone is before UTC. Raises ValueError."""
    if zone is None:
        return 0
    if (abbreviation := zone.strip(" .").upper()) in ZONES:
        return ZONES[abbreviation]
    offset = _OFFSET.fullmatch(zone.strip())
    if offset is None:
        raise ValueError("time: unknown zone")
    minutes = int(offset[2]) * 60 + int(offset[3] or 0)
    return minutes if offset[1] == "+" else -minutes
