"""The graph of a load shows a pause and what comes after it."""

from __future__ import annotations

from phoenixctl.demo.graph import graph


def test_a_pause_is_seen_and_so_is_what_waited_in_it():
    assert graph([8, 9, 0, 0, 32, 8, 1], 0.1) == (
        "   0.0s ▄▅..█▄▁",
        "        █ = 16 or more in 0.1s, . = 0",
    )


def test_a_long_load_has_several_lines_with_their_begin():
    first, second, _ = graph([4] * 70, 0.5)
    assert first == "   0.0s " + "█" * 60
    assert second == "  30.0s " + "█" * 10


def test_where_nothing_was_acknowledged_nothing_rises():
    assert graph([0, 0], 1.0) == ("   0.0s ..", "        █ = 0 in 1s, . = 0")
    assert graph([], 1.0) == ("        █ = 0 in 1s, . = 0",)
