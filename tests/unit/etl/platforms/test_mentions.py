"""Names of accounts in texts: masked whatever stands around them, and nothing else is."""

import string
import time

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.platforms.mentions import MAY_HOLD_MENTION, without_mentions

NAME = "Qx_zy-77"
AROUND = [*string.punctuation, *" \t\n", "…", "—", "“", "”", "«", "»", "\u200b", "\xa0", "、", "。", "（", "）", "🙂", "**", "~~", "> ", "](", "&gt;", "..."]  # fmt: skip
WORDS = ["", "thanks", "Cc", "to be", "é", "感谢", "спасибо", "2 of 3 ", "r/pics "]
MENTIONS = [f"u/{NAME}", f"/u/{NAME}", f"U/{NAME}", f"/user/{NAME}", f"/User/{NAME}", rf"u/{NAME.replace('_', chr(92) + '_')}", f"u/{NAME.upper()}"]
HOSTILE = [
    "u/", "a", "/", "\\", "-", "_", "u", ".", "redd", "reddit.com/", "%2f", "%5f", "user/", "/user/", "r/", "r%2F", "u_", "*", "`", "r/ab/", "u/ab/", "&#x2f;", "\u200b", "é", "[name]",
    "/message/compose?to=", "/message/compose?", "&to=", "\xad", "&#x200b;",
]  # fmt: skip
CHARS = 400_000
SECONDS = 3.0
"""For 400,000 characters, which take some hundredths of one: much more than a busy machine needs, and much less than quadratic time would."""


def masked(text: str) -> str:
    return without_mentions(pa.array([text])).to_pylist()[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("thanks u/some_name!", "thanks u/[name]!"),
        ("/u/some-name said", "/u/[name] said"),
        ("u/one, u/two and u/three", "u/[name], u/[name] and u/[name]"),
        ("U/Shouting", "U/[name]"),
        (r"u/some\_name\_too wrote", "u/[name] wrote"),
        ("[u/name](/u/name)", "[u/[name]](/u/[name])"),
        ("(u/name)", "(u/[name])"),
        ("first line\nu/name", "first line\nu/[name]"),
        ("https://www.reddit.com/user/some_name/comments", "https://www.reddit.com/user/[name]/comments"),
        ("old.reddit.com/u/some_name", "old.reddit.com/u/[name]"),
        ("np.reddit.com/u/some%5Fname?x", "np.reddit.com/u/[name]?x"),
        ("?next=https%3A%2F%2Fwww.reddit.com%2Fuser%2Fsome_name&x", "?next=https%3A%2F%2Fwww.reddit.com%2Fuser%2F[name]&x"),
        ("https://www.reddit.com/message/compose/?to=some_name&subject=Hi", "https://www.reddit.com/message/compose/?to=[name]&subject=Hi"),
        ("&#x2F;u&#x2F;some_name", "&#x2F;u&#x2F;[name]"),
        ("posted in r/u_some_name", "posted in r/u_[name]"),
        (r"posted in r/u\_some\_name", r"posted in r/u\_[name]"),
        ("r%2Fu_some_name", "r%2Fu_[name]"),
        ("-u/name", "-u/[name]"),
        (r"\-/u/name", r"\-/u/[name]"),
        ("...u/name", "...u/[name]"),
        ("_u/name_", "_u/[name]"),
        ("**u/name**", "**u/[name]**"),
        ("/user/name", "/user/[name]"),
        ("u/one/u/two", "u/[name]"),
        ("u/one-u/two", "u/[name]"),
        ("u/one_/u/two/user/three!", "u/[name]!"),
        (r"\/u\/some_name", r"\/u\/[name]"),
        ("u/\u200bname", "u/\u200b[name]"),
        ("u\u200b/some_name", "u\u200b/[name]"),
        ("u/\u200c\xad&#x200B;&amp;#8203;some_name", "u/\u200c\xad&#x200B;&amp;#8203;[name]"),
        ("u/some\u200b_na\u2060me\u200d!", "u/[name]!"),
        ("/message/compose/?subject=Hi&to=some_name", "/message/compose/?subject=Hi&to=[name]"),
        ("(/message/compose?message=a%20b&amp;to=some_name&x=y)", "(/message/compose?message=a%20b&amp;to=[name]&x=y)"),
        ("https://www.unddit.com/user/some_name", "https://www.unddit.com/user/[name]"),
        ("u/**name** and u//other", "u/**[name]** and u//[name]"),
        ("thanks/u/name", "thanks/u/[name]"),
        ("r/pics/u/name", "r/pics/u/[name]"),
        ("感谢u/name", "感谢u/[name]"),
    ],
)
def test_names_of_accounts_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected
    assert pc.match_substring_regex(pa.array([text]), MAY_HOLD_MENTION).to_pylist() == [True]


