"""Which acts make no unit, and the settings that say so."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from conf.errors import ConfigError
from conf.settings import load_settings
from etl.config import EtlConfig, UnitFilters
from etl.units.filters import REASONS, filtered_out
from tests.etl_rows import act, acts_batch

NO_BOTS = pa.array([], pa.string())


def reasons(filters: UnitFilters, *acts: dict[str, Any], bots: pa.Array = NO_BOTS) -> list[str]:
    """Why each act makes no unit, in their order."""
    numbered = [values | {"unit_id": f"{number:03}", "thread_id": None} for number, values in enumerate(acts)]
    return filtered_out(acts_batch(numbered), filters, bots).tolist()


def some(**values: Any) -> dict[str, Any]:
    return act("x", **values)


def test_without_filters_every_act_stays() -> None:
    odd = [
        some(community=None, language="xx", text=None, attributes={"over_18": "true", "promoted": "true"}),
        some(created_at=datetime(1970, 1, 1, tzinfo=UTC)),
    ]
    assert UnitFilters().are_off
    assert reasons(UnitFilters(), *odd, bots=pa.array(["user of x"])) == ["", ""]


def test_only_included_communities_stay_in_any_case() -> None:
    filters = UnitFilters(communities_include=("Tea", "COFFEE"))
    acts = [some(community=name) for name in ("tea", "TEA", "Coffee", "teas", None)]
    assert reasons(filters, *acts) == ["", "", "", "community", "community"]


def test_excluded_communities_go_in_any_case_and_acts_without_one_stay() -> None:
    acts = [some(community=name) for name in ("tEA", "teas", None)]
    assert reasons(UnitFilters(communities_exclude=("Tea",)), *acts) == ["community", "", ""]


def test_the_first_day_is_in_and_the_last_is_out() -> None:
    filters = UnitFilters(date_from="2020-01-02", date_to="2020-01-03")
    times = [(2020, 1, 1, 23, 59, 59, 999_999), (2020, 1, 2), (2020, 1, 2, 23, 59, 59, 999_999), (2020, 1, 3)]
    assert reasons(filters, *(some(created_at=datetime(*time, tzinfo=UTC)) for time in times)) == ["date", "", "", "date"]


def test_one_border_alone_holds() -> None:
    early, late = some(created_at=datetime(2019, 1, 1, tzinfo=UTC)), some(created_at=datetime(2021, 1, 1, tzinfo=UTC))
    assert reasons(UnitFilters(date_from="2020-01-01"), early, late) == ["date", ""]
    assert reasons(UnitFilters(date_to="2020-01-01"), early, late) == ["", "date"]


@pytest.mark.parametrize(
    ("setting", "attribute", "value"),
    [
        ("drop_over_18", "over_18", "true"),
        ("drop_promoted", "promoted", "true"),
        ("drop_stickied", "stickied", "true"),
        ("drop_distinguished", "distinguished", "moderator"),
    ],
)
def test_marked_acts_go_where_their_mark_is_filtered(setting: str, attribute: str, value: str) -> None:
    acts = [some(attributes={"score": "1", attribute: value}), some(attributes={"score": "1"}), some(attributes={attribute: "false"})]
    assert reasons(UnitFilters(**{setting: True}), *acts) == [attribute, "", ""]


def test_bots_go_where_they_are_filtered_and_acts_without_a_user_stay() -> None:
    acts = [some(user_id="bot"), some(user_id="person"), some(user_id=None)]
    assert reasons(UnitFilters(drop_bots=True), *acts, bots=pa.array(["bot"])) == ["bot", "", ""]


def test_words_of_title_and_text_count_together() -> None:
    words = [(None, "one two three"), ("one", " two\n\nthree "), ("one two", None), (None, "  one\ttwo  "), (None, None), ("", "")]
    acts = [some(title=title, text=text) for title, text in words]
    assert reasons(UnitFilters(min_words=3), *acts) == ["", "", *["few words"] * 4]
    assert reasons(UnitFilters(min_words=1), *acts) == [*[""] * 4, *["few words"] * 2]


def test_other_languages_go_and_those_unknown_only_when_asked() -> None:
    acts = [some(language=tag) for tag in ("en", "EN-us", "de", "eng", None)]
    assert reasons(UnitFilters(languages=("en",)), *acts) == ["", "", "language", "language", ""]
    assert reasons(UnitFilters(languages=("en",), drop_unknown_language=True), *acts)[-1] == "language"


def test_the_first_reason_in_their_order_counts() -> None:
    everything = UnitFilters(
        communities_exclude=("c",), date_to="2019-01-01", drop_over_18=True, drop_promoted=True, drop_stickied=True, drop_distinguished=True,
        drop_bots=True, min_words=3, languages=("de",),
    )  # fmt: skip
    marks = {"over_18": "true", "promoted": "true", "stickied": "true", "distinguished": "admin"}
    # Each act passes one filter more than the one before it.
    passed = [
        {}, {"community": "d"}, {"created_at": datetime(2018, 1, 1, tzinfo=UTC)}, *({"attributes": dict(list(marks.items())[n:])} for n in range(1, 5)),
        {"user_id": "person"}, {"text": "now these are enough"},
    ]  # fmt: skip
    act_values: dict[str, Any] = {"attributes": marks, "user_id": "bot", "language": "en", "text": "too few"}
    acts = [some(**(act_values := act_values | more)) for more in passed]
    assert reasons(everything, *acts, bots=pa.array(["bot"])) == list(REASONS)


def test_no_acts_have_no_reasons() -> None:
    filters = UnitFilters(communities_include=("c",), min_words=2, languages=("en",), drop_over_18=True, drop_bots=True)
    assert reasons(filters) == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("communities", "[tea]", r"unknown key etl\.filters\.communities"),
        ("date_from", "soon", r"etl\.filters\.date_from"),
        ("languages", "[en, klingon]", "languages that cannot be told: klingon"),
        ("languages", "en", r"etl\.filters\.languages"),
        ("min_words", "-1", r"etl\.filters\.min_words"),
        ("drop_unknown_language", "true", "drop_unknown_language needs languages"),
    ],
)
def test_a_wrong_filter_is_named(key: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(None, [f"etl.filters.{key}={value}"]).section("etl", EtlConfig)


def test_filters_that_nothing_passes_are_refused() -> None:
    with pytest.raises(ConfigError, match="date_from 2020-01-01 must be before date_to 2020-01-01"):
        load_settings(None, ["etl.filters.date_from=2020-01-01", "etl.filters.date_to=2020-01-01"]).section("etl", EtlConfig)
    with pytest.raises(ConfigError, match="both included and excluded: tea"):
        load_settings(None, ["etl.filters.communities_include=[Tea, c]", "etl.filters.communities_exclude=[TEA]"]).section("etl", EtlConfig)


def test_filters_read_from_a_file_are_those_of_the_code() -> None:
    overrides = ["etl.filters.date_from=2020-01-01", "etl.filters.languages=[en, 'no']", "etl.filters.drop_bots=true"]
    filters = load_settings(None, overrides).section("etl", EtlConfig).filters
    assert filters == UnitFilters(date_from="2020-01-01", languages=("en", "no"), drop_bots=True)
    assert not filters.are_off
