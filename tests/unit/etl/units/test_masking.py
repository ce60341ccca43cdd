"""Names, control characters, addresses and telephone numbers in the words of acts."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.platforms.mentions import without_mentions
from etl.units.masking import cleaned, cleaned_attributes, without_contacts, without_control_characters

HOSTILE = [
    "u/", "/u/", "U/", "u", "/", "user", "r/u_", "R/U_", "reddit.com/", "redd.it/", "REDDIT.COM/User/", "Redd.It/", "user/", "%2F", "\\/", "&#47;", "compose?to=", "%5F", "\x00", "\x1f", "\x85", "\u202e", "\ufeff",
    "\n", "\t", " ", ".", "-", "\\", "_", "ab", "some_name", "\u017f", "@", "a@b.de", "x.org", "+", "(", ")", "617", "495", "1551", "18002738255", "\xa0", "日本", "🙂",
]  # fmt: skip


def test_control_characters_go_and_line_feeds_stay() -> None:
    texts = pa.array(["a\x00b\x07c\r\nd\te\x85f", "right\u202eto left\u2028next", None, "日本 ü 🙂"])
    assert without_control_characters(texts).to_pylist() == ["abc\nd\tef", "rightto leftnext", None, "日本 ü 🙂"]


@pytest.mark.parametrize("mask_contacts", [False, True])
@given(texts=st.lists(st.none() | st.lists(st.sampled_from(HOSTILE), max_size=8).map("".join) | st.text(max_size=20), max_size=6))
@settings(max_examples=100, deadline=None)
def test_looking_only_at_suspects_changes_no_result(mask_contacts: bool, texts: list[str | None]) -> None:
    all_texts = pa.array(texts, pa.string())
    each_worked_on = without_mentions(without_control_characters(all_texts))
    expected = without_contacts(each_worked_on) if mask_contacts else each_worked_on
    assert cleaned(all_texts, mask_contacts).to_pylist() == expected.to_pylist()


@pytest.mark.parametrize("mask_contacts", [False, True])
@given(text=st.lists(st.sampled_from(HOSTILE), max_size=12).map("".join))
@settings(max_examples=300)
def test_a_second_application_changes_nothing(mask_contacts: bool, text: str) -> None:
    once = cleaned(pa.array([text]), mask_contacts)
    assert cleaned(once, mask_contacts).to_pylist() == once.to_pylist()


def test_words_in_attributes_are_masked_and_numbers_stay() -> None:
    facts = {
        "views": "4915112345678", "votes": "6174951551", "rating": "-6174951.551", "all": "6174951551, 6174951552", "score": "3", "flag": "true", "at": "2019-07-20",
        "store": "u/some_name", "about": "me@example.org", "call": "+49 30 901820", "or": "617-495-1551", "bell": "a\x07b", "user_name": "ada@example.org",
    }  # fmt: skip
    masked = {"store": "u/[name]", "about": "[email]", "call": "[phone]", "or": "[phone]", "bell": "ab"}
    attributes = pa.array([[("before", "u/some_name")], list(facts.items()), []], pa.map_(pa.string(), pa.string()))
    assert cleaned_attributes(attributes, True).to_pylist(maps_as_pydicts="strict") == [{"before": "u/[name]"}, facts | masked, {}]
    assert cleaned_attributes(attributes.slice(1), True).to_pylist(maps_as_pydicts="strict") == [facts | masked, {}]
    assert cleaned_attributes(attributes.slice(3), True).to_pylist() == []
    unasked = {"store": "u/[name]", "bell": "ab"}
    assert cleaned_attributes(attributes, False).to_pylist(maps_as_pydicts="strict")[1] == facts | unasked


def test_what_a_control_character_hid_is_masked_too() -> None:
    assert cleaned(pa.array(["u\x00/some_name", "me\x07@example.org", "617\x00-495-1551"]), True).to_pylist() == ["u/[name]", "[email]", "[phone]"]


def test_rows_keep_their_places_also_in_a_slice() -> None:
    texts = pa.array(["before", "plain", None, "u/some_name", "", "me@example.org"]).slice(1)
    assert cleaned(texts, True).to_pylist() == ["plain", None, "u/[name]", "", "[email]"]
    assert cleaned(texts.slice(0, 0), True).to_pylist() == []


def test_contacts_stay_where_nobody_asked_for_masks() -> None:
    assert cleaned(pa.array(["me@example.org or 617-495-1551"]), False).to_pylist() == ["me@example.org or 617-495-1551"]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to first.last+tag@mail.example.co.uk.", "write to [email]."),
        ("[me@example.org](mailto:me@example.org)", "[[email]](mailto:[email])"),
        ("jürgen@straße.de, info@пример.рф und “me@example.org”", "[email], [email] und “[email]”"),
    ],
)
def test_addresses_are_masked(text: str, masked: str) -> None:
    assert without_contacts(pa.array([text])).to_pylist() == [masked]


@pytest.mark.parametrize("text", ["@ home", "3 lbs @ 2.99", "medium.com/@someone/story", "pandas@2.3", "a@b", "2019-2020-@-Six-Months.pdf"])
def test_what_is_no_address_stays(text: str) -> None:
    assert without_contacts(pa.array([text])).to_pylist() == [text]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("call 1-800-273-8255 or 18002738255!", "call [phone] or [phone]!"),
        ("at (202) 687-3600 between 9am and 5pm", "at [phone] between 9am and 5pm"),
        ("Trans Lifeline (877-565-8860)", "Trans Lifeline ([phone])"),
        ("Phone:866-433-7728\n212.299.0096", "Phone:[phone]\n[phone]"),
        ("+44 20 7946 0958, +49 30 901820; (+33) 1 42 68 53 00", "[phone], [phone]; [phone]"),
        ("617\u2013495\u20131551 and 617\xa0495\xa01551", "[phone] and [phone]"),
    ],
)
def test_telephone_numbers_are_masked(text: str, masked: str) -> None:
    assert without_contacts(pa.array([text])).to_pylist() == [masked]


@pytest.mark.parametrize(
    "text",
    [
        "from 2019-07-20 12:30 to 2021-05-01", "08/2019-07/2021", "SAT 1550 1480 1520", "$1 000 000 000", "1,200,000 people", "192.168.100.200:8080",
        "at 1609459200 seconds", "scores of 200-300-400", "example.com/photos/6174951551/", "example.com/?id=6174951551&x=1", "articles/115005318087-SAT",
        "pi is 3.14159265358", "order #6174951551", "a6174951551b", "4111 1111 1111 1111",
    ],
)  # fmt: skip
def test_other_digits_stay(text: str) -> None:
    assert without_contacts(pa.array([text])).to_pylist() == [text]
