"""What a unit was about, in the archive's own words."""

from typing import Any

import pytest

from lake.units import thread_title
from tests.etl_rows import entry, unit

ROOT = entry("root", "My starter died\n\nIt smells.", title="My starter died")
OBJECT = entry("object", "Kettle, 2 l\n\nSteel.", title="Kettle, 2 l")
PARENT = entry("parent", "Why?")


@pytest.mark.parametrize(("values", "expected"), [
    ({"title": "Look at this loaf"}, "Look at this loaf"),
    ({"title": "Look at this loaf", "context": [ROOT]}, "Look at this loaf"),
    ({"context": [ROOT, PARENT]}, "My starter died"),
    ({"context": [OBJECT]}, "Kettle, 2 l"),
    ({"title": "Five stars", "context": [OBJECT]}, "Kettle, 2 l"),
    ({"context": [PARENT]}, None),
    ({"context": [entry("root", "words alone"), PARENT]}, None),
    ({"context": [entry("earlier", "siamese cats")]}, None),
    ({"context": []}, None),
    ({"title": "", "context": [ROOT]}, "My starter died"),
], ids=["opens a thread", "own before root's", "root", "object", "review of an object", "no root", "root without title", "search before", "nothing", "blank"])  # fmt: skip
def test_a_unit_is_about_the_thing_acted_on_else_its_own_title_else_that_of_its_root(values: dict[str, Any], expected: str | None) -> None:
    assert thread_title(unit("a", **values)) == expected


def test_no_words_of_a_body_or_of_others_are_a_title() -> None:
    parent = entry("parent", "Re: slugs", title="Re: slugs")
    assert thread_title(unit("a", context=[parent])) is None
