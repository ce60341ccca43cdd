"""What of a label's text makes it another label."""

import pytest

from lake.examples import answer_key
from lake.labels import label_item_id, normalised


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("Brake  pads!", "brake pads"), ("C++ and C#", "c++ and c#"), ("ma\u0301s cafe\u0301", "m\u00e1s caf\u00e9"), ("it's", "it s"), ("\u2764\ufe0f tea", "tea"),
        ("tea \u2615\ufe0f!", "tea"), ("1\ufe0f\u20e3 cup", "1 cup"), ("\u0e48", ""), (" \u0301x", "x"), ("_\u0e48_", "_ _"), ("...", ""),
    ],
)  # fmt: skip
def test_casing_space_and_punctuation_are_levelled(text: str, level: str) -> None:
    assert normalised(text) == level


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u0915\u092e", "\u0915\u093e\u092e"),
        ("\u0915\u0940", "\u0915\u0947"),
        ("\u0e44\u0e21\u0e48", "\u0e44\u0e21\u0e49"),
        ("\u0e01\u0e34\u0e19", "\u0e01\u0e31\u0e19"),
    ],
)
def test_words_that_differ_by_vowel_signs_are_two(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)
    assert normalised(f"{one}!") == normalised(one) == one
    assert label_item_id("broad", one) != label_item_id("broad", other)
    assert answer_key(one) != answer_key(other)


def test_a_mark_belongs_to_the_letter_before_it_alone() -> None:
    assert normalised("\u0915\u093e!\u093e\u092e") == "\u0915\u093e \u092e"
    assert normalised("a" + "!" * 200_000 + "\u093e") == "a"
