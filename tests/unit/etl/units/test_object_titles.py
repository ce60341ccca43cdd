"""Acts that take the title of their object: where it comes from, what waits for it, and what follows when it changes."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from etl.units.acts import UnitSettings, units_of_threads
from lake.acts import WORDS_OF_OBJECT
from tests.etl_rows import act, acts_batch

NO_TITLE = "no title of its object"


def film(title: str | None = "Ran (1985)", text: str | None = "A king parts his land.", **values: Any) -> dict[str, Any]:
    return act("film", None, "film", action="object", user_id=None, title=title, text=text, **values)


def rating(unit_id: str = "r", **values: Any) -> dict[str, Any]:
    asks = {"action": "rating", "text": None, "attributes": {"stars": "5", WORDS_OF_OBJECT: "true", "place": "home"}}
    return act(unit_id, None, "film", **asks | values)


def make(*acts: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], dict[str, int], set[str]]:
    """Units by id, counts, and ids whose earlier units are no longer right."""
    parts = list(units_of_threads(acts_batch(acts), UnitSettings(context_depth=8, context_chars=50)))
    units = pa.concat_tables(part.rows for part in parts).to_pylist(maps_as_pydicts="strict")
    counts = sum((part.counts for part in parts), Counter[str]())
    replaced = {name for part in parts for names in part.replaced.values() for name in names}
    return {row["unit_id"]: row for row in units}, {name: count for name, count in counts.items() if count}, replaced


def test_a_unit_has_the_title_of_its_object_not_its_text_and_no_mark_of_having_asked() -> None:
    units, counts, _ = make(film(), rating(), rating("r2", text="What a film."), act("c", None, "film"))
    assert [(units[name]["title"], units[name]["text"]) for name in ("r", "r2", "c")] == [
        ("Ran (1985)", ""), ("Ran (1985)", "What a film."), (None, "words of c")
    ]  # fmt: skip
    assert [list(units[name]["attributes"].items()) for name in ("r", "c")] == [[("stars", "5"), ("place", "home")], []]
    (about,) = units["r"]["context"]
    assert (about["role"], about["title"], about["text"]) == ("object", "Ran (1985)", "Ran (1985)\n\nA king parts his land.")
    assert counts == {"acts": 4, "object": 1}


@pytest.mark.parametrize("objects", [[], [film(title=None)], [film(title=" ")], [film(state="deleted", title=None, text=None)]])
def test_without_a_title_of_its_object_an_act_makes_no_unit_unless_it_has_one_to_stand_in(objects: list[dict[str, Any]]) -> None:
    units, counts, _ = make(*objects, rating(), rating("r2", title="a film"))
    assert {name: unit["title"] for name, unit in units.items()} == {"r2": "a film"}
    assert counts[NO_TITLE] == 1


def test_neither_somebodys_post_nor_what_is_in_another_thread_is_its_object() -> None:
    post = act("film", None, "film", title="My post")
    assert "r" not in make(post, rating())[0]
    other = film(thread_id="other")
    assert "r" not in make(other, rating())[0]


def test_what_was_removed_asks_for_no_words() -> None:
    units, counts, _ = make(film(), rating(state="removed"), rating("r2", state="deleted"))
    assert (units, counts) == ({}, {"acts": 3, "object": 1, "removed": 1, "deleted": 1})


def test_names_in_an_objects_title_are_masked_in_its_acts() -> None:
    assert make(film(title="Life of u/somebody"), rating())[0]["r"]["title"] == "Life of u/[name]"


def test_an_object_that_comes_later_makes_the_units_that_wait_for_it_and_only_those() -> None:
    units, _, replaced = make(film(), rating(is_new=False), act("old", None, "elsewhere", is_new=False))
    assert list(units) == ["r"]
    assert replaced == {"r"}


def test_units_of_an_object_whose_title_is_gone_are_taken_back() -> None:
    gone = film(state="deleted", title=None, text=None, line=2, attributes={"deleted_later": "true"})
    units, _, replaced = make(film(is_new=False), gone, rating(is_new=False), rating("r2", title="a film", is_new=False))
    assert {name: unit["title"] for name, unit in units.items()} == {"r2": "a film"}
    assert replaced == {"film", "r", "r2"}


def test_units_of_what_is_an_object_no_more_are_taken_back() -> None:
    post = act("film", None, "film", title="My post", source_file="later")
    units, _, replaced = make(film(is_new=False), post, rating(is_new=False))
    assert list(units) == ["film"]
    assert replaced == {"film", "r"}


def test_acts_that_ask_for_nothing_are_left_as_they_are() -> None:
    units, _, _ = make(film(), act("c", None, "film", attributes={"stars": "5"}), act("d", "c", "film", attributes={}))
    assert [units[name]["attributes"] for name in ("c", "d")] == [{"stars": "5"}, {}]
