"""Halves of a pair of UTF-16 that stand alone: no text that can be written as UTF-8 has one, but JSON and careless cutting make them."""

import re

REPLACEMENT = "\ufffd"
_LONE = re.compile("[\ud800-\udfff]")
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE_ESCAPE = re.compile(_HIGH + rb"(?!" + _LOW + rb")|(?<!" + _HIGH + rb")" + _LOW)


def without_surrogates(text: str) -> str:
    """Text with U+FFFD for each lone surrogate."""
    return text if text.isascii() else _LONE.sub(REPLACEMENT, text)


def without_escaped_surrogates(json: bytes) -> bytes:
    """JSON with U+FFFD for the escape of each lone surrogate."""
    return _LONE_ESCAPE.sub(rb"\\ufffd", json)
