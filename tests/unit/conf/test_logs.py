"""How often a long job speaks."""

import pytest

from conf import logs


def test_first_line_is_due_at_once_and_the_next_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: clock[0])
    pace, heard = logs.Pace(), []
    for seconds in (0, 1, 14.5, 15, 16, 29, 30.5):
        clock[0] = 100.0 + seconds
        heard.append(pace.is_due())
    assert heard == [True, False, False, True, False, False, True]
