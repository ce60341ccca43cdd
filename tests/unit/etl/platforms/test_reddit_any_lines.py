"""Whatever a dump holds, each of its lines is an act or a reject, and which does not depend on where blocks begin."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.platforms import InputFile, ParsedBatch
from etl.platforms.reddit import parse_block
from lake.acts import ACTS, REJECTS
from lake.schema import checked_table
from tests.unit.etl.platforms.any_lines import contents
from tests.unit.etl.platforms.reddit_rows import SETTINGS

FIRST, LAST = datetime(2005, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def parse(block: bytes, kind: str, first_line: int = 1) -> ParsedBatch:
    return parse_block(block, InputFile("", "RC_test", kind, 0), first_line, SETTINGS)


def whole_lines(content: bytes) -> list[bytes]:
    """The lines as they stand, with their ends: the slow and obvious way."""
    lines = [line + b"\n" for line in content.split(b"\n")]
    lines[-1] = lines[-1].removesuffix(b"\n")
    return lines if lines[-1] else lines[:-1]


def rows_of(batches: list[ParsedBatch]) -> tuple[list, list, dict]:
    casts: dict[str, int] = {}
    for batch in batches:
        casts = {name: casts.get(name, 0) + batch.casts.get(name, 0) for name in {*casts, *batch.casts}}
    return [row for batch in batches for row in batch.acts.to_pylist()], [row for batch in batches for row in batch.rejects.to_pylist()], casts


@pytest.mark.parametrize("kind", ["comments", "submissions"])
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_line_is_one_act_or_one_reject(kind, data):
    content = data.draw(contents(kind))
    lines = whole_lines(content)
    if not lines:
        return
    batch = parse(content, kind)
    acts, rejects = checked_table(ACTS, batch.acts), checked_table(REJECTS, batch.rejects)
    assert batch.lines == len(lines)
    assert sorted(acts["line"].to_pylist() + rejects["line"].to_pylist()) == list(range(1, len(lines) + 1))
    assert all(FIRST <= moment < LAST for moment in acts["created_at"].to_pylist())
    assert set(acts["state"].to_pylist()) <= {"kept", "deleted", "removed"}
    for line, reason, raw in zip(*(rejects[name].to_pylist() for name in ("line", "reason", "raw")), strict=True):
        stood = lines[line - 1].removesuffix(b"\n").decode("utf-8", "replace").replace("\0", "\ufffd")
        assert (bool(reason), raw) == (True, stood[: SETTINGS.reject_chars])
    assert rows_of([batch]) == rows_of([parse(line, kind, number) for number, line in enumerate(lines, start=1)])
