"""Moments as archives count them."""

from datetime import UTC, datetime

import pytest

from etl.platforms.times import unix_time


@pytest.mark.parametrize(
    ("value", "per_second", "moment"),
    [
        (1_251_763_200, 1, datetime(2009, 9, 1, tzinfo=UTC)),
        ("1251763200", 1, datetime(2009, 9, 1, tzinfo=UTC)),
        (1_251_763_200.5, 1, datetime(2009, 9, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("1251763200.25", 1, datetime(2009, 9, 1, 0, 0, 0, 250_000, tzinfo=UTC)),
        (1_251_763_200_001, 1000, datetime(2009, 9, 1, 0, 0, 0, 1000, tzinfo=UTC)),
        (-1, 1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_numbers_and_their_texts_count_from_1970(value, per_second, moment):
    assert unix_time(value, per_second) == moment


@pytest.mark.parametrize("value", [None, True, "", "soon", "1_0", "1e9", "9" * 5000, 10**400, float("nan"), float("inf"), [1], "2009-09-01"])
def test_what_is_no_number_or_beyond_all_years_is_no_moment(value):
    assert unix_time(value) is None
