"""Names of accounts as people write them in texts and addresses, `u/name` and its kin -> masked. In the syntax of RE2, whose time is linear in any text.

On Reddit `u/name` is a mention whatever punctuation stands around it. Elsewhere a path may look alike: what hangs on a word (`menu/items`, `cpu/gpu`,
`/r/u/x`, `/home/user/x`) or on the host of another site (`example.com/u/x`) is none.
"""

import pyarrow as pa
import pyarrow.compute as pc

# A slash as text, Markdown, URLs and HTML write it; some people put marks or a character of no width behind it, so that nobody is notified.
_SLASH = r"(?:(?:\\?/|%2f|&#(?:x2f|47);)[\x{200b}\x{2060}\\*`/]*)"
# Editors write "u/some\_name", browsers "some%5Fname".
_JOINT = r"(?:[-_\\]|%5f|%2d)"
_LETTER = rf"(?:[a-z0-9]|{_JOINT})"
# Names may follow each other so that one begins where the other seems to go on: "u/a/u/b", "u/a-u/b".
_NAMES = rf"(?:{_LETTER}*{_JOINT}u{_SLASH}|{_LETTER}+{_SLASH}+u(?:ser)?{_SLASH})*{_LETTER}{{2,}}"
# Words of scripts that write no spaces may stand right before a mention; those of Latin letters ("aperçu/avis") go on in it.
_LATIN = r"a-z0-9\x{c0}-\x{24f}\x{300}-\x{36f}\x{1e00}-\x{1eff}"
_BEFORE = "|".join([
    rf"(?:^|[^/{_LATIN}])u",
    rf"(?:^|[^/a-z0-9]){_SLASH}+u(?:ser)?",
    # "thanks/u/name", "r/pics/u/name": a word that is no part of a longer path or of an address.
    r"(?:^|[^\w./\\~@%&=?#-])(?:/?r/)?[a-z]\w+/+u",
    # Any host that serves Reddit: np.reddit.com, redd.it, libreddit.example.org.
    rf"(?:eddit|redd)[\w.:-]*{_SLASH}+u(?:ser)?",
])  # fmt: skip
_PROFILE_OR_MESSAGE = rf"\br{_SLASH}u(?:\\?_|%5f)|/message/compose/?\?to="
_MENTION = rf"(?i)((?:{_BEFORE}){_SLASH}|{_PROFILE_OR_MESSAGE}){_NAMES}"

MAY_HOLD_MENTION = r"(?i)(?:u|user)(?:/|\\/|%2f|&#)|u(?:_|\\_|%5f)|/compose/?\?to="
"""What no text lacks in which a name is found, for those who look for several things at once. One text in a hundred has it."""


def without_mentions(texts: pa.Array) -> pa.Array:
    """Texts with every name of an account masked: `u/[name]`, and so in the address of a profile. Shape: (N,) -> (N,)."""
    return pc.replace_substring_regex(texts, _MENTION, r"\1[name]")
