"""Lines that are no record, or hardly one: none is lost, and each keeps its number."""

import json
from dataclasses import replace

import pytest

from etl.platforms.reddit import kind_of_name
from etl.platforms.reddit.decoding import LINES_AT_ONCE
from etl.platforms.reddit.records import kind_of_row
from lake.pseudonyms import pseudonym
from tests.unit.etl.platforms.reddit_rows import KEY, SETTINGS, comment, parse_lines, submission

GOOD = json.dumps(comment()).encode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "empty line"),
        (b"  \r", "empty line"),
        (b'{"id": "c1", "body": "cut in the mid', "not json"),
        (b"<html>502 Bad Gateway</html>", "not json"),
        (b"\x1f\x8b\xff\xfe", "not json"),
        (b"[1, 2]", "not an object"),
        (b'"text"', "not an object"),
        (GOOD + GOOD, "not json"),
        (b"[" * 100_000, "not json"),
    ],
)
def test_a_bad_line_is_a_reject_with_its_number(line, reason):
    batch = parse_lines(GOOD + b"\n", line + b"\n", GOOD + b"\n")
    assert batch.acts["line"].to_pylist() == [1, 3]
    assert [(row["line"], row["reason"]) for row in batch.rejects.to_pylist()] == [(2, reason)]


def test_two_objects_in_one_line_and_a_blank_line_do_not_hide_each_other():
    batch = parse_lines(GOOD + GOOD + b"\n", b"\n", GOOD + b"\n")
    assert batch.acts["line"].to_pylist() == [3]
    assert batch.rejects["reason"].to_pylist() == ["not json", "empty line"]


def test_two_objects_in_one_line_and_one_object_in_two_do_not_make_up_for_each_other():
    batch = parse_lines(GOOD + GOOD + b"\n", b'{"another":\n', GOOD + b"}\n", GOOD + b"\n")
    assert batch.acts["line"].to_pylist() == [4]
    assert batch.rejects["reason"].to_pylist() == ["not json"] * 3


def test_bad_lines_keep_their_numbers_wherever_lines_are_decoded_together():
    bad = {1, LINES_AT_ONCE, LINES_AT_ONCE + 1, 2 * LINES_AT_ONCE + 5}
    lines = range(1, 2 * LINES_AT_ONCE + 10)
    batch = parse_lines(*(b"{\n" if number in bad else json.dumps(comment(id=f"n{number}")).encode() + b"\n" for number in lines))
    assert set(batch.rejects["line"].to_pylist()) == bad
    acts = dict(zip(batch.acts["line"].to_pylist(), batch.acts["unit_id"].to_pylist(), strict=True))
    assert acts == {number: f"reddit:t1_n{number}" for number in lines if number not in bad}


def test_the_last_line_may_lack_its_newline():
    assert parse_lines(GOOD + b"\n", GOOD).acts["line"].to_pylist() == [1, 2]


def test_windows_line_ends_are_no_oddity():
    assert parse_lines(GOOD + b"\r\n", GOOD + b"\r\n").acts.num_rows == 2


@pytest.mark.parametrize(
    ("line", "text", "cast"),
    [
        (GOOD.replace(b"words", b"\\ud83d words"), "\ufffd words", "line: lone surrogate"),
        (GOOD.replace(b"words", b"\xff words"), "\ufffd words", "line: invalid utf-8"),
        (GOOD.replace(b"words", b"a\x00b"), "ab", "line: control character"),
        (b"\xef\xbb\xbf" + GOOD, "words", None),
    ],
)
def test_lines_that_strict_parsers_refuse_are_read_and_counted(line, text, cast):
    batch = parse_lines(GOOD + b"\n", line + b"\n")
    assert batch.acts["text"].to_pylist() == ["words", text]
    assert cast is None or batch.casts[cast] == 1


def test_a_reject_keeps_the_line_capped_and_the_account_as_pseudonym():
    line = b'{"author": "Ada", "body": "' + b"x" * 5000
    (reject,) = parse_lines(line + b"\n", settings=replace(SETTINGS, reject_chars=100)).rejects.to_pylist()
    assert (reject["raw"], reject["user_id"]) == (line[:100].decode(), pseudonym(KEY, "reddit", "ada"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("RC_2006-01.zst", "comments"),
        ("RS_2006-01", "submissions"),
        ("tea_comments.zst", "comments"),
        ("my_submissions_comments.ndjson", "comments"),
        ("Tea_Submissions_2020.bz2", "submissions"),
        ("labels.jsonl", None),
        ("README", None),
    ],
)
def test_names_tell_the_kind(name, kind):
    assert kind_of_name(name) == kind


def test_rows_tell_the_kind_where_the_name_does_not():
    assert kind_of_row(comment(body=...)) == "comments"
    assert kind_of_row(submission(selftext=...)) == "submissions"
    assert kind_of_row({"id": "c1", "specific": "a label"}) is None
    assert kind_of_row([1]) is None
