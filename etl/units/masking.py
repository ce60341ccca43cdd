"""The words of an act, made fit to be kept: no control characters, no names of accounts, no e-mail addresses or telephone numbers.

Most texts hold none of these. One look finds those that may, and they alone are worked on.
"""

import re

import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc

from etl.platforms.mentions import MAY_HOLD_MENTION, without_mentions
from lake.acts import USER_NAME

MASKING_VERSION = 2
"""Counted up when texts are masked otherwise than before: all units are made again then, since what was not masked must not stay."""

_CONTROL = r"[^\P{Cc}\n\t]|[\x{2028}-\x{202e}\x{2066}-\x{2069}\x{feff}]"
# Letters beyond ASCII as ranges: the class \pL takes so long to compile, for each batch anew, that it cost more than all else here.
_LETTERS = r"A-Za-z\x{c0}-\x{1fff}\x{3040}-\x{d7ff}"
_ADDRESS = rf"[{_LETTERS}0-9._%+-]+@(?:[{_LETTERS}0-9][{_LETTERS}0-9-]*\.)+[{_LETTERS}]{{2,}}"
# No slash between the digits of one number: dates have that.
_DIGIT = "[ \t.()\xa0\u2010-\u2015-]{0,3}[0-9]"
# A run of digits that is no part of a word, an address of the web or a decimal number.
_NUMBER = re.compile(rf"(?<![\w/=.&#?%@-])(?:\((?=\+?[0-9]{{1,5}}\)))?\+?[0-9](?:{_DIGIT}){{6,14}}(?![\w/%=]|[.-]\w)")

# What no text lacks in which one of the above is found.
_MAY_HOLD_NAME_OR_CONTROL = rf"{_CONTROL}|{MAY_HOLD_MENTION}"
# A number, or a list of them, as attributes have them: a count of 6174951551 views is no telephone number. One with a plus, spaces or hyphens may be.
_NUMBERS = r"^-?[0-9]+(?:\.[0-9]+)?(?:, ?-?[0-9]+(?:\.[0-9]+)?)*$"
_MAY_HOLD_CONTACT = rf"@\S|[0-9](?:{_DIGIT}){{6}}"

# Numbers without a country code are read as North American: most of Reddit's are.
_REGION = "US"


def cleaned(texts: pa.Array, mask_contacts: bool) -> pa.Array:
    """Texts without control characters and names, and without e-mail addresses and telephone numbers where that is asked for. Shape: (N,) -> (N,)."""
    suspicion = f"{_MAY_HOLD_NAME_OR_CONTROL}|{_MAY_HOLD_CONTACT}" if mask_contacts else _MAY_HOLD_NAME_OR_CONTROL
    is_suspect = pc.match_substring_regex(texts, suspicion).fill_null(False)
    suspects = without_mentions(without_control_characters(texts.filter(is_suspect)))
    return pc.replace_with_mask(texts, is_suspect, without_contacts(suspects) if mask_contacts else suspects)


def cleaned_attributes(attributes: pa.MapArray, mask_contacts: bool) -> pa.MapArray:
    """Attributes whose values are `cleaned`, as words may stand there; numbers stay, and an account that `lake.keep_names` keeps. Shape: (N,) -> (N,)."""
    distinct = attributes.items.dictionary_encode()
    is_number = pc.match_substring_regex(distinct.dictionary, _NUMBERS)
    values = pc.if_else(is_number, distinct.dictionary, cleaned(distinct.dictionary, mask_contacts)).take(distinct.indices)
    values = pc.if_else(pc.equal(attributes.keys, USER_NAME), attributes.items, values)
    return pa.MapArray.from_arrays(attributes.offsets, attributes.keys, values, type=attributes.type)


def without_control_characters(texts: pa.Array) -> pa.Array:
    """Texts without control characters and marks of writing direction; line feeds and tabs stay."""
    return pc.replace_substring_regex(texts, _CONTROL, "")


def without_contacts(texts: pa.Array) -> pa.Array:
    """Texts with every e-mail address masked as `[email]`, and every telephone number as `[phone]`.

    A telephone number is one that `phonenumbers` calls valid and whose digits are grouped as in its country; without a country code it is read as
    North American.
    """
    masked = pc.replace_substring_regex(texts, _ADDRESS, "[email]")
    return pa.array([text and _NUMBER.sub(_masked_number, text) for text in masked.to_pylist()], texts.type)


def _masked_number(found: re.Match[str]) -> str:
    """A run of digits with what is a telephone number in it masked."""
    run, masked, end = found[0], "", 0
    for number in phonenumbers.PhoneNumberMatcher(run, _REGION, leniency=phonenumbers.Leniency.STRICT_GROUPING):
        before = run[end : number.start]
        if not before.endswith((".", "-")):  # as the decimals of a long number do
            masked += f"{before}[phone]"
            end = number.end
    return masked + run[end:]
