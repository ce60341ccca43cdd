"""Acts in a row become sessions: by the gap between them, named by the oldest, clicks below the search before them."""

from datetime import UTC, datetime, timedelta

from etl.platforms import sessions
from etl.platforms.records import LeftOut, ParsedAct, Refused
from etl.platforms.sessions import in_sessions

START = datetime(2024, 3, 2, 12, tzinfo=UTC)
NAME = f"ada-{int(START.timestamp())}"


def act(native_id, minutes, action="visit"):
    return ParsedAct(native_id=native_id, account="ada", action=action, created_at=None if minutes is None else START + timedelta(minutes=minutes))


def sessions_of(*records):
    """(native id, session, parent) of the acts that come back."""
    return [
        (record.native_id, record.session_id, record.parent_id)
        for record in in_sessions(records, timedelta(minutes=30), "ada")
        if isinstance(record, ParsedAct)
    ]


def test_a_gap_ends_a_session_which_the_oldest_act_names():
    later = f"ada-{int((START + timedelta(minutes=61)).timestamp())}"
    assert sessions_of(act("d", 61), act("c", 30), act("b", 1), act("a", 0)) == [("d", later, None), *((name, NAME, None) for name in "cba")]


def test_a_click_is_below_the_search_before_it_and_no_later_one():
    records = [act("e", 5), act("d", 4, "search"), act("c", 3), act("b", 2, "search"), act("a", 1)]
    assert [(name, parent) for name, _, parent in sessions_of(*records)] == [("e", "d"), ("d", None), ("c", "b"), ("b", None), ("a", None)]


def test_a_search_of_another_session_is_no_parent():
    assert [parent for _, _, parent in sessions_of(act("b", 40), act("a", 0, "search"))] == [None, None]


def test_a_history_from_old_to_new_has_the_same_sessions():
    records = [act("c", 50), act("b", 10), act("a", 0, "search")]
    assert sorted(sessions_of(*records)) == sorted(sessions_of(*records[::-1]))


def test_in_one_second_the_later_act_comes_first():
    assert [parent for _, _, parent in sessions_of(act("click", 0), act("search", 0, "search"), act("before", 0))] == ["search", None, None]


def test_what_is_no_act_stays_in_its_place():
    records = [LeftOut("a"), act("b", 1), Refused("no time", "raw"), act("no time", None), act("a", 0)]
    back = list(in_sessions(records, timedelta(minutes=30), "ada"))
    assert [type(record) for record in back] == [type(record) for record in records]
    assert [record.session_id for record in back if isinstance(record, ParsedAct)] == [NAME, None, NAME]


def test_nothing_is_lost_of_a_session_that_is_too_long(monkeypatch):
    monkeypatch.setattr(sessions, "RECORDS_HELD", 3)
    back = sessions_of(*(act(str(number), -number) for number in range(8)))
    assert [name for name, _, _ in back] == [str(number) for number in range(8)]
    assert len({session for _, session, _ in back}) == 3
