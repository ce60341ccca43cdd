"""What the proof of an erasure sees in bytes and columns."""

import time

import pyarrow as pa
import pytest

from lake.remains import Traces, strings_of

PERSON = "0123456789abcdef" * 4
TRACES = Traces(frozenset({PERSON, "reddit:t1_abc", "takeout:a/b=+", "person seven", "x"}), ('say "so" & <go>',))


@pytest.mark.parametrize(
    "there",
    [
        f'{{"user_id":"{PERSON}"}}', f"u_{PERSON}", f"\\u0000{PERSON}\\u0000", "see reddit:t1_abc, there", '"takeout:a/b=+"', "(person seven)", 'say "so" & <go>',
        'say \\"so\\" & <go>', "say &quot;so&quot; &amp; &lt;go&gt;",
    ],
)  # fmt: skip
def test_ids_and_texts_are_seen_however_they_are_written(there: str) -> None:
    assert TRACES.in_text(there)
    assert TRACES.in_bytes(b"\xff\x00" + there.encode() + b"\xfe")


@pytest.mark.parametrize("other", [PERSON[:-1], "f" * 64, "reddit:t1_abcd", "reddit:t1_ab", "t1_abc", "person sevenths", "a person-seven", "x", "", "say so"])
def test_others_are_not(other: str) -> None:
    assert not TRACES.in_text(other)


def test_all_strings_of_a_column_are_looked_at() -> None:
    deep = pa.array(
        [[{"a": [{"b": "one"}], "c": {"d": "two"}}], None],
        pa.list_(pa.struct([("a", pa.list_(pa.struct([("b", pa.string())]))), ("c", pa.map_(pa.string(), pa.string()))])),
    )
    found = [
        text
        for column in (deep, pa.array(["three"]).dictionary_encode(), pa.array([b"four"]), pa.array([1]))
        for each in strings_of(column)
        for text in each.to_pylist()
    ]
    assert found == ["one", "d", "two", "three", "four"]
    assert TRACES.in_column(pa.array([[PERSON]]))
    assert not TRACES.in_column(pa.array([[None, "f"]]))


@pytest.mark.parametrize("hostile", [b"a" * 2**20, b"reddit:" * 2**17, b"reddit" * 2**17, b"0123456789abcdef" * 2**16])
def test_bytes_that_nearly_match_take_no_longer_than_others(hostile: bytes) -> None:
    clock = time.process_time()
    TRACES.in_bytes(hostile[:-1])
    assert time.process_time() - clock < 2
