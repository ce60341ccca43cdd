"""Names of accounts as people write them in texts and addresses, `u/name` and its kin -> masked. In the syntax of RE2, whose time is linear in any text.

On Reddit `u/name` is a mention whatever punctuation stands around it. Elsewhere a path may look alike: what hangs on a word (`menu/items`, `cpu/gpu`,
`/r/u/x`, `/home/user/x`) or on the host of another site (`example.com/u/x`) is none.
"""

import pyarrow as pa
import pyarrow.compute as pc

# Some people put characters that nobody sees, or marks, into a mention, so that nobody is notified.
_UNSEEN = r"\x{ad}\x{200b}-\x{200d}\x{2060}-\x{2064}"
_UNSEEN_AS_HTML = "&(?:amp;)?#(?:x200b|8203);"
# A slash as text, Markdown, URLs and HTML write it.
_SLASH = rf"(?:[{_UNSEEN}]*(?:\\?/|%2f|&#(?:x2f|47);)(?:[{_UNSEEN}\\*`/]|{_UNSEEN_AS_HTML})*)"
# Editors write "u/some\_name", browsers "some%5Fname".
_JOINT = rf"(?:[-_\\{_UNSEEN}]|%5f|%2d)"
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
    # Any host that serves Reddit: np.reddit.com, redd.it, libreddit.example.org, unddit.com.
    rf"(?:eddit|unddit|redd)[\w.:-]*{_SLASH}+u(?:ser)?",
])  # fmt: skip
_COMPOSE = r"/compose/?\?(?:[^\s()<>]*?&(?:amp;)?)??to="
_PROFILE_OR_MESSAGE = rf"\br{_SLASH}u(?:\\?_|%5f)|/message{_COMPOSE}"
_MENTION = rf"(?i)((?:{_BEFORE}){_SLASH}|{_PROFILE_OR_MESSAGE}){_NAMES}"

MAY_HOLD_MENTION = rf"(?i)(?:u|user)[{_UNSEEN}]*(?:/|\\/|%2f|&#)|u(?:_|\\_|%5f)|{_COMPOSE}"
"""What no text lacks in which a name is found, for those who look for several things at once. One text in a hundred has it."""


def without_mentions(texts: pa.Array) -> pa.Array:
    """Texts with every name of an account masked: `u/[name]`, and so in the address of a profile. Shape: (N,) -> (N,)."""
    return pc.replace_substring_regex(texts, _MENTION, r"\1[name]")
