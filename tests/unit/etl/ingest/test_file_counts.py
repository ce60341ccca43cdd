"""Counts of a file add up from its slices, in any order, and miss no line."""

import pyarrow as pa
import pytest

from conf.errors import ContractError
from etl.ingest.file_counts import FileCounts
from etl.platforms import InputFile, ParsedBatch
from etl.platforms.reddit import parse_block
from lake.acts import UNKNOWN_TIME
from tests.unit.etl.platforms.reddit_rows import SETTINGS

FILE = InputFile("", "RC_test", "comments", 0)
GOOD = b'{"id": "c%d", "body": "words", "created_utc": "%d"}\n'


def batch(first_line: int, lines: int) -> ParsedBatch:
    """So many lines from a number on; one second lies between two lines, and every third is a reject."""
    block = b"".join(GOOD % (line, 1_251_763_200 + line) if line % 3 else b"not json\n" for line in range(first_line, first_line + lines))
    return parse_block(block, FILE, first_line, SETTINGS)


def counted(*batches: ParsedBatch) -> FileCounts:
    counts = FileCounts()
    for one in batches:
        counts.add(one, FILE)
    return counts


def test_slices_count_what_the_whole_counts():
    whole, first, second = counted(batch(1, 100)), counted(batch(1, 10), batch(41, 60)), counted(batch(11, 30))
    second.include(first)
    second.check_lines(FILE)
    expected = (100, 67, 33, {"created_utc: string": 67, "link_id: null": 67, "parent_id: null": 67}, {"not json": 33}, whole.json_bytes, whole.times)
    assert (second.lines, second.acts, second.rejects, second.casts, second.reasons, second.json_bytes, second.times) == expected
    assert [moment.second for moment in second.times] == [1, 40]


def test_a_time_that_no_source_told_is_no_files_first():
    (known,) = batch(1, 2).acts["created_at"].to_pylist()[:1]
    acts = batch(1, 3).acts
    times = pa.array([UNKNOWN_TIME, known], acts["created_at"].type)
    some = acts.set_column(acts.schema.get_field_index("created_at"), "created_at", times)
    rejects = batch(1, 3).rejects
    assert counted(ParsedBatch(some, rejects, 3, 0, {}, {"heading": 2})).times == [known, known]
    none = some.set_column(some.schema.get_field_index("created_at"), "created_at", pa.array([UNKNOWN_TIME] * 2, times.type))
    counts = counted(ParsedBatch(none, rejects, 3, 0, {}, {"heading": 2}))
    counts.include(counted(ParsedBatch(none, rejects, 3, 0, {}, {"heading": 1, "vote": 1})))
    assert (counts.times, counts.left_out) == ([], {"heading": 3, "vote": 1})


@pytest.mark.parametrize("batches", [[batch(2, 5)], [batch(1, 5), batch(7, 5)], [batch(1, 5), batch(5, 5)], [batch(1, 5), batch(1, 5)]])
def test_a_line_that_no_slice_has_or_two_have_is_an_error(batches):
    with pytest.raises(ContractError, match=r"RC_test: line \d+ comes where line \d+ was expected"):
        counted(*batches).check_lines(FILE)


@pytest.mark.parametrize("lines", [9, 8])
def test_a_batch_that_loses_a_line_is_an_error(lines):
    whole = batch(1, 9)
    middle_is_gone = pa.concat_tables([whole.acts.slice(0, 2), whole.acts.slice(3)])
    with pytest.raises(ContractError, match=f"RC_test: {lines} lines gave 5 acts and 3 rejects, of lines 1 to 9"):
        counted(ParsedBatch(middle_is_gone, whole.rejects, lines, 0, {}))
