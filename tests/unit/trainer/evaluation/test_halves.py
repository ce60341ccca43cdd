"""How a history is halved, and what of a half is read."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.counting_encoder import CountingEncoder
from tests.planted_people import history_unit
from trainer.evaluation.halves import community_counts, community_halves, halves_of, time_halves, words_alone


def in_communities(names: str | list[str | None]) -> list[dict[str, Any]]:
    return [history_unit(f"u{number}", number, "words") | {"community": name} for number, name in enumerate(names)]


def names_of(history: Any) -> str:
    return "".join(unit["community"] for unit in history)


def test_newer_halves_keep_no_thread_of_the_older() -> None:
    history = [{"thread_id": thread} for thread in ("a", "b", "b", "c", None, "d")]
    first, second = time_halves(history)
    assert [unit["thread_id"] for unit in first] == ["a", "b", "b"]
    assert [unit["thread_id"] for unit in second] == ["c", None, "d"]
    assert time_halves([{"thread_id": "a"}] * 10)[1] == []
    assert halves_of([], "time") == ([], [])


def test_a_person_who_moves_from_place_to_place_loses_hardly_a_unit() -> None:
    first, second = community_halves(in_communities("aaabbacccdcd"))
    assert (names_of(first), names_of(second)) == ("aaabba", "cccdcd")


def test_of_a_person_who_stays_everywhere_each_half_keeps_its_own_places() -> None:
    first, second = community_halves(in_communities("abababab"))
    assert (names_of(first), names_of(second)) == ("aa", "bb"), "equals go by name"
    first, second = community_halves(in_communities("abcabbabcabb"))
    assert (names_of(first), names_of(second)) == ("bbb", "aca"), "the busier of equals comes first"


def test_of_one_place_or_none_there_are_no_two_halves() -> None:
    assert [names_of(half) for half in community_halves(in_communities("aaaaaa"))] == ["", "aaa"]
    assert community_halves(in_communities([None] * 6)) == ([], [])
    assert community_halves([]) == ([], [])


def test_units_without_a_community_are_in_neither_half_and_do_not_move_the_middle() -> None:
    first, second = community_halves(in_communities([None, None, "a", "a", None, "b", "b", None]))
    assert (names_of(first), names_of(second)) == ("aa", "bb")


def test_one_name_on_two_platforms_is_two_communities() -> None:
    history = in_communities("aa")
    history[1]["platform"] = "hackernews"
    assert community_counts(history) == {"reddit/a": 1, "hackernews/a": 1}
    assert [len(half) for half in community_halves(history)] == [1, 1]


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e", None]), max_size=40))
def test_halves_share_no_community_are_in_order_and_as_large_as_any_split_by_when_they_were_there(names: list[str | None]) -> None:
    history = in_communities(names)
    first, second = community_halves(history)
    assert not community_counts(first).keys() & community_counts(second).keys()
    times = [unit["created_at"] for unit in (*first, *second)]
    assert times == sorted(times)
    placed = [name for name in names if name is not None]
    older, newer = Counter(placed[: len(placed) // 2]), Counter(placed[len(placed) // 2 :])
    by_share = sorted(set(placed), key=lambda name: (-older[name] / (older + newer)[name], -(older + newer)[name], name))
    sizes = [(sum(older[name] for name in by_share[:n]), sum(newer[name] for name in by_share[n:])) for n in range(len(by_share) + 1)]
    assert min(len(first), len(second)) == max((min(size) for size in sizes), default=0)


def test_of_words_alone_nothing_says_where_they_were_written_and_no_more_is_kept_than_tokens() -> None:
    opening = {"role": "root", "unit_id": "x", "speaker": "other-1", "speaker_id": "x", "title": "A title", "text": "A title", "created_at": None}
    units = [
        history_unit("u0", 0, "one two three four", "secret") | {"context": [opening], "source_text": "raw", "label": {"specific": "s", "broad": "b"}},
        history_unit("u1", 1, "short", "secret") | {"title": "Own"},
    ]
    encoder = CountingEncoder()
    shown = words_alone(units, 3, encoder.token_starts)
    assert [unit["text"] for unit in shown] == ["one two three", "Own — short"]
    for query_format in ("units", "brief", "mixed", "raw"):
        assert CountingEncoder(query_format=query_format).history_text(shown)[0] == "reddit | one two three\nreddit | Own — short"
