"""Lines of JSON: one object or one reason for each, whatever stands in it."""

import json

from etl.platforms.json_lines import JsonLine, json_objects
from etl.platforms.records import Refused


def test_every_line_gives_its_object_or_the_reason_why_there_is_none():
    block = b'{"a": 1}\r\n\n[1]\n{"a": \n{"a": "\xff"}\n{"a": "\\ud800"}\n{"a": "x\ty"}\n{"a": 2}'
    found = list(json_objects(block))
    assert [line.row["a"] if isinstance(line, JsonLine) else line.reason for line in found] == [
        1, "empty line", "not an object", "not json", "\ufffd", "\ufffd", "x\ty", 2
    ]  # fmt: skip
    assert [line.casts for line in found if isinstance(line, JsonLine) and line.casts] == [
        ("line: invalid utf-8",), ("line: lone surrogate",), ("line: control character",)
    ]  # fmt: skip
    assert sum(line.bytes for line in found) == len(block)
    assert found[0].raw == '{"a": 1}'


def test_deep_and_endless_values_are_refused_not_raised():
    block = b"\n".join([b"[" * 100_000, b'{"a":' * 100_000, b'{"a": ' + b"9" * 5000 + b"}", json.dumps({"a": "b"}).encode()])
    found = list(json_objects(block))
    assert [isinstance(line, Refused) for line in found] == [True, True, True, False]


def test_the_first_field_with_a_text_counts():
    line = JsonLine({"a": None, "b": " ", "c": 3, "d": "words", "e": "more"}, "", 0)
    assert (line.text("a", "b", "c", "d", "e"), line.text("a", "x")) == ("words", None)
