"""Lines of labels made elsewhere: every one ends as a label, a reject or a duplicate."""

import json
from typing import Any

import pytest

from conf.errors import ConfigError
from conf.settings import load_settings
from teacher.config import TeacherConfig
from teacher.imported import Imported, import_labels, parse_line

CONTENTS = {"reddit:t1_a": {"hash-a"}, "reddit:t3_b": {"hash-b"}, "reddit:t1_copy": {"hash-a"}, "reddit:t1_two": {"hash-c", "hash-d"}}


def line(**values: Any) -> str:
    return json.dumps({"specific": "brake pads for rain", "broad": "Cycling"} | values)


def imported(*lines: str) -> Imported:
    result = import_labels([parse_line(text, TeacherConfig().imported_ids) for text in lines], CONTENTS, "qwen", "import-1")
    assert len(lines) == len(result.rows) + result.duplicates.total()
    return result


@pytest.mark.parametrize(
    ("given", "content"), [({"unit_id": "reddit:t1_a"}, "hash-a"), ({"id": "a"}, "hash-a"), ({"id": "t1_a"}, "hash-a"), ({"id": "b"}, "hash-b")]
)
def test_ids_are_whole_or_the_platforms_own(given: dict[str, str], content: str) -> None:
    (label,) = imported(line(**given, author="ignored")).rows
    assert (label.unit_hash, label.specific, label.broad, label.teacher_model) == (content, "Brake pads for rain", "Cycling", "qwen")


def test_patterns_say_what_a_platforms_own_id_means() -> None:
    parsed = parse_line(line(id="7"), ["hackernews:{id}", "forum:p{id}"])
    assert parsed.unit_ids == ("hackernews:7", "forum:p7")
    with pytest.raises(ConfigError, match="imported_ids"):
        load_settings(None, ["teacher.imported_ids=[reddit]"]).section("teacher", TeacherConfig)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{broken", "not json"),
        ("[1]", "not an object"),
        (line(), "no id"),
        (line(id=7), "no id"),
        (line(id="a", broad=None), "no labels"),
        (line(id="zz"), "unknown unit"),
        (line(id="two"), "id of several units"),
        (line(id="a", specific="Is an expert trader"), "specific: what a person is"),
        ("[" * 100_000, "not json"),
    ],
)
def test_a_bad_line_is_a_reject_with_its_reason(text: str, reason: str) -> None:
    (reject,) = imported(text).rejects
    assert reject.reason == reason
    assert len(reject.raw or "") <= 501


def test_of_two_lines_of_one_content_the_first_wins_and_the_other_is_counted() -> None:
    result = imported(line(id="a"), line(id="copy", specific="another label of it"))
    assert [label.specific for label in result.rows] == ["Brake pads for rain"]
    assert result.duplicates.total() == 1


def test_a_good_line_after_a_bad_one_of_the_same_content_is_a_label() -> None:
    result = imported(line(id="a", broad="Other"), line(id="a"))
    assert ([row.reason for row in result.rows], result.duplicates.total()) == ([None], 1)


def test_an_unknown_unit_is_known_by_its_given_id() -> None:
    assert imported(line(id="zz"), line(id="zz")).rejects[0].unit_hash == "zz"


def test_no_lines_are_no_labels() -> None:
    assert imported().rows == []


@pytest.mark.parametrize("given", [{"unit_id": "\ud800"}, {"id": "a\udfff"}])
def test_an_id_of_half_a_character_is_none(given: dict[str, str]) -> None:
    parsed = parse_line(line(**given), TeacherConfig().imported_ids)
    assert (parsed.fault, parsed.unit_ids) == ("no id", ())
    (reject,) = imported(line(**given)).rejects
    assert reject.model_dump_json()
