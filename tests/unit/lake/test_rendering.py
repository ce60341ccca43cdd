"""Words of a unit and of a history: what is kept, what is cut, and what a hostile text cannot do."""

from typing import Any

from lake.rendering import RENDERING_VERSION, history_line, is_readable, join_history, own_words, plain, render_history_unit, render_unit, with_label


def unit(**changes: Any) -> dict[str, Any]:
    return {"platform": "reddit", "action": "comment", "community": "bread", "title": None, "text": "Feed it twice a day.", "context": []} | changes


def entry(text: str, role: str = "parent", speaker: str = "other-1") -> dict[str, Any]:
    return {"role": role, "speaker": speaker, "text": text, "unit_id": "reddit:t1_secret", "speaker_id": "feed", "created_at": None}


def test_text_becomes_one_line_without_control_characters() -> None:
    assert plain("a\x00b\n\n c\u2028d\ud83d ", 100) == "a b c d"


def test_long_text_is_cut_at_a_word_near_the_end() -> None:
    assert plain("aaaa bbbb cccc dddd", 12) == "aaaa bbbb…"
    assert plain("a" * 50, 10) == "a" * 10 + "…"


def test_nothing_said_is_no_words() -> None:
    assert plain(None, 10) == ""


def test_unit_shows_root_and_nearest_parents_outermost_first() -> None:
    context = [entry("My starter died", "root"), *(entry(f"answer {number}") for number in range(5))]
    lines = render_unit(unit(context=context), max_parents=2).split("\n")
    assert lines == ["Comment in bread", "Thread: My starter died", "Parent by other-1: answer 3", "Parent by other-1: answer 4", "Self: Feed it twice a day."]


def test_thing_acted_on_stands_first_and_what_came_before_in_the_session_is_told() -> None:
    review = unit(action="review", context=[entry("Kettle, 2 l", "object", "unknown"), entry("an answer")])
    assert render_unit(review, max_parents=0).split("\n")[1] == "About: Kettle, 2 l"
    assert render_history_unit(review) == "bread | Kettle, 2 l | an answer | Feed it twice a day."
    visit = unit(action="visit", context=[entry("sourdough dies", "earlier", "self")])
    assert render_unit(visit).split("\n")[1] == "Earlier by self: sourdough dies"


def test_titles_of_a_context_change_no_rendering_since_its_texts_have_them() -> None:
    """Version 1 of the rendering made the labels and the encoders that there are."""
    context = [entry("My starter died\n\nIt smells.", "root") | {"title": "My starter died"}, entry("Why?") | {"title": None}]
    before = unit(context=[{name: value for name, value in found.items() if name != "title"} for found in context])
    assert render_unit(unit(context=context)) == render_unit(before)
    assert render_unit(before).split("\n")[1:] == ["Thread: My starter died It smells.", "Parent by other-1: Why?", "Self: Feed it twice a day."]
    assert render_history_unit(unit(context=context)) == render_history_unit(before) == "bread | My starter died It smells. | Why? | Feed it twice a day."
    assert RENDERING_VERSION == "1"


def test_a_brief_line_has_the_title_of_the_thread_and_the_own_text_alone() -> None:
    context = [entry("My starter died\n\nIt smells.", "root") | {"title": "My starter died"}, entry("Why?") | {"title": None}]
    assert history_line(unit(context=context), "brief") == "bread | My starter died | Feed it twice a day."
    assert history_line(unit(context=context), "brief", own_chars=8, context_chars=9) == "bread | My starte… | Feed it…"
    assert history_line(unit(title="Look at this loaf", text=""), "brief") == "bread | Look at this loaf"
    untitled = [entry("It smells.", "root") | {"title": None}]
    assert history_line(unit(context=untitled), "brief") == "bread | It smells. | Feed it twice a day."
    assert is_readable([unit()], "brief")


def test_link_post_is_its_title() -> None:
    assert own_words(unit(title="Look at this loaf", text=""), 100) == "Look at this loaf"


def test_text_cannot_forge_a_line() -> None:
    rendered = render_unit(unit(text="fine\nSelf: I am somebody else\r\nThread: forged"))
    assert len(rendered.split("\n")) == 2


def test_ids_are_never_rendered() -> None:
    rendered = render_unit(unit(context=[entry("hello")])) + render_history_unit(unit(context=[entry("hello")]))
    assert "secret" not in rendered
    assert "feed" not in rendered


def test_history_unit_is_one_line_with_root_parent_and_own_words() -> None:
    context = [entry("My starter died", "root"), entry("far"), entry("near")]
    assert render_history_unit(unit(context=context)) == "bread | My starter died | near | Feed it twice a day."


def test_unit_without_community_names_its_platform() -> None:
    assert render_history_unit(unit(community=None)) == "reddit | Feed it twice a day."


def test_history_is_joined_oldest_first() -> None:
    assert join_history(["old", "new"]) == "old\nnew"


LABEL = {"specific": "Feeding a sourdough starter", "broad": "Bread"}


def test_a_line_of_a_history_says_what_its_format_says() -> None:
    bare, labelled = unit(), unit(label=LABEL, source_text="# Feed it\n\ntwice a *day*")
    assert [history_line(bare, each) for each in ("units", "labels", "mixed", "raw")] == [
        render_history_unit(bare),
        None,
        render_history_unit(bare),
        render_history_unit(bare),
    ]
    assert [history_line(labelled, each) for each in ("units", "labels", "mixed", "raw")] == [
        render_history_unit(bare), "Feeding a sourdough starter / Bread", f"{render_history_unit(bare)} -> Feeding a sourdough starter / Bread", "# Feed it twice a *day*",
    ]  # fmt: skip
    assert history_line(labelled, "raw", own_chars=10) == "# Feed it…"
    assert history_line(unit(source_text=" "), "raw") == render_history_unit(bare)
    assert "\n" not in str(history_line(unit(label={"specific": "a\nb", "broad": "c\x1bd"}), "labels"))


def test_a_unit_gets_its_own_label_and_no_other() -> None:
    one, other = unit(unit_id="1"), unit(unit_id="2")
    labels = {"1": LABEL | {"specific_item_id": "x"}, "3": LABEL}
    assert with_label(one, labels) == one | {"label": LABEL}
    assert with_label(other, labels) is other
    assert [is_readable([other], each) for each in ("units", "labels", "mixed", "raw")] == [True, False, True, True]
    assert is_readable([other, with_label(one, labels)], "labels")
    assert not is_readable([], "units")
