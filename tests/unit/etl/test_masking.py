"""Names and control characters in the words of acts."""

import pyarrow as pa
import pytest

from etl.masking import without_control_characters, without_names


@pytest.mark.parametrize(
    ("text", "masked"),
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
        ("posted in r/u_some_name", "posted in r/u_[name]"),
    ],
)
def test_names_of_accounts_are_masked(text: str, masked: str) -> None:
    assert without_names(pa.array([text])).to_pylist() == [masked]


@pytest.mark.parametrize(
    "text", ["example.com/u/x/page", "https://example.com/u/someone", "menu/option", "dv/du and u/v", "r/python", "a user/group list", "wi-fi.u/s2"]
)
def test_what_is_no_mention_stays(text: str) -> None:
    assert without_names(pa.array([text])).to_pylist() == [text]


def test_control_characters_go_and_line_feeds_stay() -> None:
    texts = pa.array(["a\x00b\x07c\r\nd\te\x85f", "right\u202eto left\u2028next", None, "日本 ü 🙂"])
    assert without_control_characters(texts).to_pylist() == ["abc\nd\tef", "rightto leftnext", None, "日本 ü 🙂"]
