"""A thread as a tree: answers below what they answer, siblings by time, and nothing lost."""

from datetime import timedelta
from typing import Any

from etl.report.threads import ThreadAct, thread_tree
from tests.etl_rows import START, act, entry, unit


def later(minutes: int) -> dict[str, Any]:
    return {"created_at": START + timedelta(minutes=minutes)}


def places(tree: list[ThreadAct]) -> list[tuple[str, int]]:
    return [(found.unit_id, found.depth) for found in tree]


def test_answers_follow_what_they_answer_and_siblings_go_by_time_then_id() -> None:
    acts = [
        act("t", None),
        act("c", "t", **later(1)),
        act("b", "t", **later(1)),
        act("d", "b", **later(9)),
        act("a", "t", **later(5)),
        act("e", "d", **later(10)),
    ]
    assert places(thread_tree(acts[::-1], [])) == [("t", 0), ("b", 1), ("d", 2), ("e", 3), ("c", 1), ("a", 1)]


def test_an_act_whose_parent_the_archive_lacks_stands_at_the_top_and_says_so() -> None:
    tree = thread_tree([act("a", "gone"), act("b", "a", **later(1)), act("t", None, **later(2))], [])
    assert places(tree) == [("a", 0), ("b", 1), ("t", 0)]
    assert [found.parent_is_missing for found in tree] == [True, False, False]


def test_acts_that_answer_each_other_in_a_circle_are_shown_once() -> None:
    tree = thread_tree([act("t", None), act("a", "b", **later(1)), act("b", "a", **later(2)), act("c", "a", **later(3))], [])
    assert places(tree) == [("t", 0), ("a", 0), ("b", 1), ("c", 1)]


def test_words_are_the_units_and_an_act_without_unit_keeps_its_own() -> None:
    made = unit("a", "p", text="masked words", root_state="present", chain_state="complete", context=[entry("root", "hi")])
    tree = thread_tree([act("a", "t", text="raw words"), act("b", "a", user_id=None, text="kept words", state="deleted")], [made])
    assert [(found.text, found.is_unit, found.state) for found in tree] == [("masked words", True, "kept"), ("kept words", False, "deleted")]
    assert (tree[0].root_state, tree[0].chain_state, tree[0].context[0].text) == ("present", "complete", "hi")
    assert (tree[1].root_state, tree[1].chain_state, tree[1].context) == (None, None, [])


def test_copies_of_an_act_are_one_and_a_kept_one_is_shown() -> None:
    (found,) = thread_tree([act("a", state="removed", text=None), act("a", text="kept"), act("a", text="other")], [])
    assert (found.copies, found.text) == (3, "kept")


def test_a_chain_of_a_hundred_thousand_answers_is_no_recursion() -> None:
    acts = [act("0", None), *(act(str(number), str(number - 1), **later(number)) for number in range(1, 100_000))]
    assert [found.depth for found in thread_tree(acts, [])] == list(range(100_000))


def test_no_acts_make_no_tree() -> None:
    assert thread_tree([], []) == []