@pytest.mark.parametrize(
    "text",
    [
        "you/me", "menu/items", "cpu/gpu", "EU/US", "tu/vous", "neu/alt", "aperçu/avis", "cứu/giúp", "dv/du and u/v", "/r/u/xyz", "r/u/xyz", "r/python", "u/", "/u/",
        "a user/group list", "/home/user/Downloads", "src/lib/u/main.c", "example.com/u/x/page", "https://example.com/u/someone", "http://localhost/u/some",
        "https://www.youtube.com/user/channel", "https://www.reddit.com/r/tea/comments/abc/for_you/", "reddit.com/u/", "message/compose/?to=/r/tea", "u/[name]",
    ],
)  # fmt: skip
def test_what_is_no_mention_stays(text: str) -> None:
    assert masked(text) == text


around = st.lists(st.sampled_from(AROUND), max_size=4).map("".join)


@given(st.sampled_from(WORDS), around, st.sampled_from(MENTIONS), around, st.sampled_from(WORDS))
@settings(max_examples=1000)
def test_no_name_survives_whatever_stands_around_it(before: str, left: str, mention: str, right: str, after: str) -> None:
    """But for what hangs on a word: `Danku/name`, `home/user/name`."""
    is_word = before[-1:].isalnum() and before[-1:] < "\u0250"
    hangs = is_word and (not left if mention[0] in "uU" else not left.strip("/") and mention[2] in "sS")
    text = before + (" " if hangs else "") + left + mention + right + after
    found = masked(text).lower()
    assert NAME.lower() not in found.replace("\\", ""), text
    assert "77" not in found


@given(
    st.lists(st.sampled_from(MENTIONS), min_size=2, max_size=4),
    st.lists(st.sampled_from(["/", "-", "_", "//", " ", ".", "\\", "%5F", ","]), min_size=4, max_size=4),
)
def test_no_name_of_several_survives(mentions: list[str], joints: list[str]) -> None:
    text = "".join(part for mention, joint in zip(mentions, joints, strict=False) for part in (mention, joint))
    assert "77" not in masked(text), text


@given(st.lists(st.sampled_from([*HOSTILE, *MENTIONS, *AROUND]), max_size=10).map("".join))
def test_a_second_application_changes_nothing_and_what_cannot_hold_a_name_is_left_alone(text: str) -> None:
    once = masked(text)
    assert masked(once) == once
    assert once == text or pc.match_substring_regex(pa.array([text]), MAY_HOLD_MENTION).to_pylist() == [True]


@pytest.mark.parametrize("part", [*HOSTILE, "u/a-", "u/ab/u/", "/user/ab/", r"u\/", "-u/", "%5fu/", "redd.", "r/abc/u"])
def test_hostile_texts_take_no_longer_than_they_are_long(part: str) -> None:
    text = (part * CHARS)[:CHARS]
    started = time.process_time()
    without_mentions(pa.array([text]))
    assert time.process_time() - started < SECONDS
