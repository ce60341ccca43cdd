"""Records in a platform's own words become numbered acts and rejects; nothing is lost, and no name stays."""

import zlib
from datetime import UTC, datetime

import pytest

from conf.errors import ArchiveError
from etl.ingest.file_counts import FileCounts
from etl.platforms import InputFile, ParseSettings
from etl.platforms.records import LeftOut, ParsedAct, Refused, parsed_batches, thread_group
from lake.pseudonyms import pseudonym

KEY = bytes(range(32))
NOW = datetime(2024, 3, 1, tzinfo=UTC)
FILE = InputFile("/dump/a.jsonl", "a.jsonl", "acts", 1)
SETTINGS = ParseSettings(KEY, rejected_at=NOW)


def act(**changes):
    return ParsedAct(**{"native_id": "1", "account": "Ada", "action": "comment", "created_at": NOW, "text": "words"} | changes)


def parsed(*records, settings=SETTINGS):
    batches = list(parsed_batches(records, "forum", FILE, settings))
    counts = FileCounts()
    for batch in batches:
        counts.add(batch, FILE)
    counts.check_lines(FILE)
    return [row for batch in batches for row in batch.acts.to_pylist()], [row for batch in batches for row in batch.rejects.to_pylist()], counts


def test_an_act_has_the_platforms_ids_and_a_pseudonym():
    (row,), rejects, _ = parsed(act(thread_id="t", parent_id="p", session_id="s", attributes={"score": "3", "none": None}))
    assert rejects == []
    assert (row["unit_id"], row["thread_id"], row["parent_unit_id"], row["session_id"]) == ("forum:1", "forum:t", "forum:p", "forum:s")
    assert (row["user_id"], dict(row["attributes"]), row["line"]) == (pseudonym(KEY, "forum", "ada"), {"score": "3"}, 1)
    assert row["thread_group"] == thread_group("t")


def test_an_act_without_a_thread_lies_with_its_person_where_there_are_sessions_and_else_by_itself():
    rows, _, _ = parsed(act(session_id="s"), act(session_id="s", account=None), act())
    assert [row["thread_group"] for row in rows] == [thread_group(pseudonym(KEY, "forum", "ada")), thread_group("s"), thread_group("1")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"native_id": None}, "no id"),
        ({"native_id": "a b"}, "id: not an id"),
        ({"thread_id": "é"}, "thread_id: not an id"),
        ({"parent_id": ""}, "parent_id: not an id"),
        ({"created_at": None}, "no time"),
        ({"created_at": datetime(1970, 1, 1, tzinfo=UTC)}, "time: not a time"),
        ({"created_at": datetime(2024, 1, 1)}, "time: not a time"),  # noqa: DTZ001 - what is tested
    ],
)
def test_an_act_that_cannot_be_right_is_a_reject_with_its_account_and_line(changes, reason):
    rows, (reject,), counts = parsed(act(), act(raw="as it stood\0", **changes))
    assert (len(rows), reject["line"], reject["reason"], reject["raw"]) == (1, 2, reason, "as it stood")
    assert reject["user_id"] == pseudonym(KEY, "forum", "ada")
    assert counts.lines == 2


def test_what_is_no_record_is_counted_but_not_numbered():
    rows, rejects, counts = parsed(LeftOut("heading", bytes=5), act(bytes=7), LeftOut("vote"), Refused("not json", "{"), LeftOut("vote"))
    assert ([row["line"] for row in rows], [row["line"] for row in rejects]) == ([1], [2])
    assert (counts.left_out, counts.json_bytes) == ({"heading": 1, "vote": 2}, 12)


def test_a_slice_of_a_file_is_numbered_as_in_the_file():
    (batch,) = parsed_batches([act(), LeftOut("vote"), Refused("not json", "{")], "forum", FILE, SETTINGS, first_line=7)
    assert (batch.acts["line"].to_pylist(), batch.rejects["line"].to_pylist()) == ([7], [8])


def test_batches_are_bounded_by_bytes_and_lose_nothing():
    records = [LeftOut("vote", bytes=9) if number % 3 == 0 else act(native_id=str(number), bytes=9) for number in range(20)]
    rows, _, counts = parsed(*records, settings=ParseSettings(KEY, NOW, block_bytes=8))
    assert [row["line"] for row in rows] == list(range(1, 14))
    assert (counts.left_out, counts.json_bytes) == ({"vote": 7}, 180)


def test_hostile_words_are_made_fit_to_keep():
    (row,), _, _ = parsed(act(text="a\0b\ud800", title=" \0 ", language="\ud800", attributes={"tag": "\udfff"}))
    assert (row["text"], row["title"], row["language"], dict(row["attributes"])) == ("ab\ufffd", None, "\ufffd", {"tag": "\ufffd"})


def test_words_that_were_taken_away_do_not_stay():
    (row,), _, _ = parsed(act(state="deleted", title="title", url="https://example.org", source_text="raw"))
    assert (row["state"], row["title"], row["text"], row["url"], row["source_text"]) == ("deleted", None, None, None, None)


def test_a_name_is_kept_only_where_that_is_asked_for():
    (row,), _, _ = parsed(act(), settings=ParseSettings(KEY, NOW, keep_names=True))
    assert dict(row["attributes"]) == {"user_name": "Ada"}


def test_a_file_that_breaks_off_is_a_named_error():
    def broken():
        yield act()
        raise zlib.error("invalid stored block lengths")

    with pytest.raises(ArchiveError, match=r"a\.jsonl: cannot be read to its end: invalid stored block"):
        list(parsed_batches(broken(), "forum", FILE, SETTINGS))
