"""Paths in which a pseudonym stands for an account."""

import pytest

from etl.platforms.accounts import without_account
from lake.pseudonyms import PATH_CHARS, pseudonym

KEY = bytes(range(32))


@pytest.mark.parametrize(
    ("path", "account", "expected"),
    [
        ("Ada_comments.zst", "ada", "*_comments.zst"),
        ("dumps/ADA/ada-2020/Canada_adam.zst", "Ada", "dumps/*/*-2020/Canada_adam.zst"),
        ("export_a.b_2020.zip", "a.b", "export_*_2020.zip"),
        ("export_axb_2020.zip", "a.b", "export_axb_2020.zip"),
        ("Mail of ada@example.org/ada.zip", "ada@example.org", "Mail of */*.zip"),
        ("-_x-_/some.zip", "-_x-_", "*/some.zip"),
        ("ada.zip", "", "ada.zip"),
        ("@/ada.zip", "@", "*/ada.zip"),
    ],
)
def test_a_pseudonym_stands_for_the_account_where_it_is_a_word(path: str, account: str, expected: str) -> None:
    stands_for_it = pseudonym(KEY, "reddit", account)[:PATH_CHARS]
    assert without_account(path, account, "reddit", KEY) == expected.replace("*", stands_for_it)
