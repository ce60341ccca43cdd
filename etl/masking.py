"""The words of an act, made fit to be kept: no control characters, no names of accounts."""

import pyarrow as pa
import pyarrow.compute as pc

_CONTROL = r"[^\P{Cc}\n\t]|[\x{2028}-\x{202e}\x{2066}-\x{2069}\x{feff}]"
# A backslash counts as part of a name, since editors write "u/some\_name".
_NAME = r"[\w\\-]{2,}"
# "u/name" and "/u/name" where no word, dot or slash stands before them, so that example.com/u/x/ stays.
_MENTION = rf"(^|[^\w./-])(/?[uU]/){_NAME}"
_PROFILE = rf"(?i)(redd(?:it\.com|\.it)/(?:u|user)/|\br/u_){_NAME}"


def without_control_characters(texts: pa.Array) -> pa.Array:
    """Texts without control characters and marks of writing direction; line feeds and tabs stay."""
    return pc.replace_substring_regex(texts, _CONTROL, "")


def without_names(texts: pa.Array) -> pa.Array:
    """Texts with every `u/name`, and every address of a profile, masked as `u/[name]`."""
    return pc.replace_substring_regex(pc.replace_substring_regex(texts, _PROFILE, r"\1[name]"), _MENTION, r"\1\2[name]")
