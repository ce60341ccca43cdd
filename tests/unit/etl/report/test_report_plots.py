"""The geometry of the plots: stacked heights, axes that read well, labels that fit; and numbers in words."""

import pytest

from etl.report import words
from etl.report.plots import Bar, Part, Tick, bars, column_plot, dot_plot, heat_table, label_ticks, round_up


def test_columns_are_stacked_from_the_bottom_and_fill_the_axis() -> None:
    plot = column_plot("t", ["a", "b", "c"], {"first": [3, 0, 0], "bad": [1, 2, 0]}, ["A", "B", "C"], str, gaps={"c"})
    assert [column.parts for column in plot.columns] == [[Part(25, 75, "first"), Part(0, 25, "bad")], [Part(50, 50, "bad")], []]
    assert [(column.tooltip, column.is_gap) for column in plot.columns] == [("A", False), ("B", False), ("C", True)]
    assert plot.y_ticks == [Tick(0, "0.0"), Tick(50, "2.0"), Tick(100, "4.0")]


def test_a_value_too_small_to_see_is_still_drawn_and_a_plot_of_zeros_is_empty() -> None:
    (small, _) = column_plot("t", ["a", "b"], {"first": [1, 1_000_000]}, ["", ""], str).columns
    assert small.parts[0].height > 0.5
    assert column_plot("t", ["a"], {"first": [0]}, [""], str).is_empty
    assert not column_plot("t", ["a"], {"first": [1]}, [""], str).is_empty


@pytest.mark.parametrize(("number", "rounded"), [(0, 1), (1, 1), (0.13, 0.2), (58_164, 60_000), (9.1, 10), (100, 100)])
def test_an_axis_ends_at_a_number_that_reads_well(number: float, rounded: float) -> None:
    assert round_up(number) == pytest.approx(rounded)


def test_many_months_are_labelled_by_years_and_few_by_themselves() -> None:
    months = [f"{year}-{number:02}" for year in range(2005, 2025) for number in range(1, 13)]
    ticks = label_ticks(months)
    assert [tick.label for tick in ticks] == ["2005", "2008", "2011", "2014", "2017", "2020", "2023"]
    assert ticks[1].at == pytest.approx(100 * 36 / 240)
    assert [tick.label for tick in label_ticks(["2005-12", "2006-01"])] == ["2005-12", "2006-01"]
    assert label_ticks([]) == []


def test_bars_are_as_long_as_their_part_of_the_longest() -> None:
    assert bars([("a", 4, "four"), ("b", 1, "one")]) == [Bar("a", [("first", 100)], "four"), Bar("b", [("first", 25)], "one")]
    assert bars([("a", 0, "none")]) == [Bar("a", [("first", 0)], "none")]


def test_dots_stand_on_a_logarithmic_axis() -> None:
    plot = dot_plot([(100, 5, "low"), (100_000, 10, "high")], words.short, words.short)
    assert [(dot.x, dot.y, dot.tooltip) for dot in plot.dots] == [(0, 50, "low"), (pytest.approx(75), 100, "high")]
    assert [tick.label for tick in plot.x_ticks] == ["100", "1k", "10k", "100k"]


def test_cells_are_coloured_by_their_part_of_the_largest_and_empty_without_a_value() -> None:
    assert heat_table(["x", "y"], {"a": [2, None], "b": [0.5, 1]}, str).rows == {"a": [("2", 1), ("", 0)], "b": [("0.5", 0.25), ("1", 0.5)]}


def test_numbers_in_words_never_round_to_nothing_or_to_all() -> None:
    assert [words.share(part) for part in (None, 0, 0.0004, 0.123, 0.5, 0.9996, 1)] == ["–", "0 %", "< 0.1 %", "12.3 %", "50 %", "> 99.9 %", "100 %"]
    assert [words.short(number) for number in (0, 0.5, 999, 1500, 20_000_000, 3e9)] == ["0", "0.5", "999", "1.5k", "20M", "3B"]
    assert [words.size(number) for number in (12, 1000, 29_700_000)] == ["12 bytes", "1 kB", "29.7 MB"]
    assert (words.listed([1, 2], 2), words.listed([1, 2, 3, 4], 2)) == ("1, 2", "1, 2 and 2 more")
