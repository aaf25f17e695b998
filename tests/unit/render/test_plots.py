"""Values as signs."""

from __future__ import annotations

from math import nan

from phoenixctl.render.plots import plot, resampled, sparkline


def test_a_sparkline_goes_from_the_lowest_to_the_highest_and_leaves_gaps() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([5, nan, 5]) == "▁ ▁"
    assert sparkline([nan, nan]) == "  "


def test_a_window_is_cut_in_equal_parts_of_means() -> None:
    found = resampled([0, 1, 5, 10], [2, 4, nan, 9], start=0, until=10, count=2)
    assert found[0] == 3
    assert found[1] != found[1]  # unknown, and what is after the end does not count


def test_a_plot_has_its_axis_and_its_dots() -> None:
    lines = plot([0, 1, 2, 3, 4, 5, 6, 7], width=4, height=2, label=lambda v: f"{v:g}")
    assert [line[:3] for line in lines] == ["7 ┤", "0 ┤"]
    assert lines[0][3:5] == "⠀⠀"  # the first half is in the lower line
    assert lines[1][5:] == "⠀⠀"


def test_a_plot_of_one_value_has_no_span_and_is_drawn_all_the_same() -> None:
    lines = plot([3, 3], width=1, height=3, label=lambda v: f"{v:g}")
    assert len(lines) == 3
    assert lines[0].lstrip().startswith("3 ┤")
    assert plot([nan], width=1, height=3, label=str) == []
