"""Addresses of the web as histories write them: without names, and without the way by Google."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs

_URL = re.compile(r"(https?://)(?:[^/?#]*@)?([^/?#]+)([^?#]*)\??([^#]*)(?:#.*)?", re.IGNORECASE | re.DOTALL)
_GOOGLE = re.compile(r"google\.(?:com?\.)?[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class Address:
    """An http or https URL: as a whole, but for a name before the host, and its host (lower case, no 'www.', no port), path and query."""

    url: str
    host: str
    path: str
    query: str

    @classmethod
    def of(cls, url: str | None) -> Self | None:
        """The address that a URL is; that which it leads to where it goes by Google ('google.com/url?q=...'); None where it is none of the web."""
        address = cls._of(url)
        return cls._of(address.value("q")) if address and address.is_googles and address.path == "/url" else address

    @classmethod
    def _of(cls, url: str | None) -> Self | None:
        parts = _URL.fullmatch(url or "")
        if parts is None:
            return None
        scheme, place, path, query = parts.groups()
        host = place.lower().partition(":")[0].removeprefix("www.")
        return cls(scheme + place + url[parts.end(2) :], host, path, query) if host and url else None

    @property
    def is_googles(self) -> bool:
        """Whether the host is Google's search, of any country."""
        return _GOOGLE.fullmatch(self.host) is not None

    def value(self, name: str) -> str | None:
        """The first value of that name in the query; None where there is none that is not empty."""
        try:
            return parse_qs(self.query).get(name, [None])[0]
        except ValueError:  # of too many fields
            return None
